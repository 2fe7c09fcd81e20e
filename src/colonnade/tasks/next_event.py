"""Next event: its type, and the time until it comes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from colonnade.core.errors import ConfigError, DataError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import Task, full_precision, over_members
from colonnade.tasks.classes import check_classes, class_index
from colonnade.tasks.measures import labels, proper, values
from colonnade.tasks.measures.rows import Measure, Rows, refuse_rows, row_mean
from colonnade.tasks.quantile import increasing
from colonnade.tasks.times import TimeDistribution, distribution_of


class NextEvent(Task):
    """The type of the next event and the time until it comes, in one model: a marked temporal point process.

    The loss is the negative log-likelihood of both, of which the time does not depend on the type, given the history::

        -log p(type | history) - log f(time | history)

    Predictions are the likeliest type, probabilities of the types, and the median and quantiles of the time. The target
    of a batch is ``(B, 2)``: the index of the type, and the time over the mean of the train times.

    Args:
        name, monitor, mode: see :class:`~colonnade.tasks.base.Task`; ``val/loss`` is the negative log-likelihood.
        time: distribution of the time, ``log_normal`` or ``exponential`` (see :mod:`colonnade.tasks.times`).
        components: of a log-normal: how many are mixed. Several can say that an event comes at once or much later.
        quantiles: increasing levels in ``(0, 1)``, with the median 0.5 among them.

    Raises:
        ValueError: an unknown distribution, components that it does not have, or quantiles out of range, out of order,
            or without the median.
        ConfigError: see :class:`~colonnade.tasks.base.Task`.
    """

    target_kind = TargetKind.EVENT

    def __init__(
        self,
        *,
        name: str = "next_event",
        monitor: str = "val/loss",
        mode: Literal["min", "max"] = "min",
        time: str = "log_normal",
        components: int = 1,
        quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
    ) -> None:
        self.time = distribution_of(time, components)
        self.quantiles = increasing(quantiles)
        pinball = partial(values.pinball_loss, quantiles=self.quantiles)
        measures = {
            "accuracy": Measure(_of_type(labels.accuracy), "max"),
            "f1_score": Measure(_of_type(labels.f1_multiclass), "max"),
            "log_loss": Measure(_of_type(proper.log_loss), "min"),
            "mae": Measure(_of_time(values.mae), "min"),
            "rmse": Measure(_of_time(values.rmse), "min"),
            "pinball_loss": Measure(_of_time(pinball), "min"),
            "nll": Measure(self._nll, None),
        }
        super().__init__(name=name, monitor=monitor, mode=mode, measures=measures)

    def setup(self, spec: BatchSpec) -> None:
        """See the base class.

        Raises:
            ConfigError: ``data`` gives no steps of which another follows.
        """
        if spec.n_steps is None:
            raise ConfigError(
                f"task={self.name} learns from what came before an event: data=steps data.lead=1 data.elapsed=hours "
                "data.target=[activity,elapsed]"
            )
        super().setup(spec)
        check_classes(spec)

    def out_shape(self, spec: BatchSpec) -> tuple[int, ...]:
        """A logit for each type, and the parameters of the time."""
        return (len(spec.classes) + self.time.n_outputs,)

    def row_loss(self, raw: Float[Tensor, "b m o"], target: Float[Tensor, "b 2"]) -> Float[Tensor, "b"]:
        """Negative log-likelihood of each row, of the type and of the time in its unit."""
        value = full_precision(raw)
        rows, members, n = len(value), value.shape[1], len(self.spec.classes)
        kind = target[:, :1].long().expand(rows, members)
        of_type = F.cross_entropy(value[..., :n].flatten(0, 1), kind.flatten(), reduction="none").view(rows, members)
        of_time = self.time.nll(value[..., n:], target[:, 1:].to(value.dtype).expand(rows, members))
        return over_members(of_type + of_time) + float(np.log(self.spec.target_scale[0]))

    def decoder(self, spec: BatchSpec) -> nn.Module:
        """See :class:`NextEventDecoder`."""
        return NextEventDecoder(
            n_classes=len(spec.classes), time=self.time, scale=spec.target_scale[0], quantiles=self.quantiles
        )

    def truth(self, target: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Index of the type, and time in its unit, float64.

        Raises:
            DataError: an index has no type, or a time is negative or not finite.
        """
        found = target.to(torch.float64)
        class_index(found[:, 0].long(), self.spec)
        wrong = ~(found[:, 1].isfinite() & (found[:, 1] >= 0))
        refuse_rows(wrong, DataError, f"target '{self.spec.target_names[1]}' is negative, NaN or infinite")
        return found * found.new_tensor([1.0, self.spec.target_scale[0]])

    def _nll(self, rows: Rows) -> Float[Tensor, "1"]:
        """Mean negative log-likelihood; NaN where the distribution is not known, as of several models."""
        if "density" not in rows.prediction:
            return rows.target.new_full((1,), torch.nan)
        scale = self.spec.target_scale[0]
        time = rows.target[:, 1:] / scale
        density = rows.prediction["density"].to(torch.float64)
        members = density.shape[1]
        of_member = self.time.nll(density, time.expand(len(time), members))
        of_time = np.log(members) - (-of_member).logsumexp(1) + np.log(scale)
        return row_mean(of_time, rows.weight)[None] + _of_type(proper.log_loss)(rows)


class NextEventDecoder(nn.Module):
    """Raw outputs to the likeliest type, probabilities, and the time, members averaged.

    Args:
        n_classes: number of types.
        time: distribution of the time.
        scale: its unit.
        quantiles: levels, the median among them.
    """

    def __init__(self, *, n_classes: int, time: TimeDistribution, scale: float, quantiles: tuple[float, ...]) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.time = time
        self.scale = scale
        self.quantiles = quantiles
        self.median = quantiles.index(0.5)

    def forward(self, raw: Float[Tensor, "b m o"]) -> dict[str, Tensor]:
        """``label`` ``(B,)`` int64, ``probability`` ``(B, C)``, ``value`` ``(B, 1)``, the median time, ``quantile``
        ``(B, 1, Q)``, both float64, and ``density`` ``(B, M, P)``, the parameters of the time of each member."""
        raw = full_precision(raw)
        probability = raw[..., : self.n_classes].softmax(2).mean(1)
        density = raw[..., self.n_classes :]
        quantile = (self.time.quantiles(density.to(torch.float64), self.quantiles) * self.scale).mean(1)
        return {
            "label": probability.argmax(1),
            "probability": probability,
            "value": quantile[:, self.median : self.median + 1],
            "quantile": quantile[:, None],
            "density": density,
        }


def _of_type(function: Callable[[Rows], Tensor]) -> Callable[[Rows], Tensor]:
    def measured(rows: Rows) -> Tensor:
        return function(Rows(rows.prediction, rows.target[:, 0].long(), rows.weight))

    return measured


def _of_time(function: Callable[[Rows], Tensor]) -> Callable[[Rows], Tensor]:
    def measured(rows: Rows) -> Tensor:
        return function(Rows(rows.prediction, rows.target[:, 1:], rows.weight))

    return measured
