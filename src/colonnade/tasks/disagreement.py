"""Disagreement: how far the members of an ensemble, or those within one network, are apart about a row."""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from colonnade.core.schema import TargetKind
from colonnade.tasks.combine import COMBINED, Combiner

DISAGREEMENT = "disagreement"


class MemberDecoder(nn.Module):
    """A decoder that also tells how far the members are apart.

    Args:
        decoder: of the task.
        kind: of the target.
    """

    def __init__(self, decoder: nn.Module, kind: str) -> None:
        super().__init__()
        self.decoder = decoder
        self.kind = kind

    def forward(self, raw: Float[Tensor, "b m *out"]) -> dict[str, Tensor]:
        """What the decoder gives, and ``disagreement``, see :func:`disagreement`."""
        prediction: dict[str, Tensor] = self.decoder(raw)
        return {**prediction, DISAGREEMENT: disagreement(by_member(self.decoder, raw), self.kind)}


class MemberCombiner(Combiner):
    """A combiner that also tells how far the members are apart, each of which counts once.

    Args:
        combiner: what makes one prediction of theirs.
    """

    def __init__(self, combiner: Combiner) -> None:
        super().__init__(combiner.kind)
        self.combiner = combiner

    def forward(self, predictions: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """What the combiner gives, and ``disagreement``, see :func:`disagreement`."""
        stacked = {
            name: torch.stack([prediction[name] for prediction in predictions], dim=1)
            for name in predictions[0]
            if name in COMBINED
        }
        return {**self.combiner(predictions), DISAGREEMENT: disagreement(stacked, self.kind)}


def by_member(
    decode: Callable[[Tensor], dict[str, Tensor]], raw: Float[Tensor, "b m *out"]
) -> dict[str, Shaped[Tensor, "b m *rest"]]:
    """What each member predicts by itself.

    Args:
        decode: raw outputs of rows to predictions.
        raw: ``(B, M, *out)``.
    """
    n_members = raw.shape[1]
    each = decode(raw.flatten(0, 1)[:, None])
    return {name: values.reshape(-1, n_members, *values.shape[1:]) for name, values in each.items()}


def disagreement(members: Mapping[str, Tensor], kind: str) -> Float[Tensor, "b *rest"]:
    """How far members are apart, float64; 0 where all say the same.

    Args:
        members: ``probability (B, M, C)`` or ``value (B, M, T)``.
        kind: of the target.

    Returns:
        Of classes ``(B,)`` and of labels ``(B, L)``: the entropy of the mean minus the mean of the entropies, in nats
        (Jensen-Shannon divergence; the mutual information of BALD, Houlsby et al., 2011, arXiv:1112.5745). Of values
        ``(B, T)``: their standard deviation, in the units of the target.
    """
    if kind == TargetKind.REAL:
        value = members["value"].to(torch.float64)
        return (value - value.mean(1, keepdim=True)).square().mean(1).sqrt()
    probability = members["probability"].to(torch.float64)
    if kind == TargetKind.MULTILABEL:
        probability = torch.stack((probability, 1 - probability), dim=3)
    return (_entropy(probability.mean(1)) - _entropy(probability).mean(1)).clamp_min(0)


def _entropy(probability: Float[Tensor, "*rest c"]) -> Float[Tensor, "*rest"]:
    # Where a probability is 0, its part is too.
    return -(probability * probability.clamp_min(torch.finfo(torch.float32).tiny).log()).sum(-1)
