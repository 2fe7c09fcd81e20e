"""Scaling: decoded probabilities to calibrated ones, in modules that export; fitted in the room ``evaluation``."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.schema import TargetKind

# Probabilities of labels, of which one side only is known, are kept this far from 0 and 1 before log-odds are taken.
TINY = 1e-7
# Those of classes, whose other side stands beside them, come down to the least normal float32.
LEAST = torch.finfo(torch.float32).tiny


class Scaling(nn.Module):
    """Probabilities to calibrated probabilities.

    Args:
        kind: of the target: ``class`` or ``multilabel``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def __call__(self, probability: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """Calibrated probabilities, in the type of those that are given."""
        result: Tensor = super().__call__(probability)
        return result

    def as_probability(self, score: Float[Tensor, "n k"], like: Tensor) -> Float[Tensor, "n c"]:
        """Scores, as :func:`scores` gives them, back to probabilities in the type of ``like``."""
        if self.kind == TargetKind.MULTILABEL:
            return score.sigmoid().to(like.dtype)
        if score.shape[1] == 1:
            return torch.cat((score.neg().sigmoid(), score.sigmoid()), dim=1).to(like.dtype)
        return score.softmax(1).to(like.dtype)


class Temperature(Scaling):
    """Log-probabilities divided by one number, of several labels by one each (Guo et al., 2017, arXiv:1706.04599).

    Args:
        kind: see :class:`Scaling`.
        temperature: ``(1,)``, or ``(L,)`` for labels; above 1 it brings probabilities nearer to each other.
    """

    temperature: Tensor

    def __init__(self, kind: str, temperature: Float[Tensor, "k"]) -> None:
        super().__init__(kind)
        self.register_buffer("temperature", temperature.to(torch.float64))

    def forward(self, probability: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """See the base class."""
        return self.as_probability(scores(probability, self.kind) / self.temperature, probability)


class Vector(Scaling):
    """A weight and a bias for each score: vector scaling (Guo et al., 2017); of two classes, Platt's (1999).

    Args:
        kind: see :class:`Scaling`.
        weight, bias: ``(K,)``: 1 for two classes, else one for each class or label.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, kind: str, weight: Float[Tensor, "k"], bias: Float[Tensor, "k"]) -> None:
        super().__init__(kind)
        self.register_buffer("weight", weight.to(torch.float64))
        self.register_buffer("bias", bias.to(torch.float64))

    def forward(self, probability: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """See the base class."""
        return self.as_probability(scores(probability, self.kind) * self.weight + self.bias, probability)


class Isotonic(Scaling):
    """A rising curve for each class or label, straight between knots and level beyond them.

    Of two classes the curve is that of the second. Of more, each class has its own, and the results are brought to the
    sum 1 (Zadrozny and Elkan, 2002).

    Args:
        kind: see :class:`Scaling`.
        x: ``(K, P)`` probabilities, rising; a row with fewer knots repeats its last one.
        y: ``(K, P)`` what they stand for, in ``(0, 1)``.
    """

    x: Tensor
    y: Tensor

    def __init__(self, kind: str, x: Float[Tensor, "k p"], y: Float[Tensor, "k p"]) -> None:
        super().__init__(kind)
        self.register_buffer("x", x.to(torch.float64))
        self.register_buffer("y", y.to(torch.float64))

    def forward(self, probability: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """See the base class."""
        if self.kind == TargetKind.MULTILABEL:
            return self._curves(probability).to(probability.dtype)
        if probability.shape[1] == 2:
            second = self._curves(probability[:, 1:])
            return torch.cat((1 - second, second), dim=1).to(probability.dtype)
        found = self._curves(probability)
        return (found / found.sum(1, keepdim=True)).to(probability.dtype)

    def _curves(self, probability: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """What each probability stands for, float64: the sum of the parts of all pieces that lie below it."""
        value = probability.to(torch.float64)[:, :, None]
        left, width = self.x[:, :-1], self.x.diff(dim=1)
        # Where knots are repeated there is no piece: any share of its height, which is 0, will do.
        share = ((value - left) / torch.where(width > 0, width, 1.0)).clamp(0, 1)
        return self.y[:, 0] + (share * self.y.diff(dim=1)).sum(2)


SCALINGS: Mapping[str, type[Temperature | Vector | Isotonic]] = {
    "temperature": Temperature,
    "vector": Vector,
    "isotonic": Isotonic,
}


def scores(probability: Float[Tensor, "n c"], kind: str) -> Float[Tensor, "n k"]:
    """What is scaled, float64: log-odds of labels ``(N, L)`` or of the second of two classes ``(N, 1)``, else
    log-probabilities ``(N, C)``."""
    value = probability.to(torch.float64)
    if kind == TargetKind.MULTILABEL:
        return value.clamp(TINY, 1 - TINY).logit()
    log = value.clamp_min(LEAST).log()
    return log[:, 1:] - log[:, :1] if log.shape[1] == 2 else log
