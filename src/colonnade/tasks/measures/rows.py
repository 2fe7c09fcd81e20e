"""Rows to measure, the measure itself, and the checks that come before it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from colonnade.core.errors import ColonnadeError, DataError, TrainingError

MAX_NAMED_ROWS = 10


@dataclass(frozen=True)
class Rows:
    """Predictions beside what is true, for rows that count.

    Args:
        prediction: what a decoder gives, tensors of ``N`` rows.
        target: ``(N,)`` class index, ``(N, L)`` labels, or ``(N, T)`` values in original units.
        weight: ``(N,)`` float64, positive; None means one.
    """

    prediction: Mapping[str, Tensor]
    target: Tensor
    weight: Tensor | None


@dataclass(frozen=True)
class Measure:
    """A number that says how good predictions are.

    Args:
        function: :class:`Rows`, or of forecasts :class:`~colonnade.tasks.measures.steps.Steps`, to ``(1,)`` values, or
            ``(T,)``, one for each target.
        mode: whether small or large values are good; None: neither, such as the width of an interval, so that it cannot
            be monitored.
        cheap: linear in the rows, so that it may be taken at the end of every epoch.
    """

    function: Callable[[Any], Tensor]
    mode: Literal["min", "max"] | None
    cheap: bool = True


def row_mean(values: Shaped[Tensor, "n *rest"], weight: Shaped[Tensor, "n"] | None) -> Float[Tensor, "*rest"]:
    """Mean over the rows in float64: ``sum(w v) / sum(w)``."""
    values = values.to(torch.float64)
    if weight is None:
        return values.mean(0)
    return torch.tensordot(weight, values, dims=([0], [0])) / weight.sum()


def rows_that_count(prediction: Mapping[str, Tensor], target: Tensor, weight: Shaped[Tensor, "n"] | None) -> Rows:
    """Check predictions and weights, and leave out rows of weight zero.

    Raises:
        TrainingError: a prediction is NaN or infinite; its position is named.
        DataError: a weight is negative or not finite.
    """
    for name, values in prediction.items():
        if values.is_floating_point():
            refuse_rows(~values.isfinite(), TrainingError, f"{name} is NaN or infinite")
    if weight is None:
        return Rows(prediction, target, None)
    weight = weight.to(target.device, torch.float64)
    refuse_rows(~(weight.isfinite() & (weight >= 0)), DataError, "weight is negative or not finite")
    counts = weight > 0
    if counts.all():
        return Rows(prediction, target, weight)
    return Rows({k: v[counts] for k, v in prediction.items()}, target[counts], weight[counts])


def refuse_rows(
    bad: Bool[Tensor, "n *rest"],
    error: type[ColonnadeError],
    what: str,
    row_id: Int64[Tensor, "n"] | None = None,
    fix: str = "",
) -> None:
    """Raise ``error`` with the rows in which anything is bad.

    Args:
        bad: True where it is.
        error: type of the error.
        what: says in words what is bad.
        row_id: of each row, to be named; None: positions are.
        fix: what to do about it, behind the rows.
    """
    if not bad.any():
        return
    positions = bad.flatten(1).any(1).nonzero().flatten() if bad.ndim > 1 else bad.nonzero().flatten()
    shown = positions[:MAX_NAMED_ROWS]
    named = ", ".join(str(i) for i in (shown if row_id is None else row_id[shown]).tolist())
    word = "positions" if row_id is None else "row ids"
    more = ", ..." if len(positions) > MAX_NAMED_ROWS else ""
    raise error(f"{what} in {len(positions)} of {len(bad)} rows ({word} {named}{more}){fix}")
