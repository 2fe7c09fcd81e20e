"""Task: owner of loss, decoding, measures, and of what is monitored."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError, closest
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.measures.rows import Measure, rows_that_count

LOSS = "loss"
PREFIX = "val/"


class Task(ABC):
    """What turns raw outputs ``(B, members, *out)`` into a loss, predictions and measures.

    A subclass sets ``target_kind``, hands its measures to ``__init__``, and implements ``out_shape``, ``row_loss``,
    ``decoder`` and ``truth``.

    Args:
        name: name of the choice in ``conf/task``, such as ``"binary"``.
        monitor: what callbacks watch: ``"val/"`` and a measure of the task, or ``"val/loss"``.
        mode: ``"min"`` or ``"max"``, whichever is good for the monitored measure.
        measures: the measures by name.

    Raises:
        ConfigError: the task has no such measure, or ``mode`` prefers the worse value.
    """

    target_kind: ClassVar[TargetKind]
    self_supervised: ClassVar[bool] = False
    """Whether its targets are made of the features, so that it needs no target column and predicts none."""
    quantiles: tuple[float, ...] = ()
    """Predicted quantile levels, for tasks that predict quantiles."""
    roles: tuple[str, ...] = ()
    """What each number of a target is: ``level`` moves and stretches with the values, as a mean or a quantile does;
    ``log_scale``, the logarithm of a deviation, stretches; ``free`` does neither. Empty: all are levels."""

    def __init__(
        self, *, name: str, monitor: str, mode: Literal["min", "max"], measures: Mapping[str, Measure]
    ) -> None:
        self.name = name
        self.monitor = monitor
        self.mode = mode
        self.measures = dict(measures)
        self._spec: BatchSpec | None = None
        self._decoder: nn.Module | None = None
        # Names of targets are unknown until ``setup``, which checks once more.
        self._check_monitor(known_targets=None)

    @property
    def spec(self) -> BatchSpec:
        """What the task was set up on.

        Raises:
            RuntimeError: before ``setup``.
        """
        if self._spec is None:
            raise RuntimeError("call task.setup(spec) first")
        return self._spec

    def setup(self, spec: BatchSpec) -> None:
        """Keep what the task needs to know of the data.

        Raises:
            ConfigError: the target is not of the kind that the task learns, or the monitor names an unknown target.
            DataError: the target cannot be learned, such as a single class.
        """
        if spec.target_kind != self.target_kind:
            target = ", ".join(spec.target_names)
            raise ConfigError(
                f"task={self.name} learns a '{self.target_kind}' target, but '{target}' is of kind '{spec.target_kind}'"
                f": use {' or '.join('task=' + name for name in _TASKS_OF_KIND[TargetKind(spec.target_kind)])}"
            )
        self._check_monitor(known_targets=spec.target_names if len(spec.target_names) > 1 else ())
        self._spec = spec
        self._decoder = self.decoder(spec).eval()

    def posed(self, batch: Batch, *, training: bool) -> Batch:
        """What the network is shown of a batch, and the target that this is compared with.

        Args:
            batch: encoded rows.
            training: whether torch's default generators may be drawn from; in evaluation the same rows are always shown
                in the same way.
        """
        return batch

    @abstractmethod
    def out_shape(self, spec: BatchSpec) -> tuple[int, ...]:
        """Shape of the raw output of one member for one row."""

    @abstractmethod
    def row_loss(self, raw: Float[Tensor, "b m *out"], target: Shaped[Tensor, "b *rest"]) -> Float[Tensor, "b"]:
        """Loss of each row, averaged over the members, of which each has its own loss.

        Class weights and label smoothing are inside, sample weights outside.

        Args:
            raw: ``(B, M, *out_shape)``.
            target: as :attr:`colonnade.core.batch.Batch.target`.
        """

    @abstractmethod
    def decoder(self, spec: BatchSpec) -> nn.Module:
        """Module from raw outputs to named predictions in the units of the target, members averaged; it exports."""

    @abstractmethod
    def truth(self, target: Shaped[Tensor, "n *rest"]) -> Shaped[Tensor, "n *rest"]:
        """The target in the units of the prediction.

        Raises:
            DataError: a label is out of range, or a value is not finite; the positions of the rows are named.
        """

    def decode(self, raw: Float[Tensor, "n m *out"]) -> dict[str, Tensor]:
        """Predictions, by the decoder of the data the task was set up on, without gradients."""
        if self._decoder is None:
            raise RuntimeError("call task.setup(spec) first")
        with torch.no_grad():
            return self._decoder.to(raw.device)(raw)

    def metrics(
        self, prediction: Mapping[str, Tensor], target: Shaped[Tensor, "n *rest"], weight: Float[Tensor, "n"] | None
    ) -> dict[str, float]:
        """Every measure of the task.

        Args:
            prediction: what ``decode`` gives.
            target: as :attr:`colonnade.core.batch.Batch.target`.
            weight: sample weights; None means one. Rows of weight zero count for nothing.

        Returns:
            Values by name; with several real targets their mean, and ``<name>/<target>`` each. NaN where a measure
            is undefined: no rows, or a single class where it needs two.

        Raises:
            TrainingError: a prediction is not finite; the positions of the rows are named.
            DataError: see ``truth``, or a weight that is negative or not finite.
        """
        return self.measured(prediction, self.truth(target), weight)

    def measured(
        self,
        prediction: Mapping[str, Tensor],
        truth: Shaped[Tensor, "n *rest"],
        weight: Float[Tensor, "n"] | None,
        names: Collection[str] | None = None,
    ) -> dict[str, float]:
        """Like ``metrics``, of what is true in the units of the prediction.

        Args:
            prediction, weight: see ``metrics``.
            truth: what ``truth`` gives.
            names: of the measures to take; None: all.
        """
        with torch.no_grad():
            rows = rows_that_count(prediction, truth, weight)
            chosen = {name: m for name, m in self.measures.items() if names is None or name in names}
            empty = len(rows.target) == 0
            values = {k: [float("nan")] if empty else m.function(rows).tolist() for k, m in chosen.items()}
        found: dict[str, float] = {}
        for name, of_targets in values.items():
            found[name] = sum(of_targets) / len(of_targets)
            if len(of_targets) > 1:
                found |= {f"{name}/{target}": v for target, v in zip(self.spec.target_names, of_targets)}
        return found

    def epoch_metrics(
        self, prediction: Mapping[str, Tensor], target: Shaped[Tensor, "n *rest"], weight: Float[Tensor, "n"] | None
    ) -> dict[str, float]:
        """The monitored measure and those which are quick on many rows, as ``metrics`` gives them."""
        monitored = self.monitor.removeprefix(PREFIX).split("/")[0]
        chosen = [name for name, m in self.measures.items() if m.cheap or name.split("/")[0] == monitored]
        return self.measured(prediction, self.truth(target), weight, chosen)

    def _check_monitor(self, known_targets: tuple[str, ...] | None) -> None:
        """Refuse a monitor that is not measured; ``known_targets`` None: any target may be named."""
        name = self.monitor.removeprefix(PREFIX)
        modes = {LOSS: "min"} | {k: m.mode for k, m in self.measures.items() if m.mode is not None}
        if known_targets is None:
            name = next((k for k in modes if name.startswith(f"{k}/")), name)
        else:
            modes |= {f"{k}/{t}": mode for k, mode in modes.items() if k != LOSS for t in known_targets}
        if not self.monitor.startswith(PREFIX) or name not in modes:
            raise ConfigError(
                f"task.monitor='{self.monitor}' cannot be monitored: task={self.name} measures "
                + ", ".join(PREFIX + k for k in modes)
                + closest(self.monitor, [PREFIX + k for k in modes] if len(modes) > 12 else [])
            )
        if self.mode != modes[name]:
            raise ConfigError(
                f"task.mode={self.mode!r} would keep the worst epoch: {self.monitor} is good when it is "
                f"{'small' if modes[name] == 'min' else 'large'}; use task.mode={modes[name]}"
            )


class ValueTask(Task):
    """A task whose loss is a mean over real targets. A subclass implements ``losses`` in the place of ``row_loss``."""

    @abstractmethod
    def losses(self, raw: Float[Tensor, "b m t *p"], target: Float[Tensor, "b t"]) -> Float[Tensor, "b m t *q"]:
        """Loss of each member and target, and maybe of each of several numbers of it."""

    def row_loss(self, raw: Float[Tensor, "b m t *p"], target: Float[Tensor, "b t"]) -> Float[Tensor, "b"]:
        """Loss of each row, averaged over the members and targets."""
        return over_members(self.losses(raw, target).flatten(1))


_TASKS_OF_KIND = {
    TargetKind.CLASS: ("binary", "multiclass"),
    TargetKind.MULTILABEL: ("multilabel",),
    TargetKind.REAL: ("regression", "quantile"),
}


def full_precision(raw: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Half-precision outputs as float32, in which losses and probabilities are taken; others as they are."""
    return raw.to(torch.promote_types(raw.dtype, torch.float32))


def over_members(values: Float[Tensor, "b m *rest"]) -> Float[Tensor, "b *rest"]:
    """Mean over the members; of a single one, its view: a node less for the backward pass of a small network."""
    return values.squeeze(1) if values.shape[1] == 1 else values.mean(1)


def beside(constant: Shaped[Tensor, "*shape"], value: Float[Tensor, "*other"]) -> Shaped[Tensor, "*shape"]:
    """A constant on the device and in the type of ``value``, to be kept for the next call.

    Leaves inference mode: a constant first moved in a validation would be refused by the backward pass of the training.
    """
    with torch.inference_mode(False):
        return constant.to(value)
