"""Pooling: from the steps of a sequence to one vector, of valid steps alone."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from colonnade.nn.checks import one_of, positive

POOLINGS = ("attention", "mean", "last")


def mean_of_steps(x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d"]:
    """Mean over the valid steps."""
    if mask is None:
        return x.mean(1)
    valid = mask.unsqueeze(-1).to(x.dtype)
    return (x * valid).sum(1) / valid.sum(1)


def last_step(x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d"]:
    """The last valid step."""
    if mask is None:
        return x[:, -1]
    last = (mask.sum(1) - 1).view(-1, 1, 1).expand(-1, 1, x.shape[2])
    return x.gather(1, last).squeeze(1)


def reversed_steps(mask: Bool[Tensor, "b t"]) -> Int[Tensor, "b t"]:
    """Positions that turn the valid steps of each sequence round and leave the padding where it is; used twice, they
    restore the order."""
    step = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, mask.sum(1, keepdim=True) - 1 - step, step)


def turned(x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b t d"]:
    """The valid steps of each sequence from the last to the first."""
    if mask is None:
        return x.flip(1)
    return x.gather(1, reversed_steps(mask).unsqueeze(-1).expand_as(x))


class AttentionPool(nn.Module):
    """A weighted mean of the valid steps, whose weights are a softmax of a learned score of each.

    Args:
        d: width of a step.
        d_score: width of the tanh layer that scores.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, d: int, *, d_score: int = 64) -> None:
        super().__init__()
        positive(d=d, d_score=d_score)
        self.hidden = nn.Linear(d, d_score)
        # A constant added to all scores changes no softmax.
        self.score = nn.Linear(d_score, 1, bias=False)

    def forward(self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d"]:
        """``(B, T, d)`` to ``(B, d)``."""
        score = self.score(torch.tanh(self.hidden(x)))
        if mask is not None:
            score = score.masked_fill(~mask.unsqueeze(-1), -torch.inf)
        return (score.softmax(1) * x).sum(1)


class StepPool(nn.Module):
    """One of three poolings.

    Args:
        d: width of a step.
        pooling: ``"attention"`` (see :class:`AttentionPool`), ``"mean"``, or ``"last"``: the last valid step.

    Raises:
        ValueError: for an argument out of range.
    """

    def __init__(self, d: int, pooling: str) -> None:
        super().__init__()
        one_of(POOLINGS, pooling=pooling)
        self.pooling = pooling
        self.attention = AttentionPool(d) if pooling == "attention" else None

    def forward(self, x: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"] | None) -> Float[Tensor, "b d"]:
        """``(B, T, d)`` to ``(B, d)``."""
        if self.attention is not None:
            pooled: Tensor = self.attention(x, mask)
            return pooled
        return mean_of_steps(x, mask) if self.pooling == "mean" else last_step(x, mask)
