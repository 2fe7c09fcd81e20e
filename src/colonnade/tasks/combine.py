"""Combine: decoded predictions of several models for the same rows become one, in modules."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec

# Probabilities are kept this far from 0 and 1 before their logarithm is taken.
TINY = 1e-7
LABEL = "label"
COMBINED = ("probability", "value", "quantile")
"""What members are combined by; the rest of a prediction follows from it, or is about one member alone."""


class Combiner(nn.Module):
    """Predictions of ``M`` members to one prediction.

    Args:
        kind: of the target; labels are those of the combined probabilities.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def __call__(self, predictions: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """One prediction of those of all members."""
        prediction: dict[str, Tensor] = super().__call__(predictions)
        return prediction


class WeightedMean(Combiner):
    """The weighted mean of probabilities, values and quantiles.

    Args:
        kind: of the target.
        weight: ``(M,)``, not negative; brought to the sum 1.

    Raises:
        ValueError: a weight is negative or not finite, or all are zero.
    """

    weight: Tensor

    def __init__(self, kind: str, weight: Float[Tensor, "m"]) -> None:
        super().__init__(kind)
        weight = weight.to(torch.float64)
        if not bool(((weight >= 0) & weight.isfinite()).all()) or not bool(weight.sum() > 0):
            raise ValueError(f"weights must be finite, not negative and not all zero, got {weight.tolist()}")
        self.register_buffer("weight", weight / weight.sum())

    def forward(self, predictions: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """One prediction, in the type of the first member."""
        first = predictions[0]
        names = [name for name in first if name in COMBINED]
        means = {name: self._mean([p[name] for p in predictions]).to(first[name].dtype) for name in names}
        return labelled(means, self.kind)

    def _mean(self, values: Sequence[Tensor]) -> Tensor:
        return torch.tensordot(self.weight, torch.stack([v.to(torch.float64) for v in values]), dims=1)


class Stacking(Combiner):
    """A linear model of what the members predict (Wolpert, "Stacked generalization", 1992).

    Of classes it is multinomial, on all log-probabilities (of two classes, on the log-odds); several labels or targets
    have a model each, on the log-odds or values of the same one.

    Args:
        kind: of the target.
        weight: ``(C, M * C)`` for ``C > 2`` classes, ``(1, M)`` for two, ``(T, M)`` for labels or targets.
        bias: ``(C,)``, ``(1,)`` or ``(T,)``.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, kind: str, weight: Float[Tensor, "o i"], bias: Float[Tensor, "o"]) -> None:
        super().__init__(kind)
        self.register_buffer("weight", weight.to(torch.float64))
        self.register_buffer("bias", bias.to(torch.float64))

    def forward(self, predictions: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """One prediction, in the type of the first member."""
        inputs = inputs_of(predictions, self.kind)
        name = "value" if self.kind == TargetKind.REAL else "probability"
        dtype = predictions[0][name].dtype
        if self.kind == TargetKind.CLASS:
            score = inputs.flatten(1) @ self.weight.T + self.bias
            if score.shape[1] == 1:
                return labelled({name: torch.cat((score.neg().sigmoid(), score.sigmoid()), dim=1).to(dtype)}, self.kind)
            return labelled({name: score.softmax(1).to(dtype)}, self.kind)
        score = torch.einsum("nmt,tm->nt", inputs, self.weight) + self.bias
        return labelled({name: (score if self.kind == TargetKind.REAL else score.sigmoid()).to(dtype)}, self.kind)


def labelled(prediction: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """A prediction with the labels of its probabilities, as the decoders of the tasks give them.

    Args:
        prediction: without labels, or with others.
        kind: of the target.
    """
    rest = {name: values for name, values in prediction.items() if name != LABEL}
    if kind in (TargetKind.CLASS, TargetKind.EVENT):
        return {LABEL: rest["probability"].argmax(1), **rest}
    if kind == TargetKind.MULTILABEL:
        return {LABEL: (rest["probability"] > 0.5).long(), **rest}
    return rest


def inputs_of(predictions: Sequence[Mapping[str, Tensor]], kind: str) -> Float[Tensor, "n m t"]:
    """What a stacking model looks at, float64: log-odds (two classes, labels), log-probabilities, or values.

    Args:
        predictions: of each member.
        kind: of the target.
    """
    if kind == TargetKind.REAL:
        return torch.stack([p["value"].to(torch.float64) for p in predictions], dim=1)
    probability = torch.stack([p["probability"].to(torch.float64) for p in predictions], dim=1)
    probability = probability.clamp(TINY, 1 - TINY)
    if kind == TargetKind.MULTILABEL:
        return probability.logit()
    log = probability.log()
    return log[..., 1:] - log[..., :1] if log.shape[2] == 2 else log


def check_alike(specs: Sequence[BatchSpec], names: Sequence[str]) -> None:
    """Refuse members whose predictions mean different things.

    Args:
        specs: of each member.
        names: to call them by.

    Raises:
        ConfigError: other targets, kinds of target or classes than the first, each named.
    """
    first = specs[0]
    for spec, name in zip(specs[1:], names[1:]):
        for what, mine, others in (
            ("kind of target", spec.target_kind, first.target_kind),
            ("target", ", ".join(spec.target_names), ", ".join(first.target_names)),
            ("classes", ", ".join(spec.classes), ", ".join(first.classes)),
        ):
            if mine != others:
                raise ConfigError(f"'{name}' and '{names[0]}' do not go together: {what} {mine}, and {others}")
