"""Binary classification."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import Task, beside, full_precision, over_members
from colonnade.tasks.classes import ClassWeight, check_classes, check_options, class_index, class_weights
from colonnade.tasks.measures import labels, proper
from colonnade.tasks.measures.rows import Measure

MEASURES = {
    "accuracy": Measure(labels.accuracy, "max"),
    "balanced_accuracy": Measure(labels.balanced_accuracy, "max"),
    "auroc": Measure(labels.auroc_binary, "max"),
    "average_precision": Measure(labels.average_precision, "max", cheap=False),
    "f1_score": Measure(labels.f1_binary, "max"),
    "log_loss": Measure(proper.log_loss, "min"),
    "brier": Measure(proper.brier, "min"),
    "calibration_error": Measure(proper.calibration_error, "min"),
}


class Binary(Task):
    """Two classes, one logit: that of the second class.

    Args:
        name, monitor, mode: see :class:`~colonnade.tasks.base.Task`.
        class_weight: weights of the losses of the two classes: ``none``, ``balanced``, or two numbers in class order.
        label_smoothing: share of each label that is spread over both classes, in ``[0, 1)``; None: 0.

    Raises:
        ValueError: an option out of its range.
        ConfigError: see :class:`~colonnade.tasks.base.Task`.
    """

    target_kind = TargetKind.CLASS

    def __init__(
        self,
        *,
        name: str = "binary",
        monitor: str = "val/log_loss",
        mode: Literal["min", "max"] = "min",
        class_weight: ClassWeight = None,
        label_smoothing: float | None = None,
    ) -> None:
        super().__init__(name=name, monitor=monitor, mode=mode, measures=MEASURES)
        check_options(class_weight, label_smoothing)
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing or 0.0
        self._weights: Tensor | None = None

    def setup(self, spec: BatchSpec) -> None:
        """See the base class; the target must have two classes."""
        super().setup(spec)
        check_classes(spec)
        if len(spec.classes) > 2:
            raise ConfigError(
                f"task={self.name} learns two classes, but target '{spec.target_names[0]}' has {len(spec.classes)}"
                ": use task=multiclass"
            )
        self._weights = class_weights(self.class_weight, spec)

    def out_shape(self, spec: BatchSpec) -> tuple[int, ...]:
        """One logit."""
        return (1,)

    def row_loss(self, raw: Float[Tensor, "b m 1"], target: Int[Tensor, "b"]) -> Float[Tensor, "b"]:
        """Cross-entropy of each row."""
        logit = full_precision(raw[..., 0])
        smooth = target.to(logit.dtype)
        if self.label_smoothing:
            smooth = torch.lerp(smooth, smooth.new_full((), 0.5), self.label_smoothing)
        expected = smooth[:, None].expand_as(logit)
        loss = over_members(F.binary_cross_entropy_with_logits(logit, expected, reduction="none"))
        if self._weights is None:
            return loss
        self._weights = beside(self._weights, loss)
        return loss * self._weights[target]

    def decoder(self, spec: BatchSpec) -> nn.Module:
        """See :class:`BinaryDecoder`."""
        return BinaryDecoder()

    def truth(self, target: Int[Tensor, "n"]) -> Int[Tensor, "n"]:
        """Class indices, 0 or 1."""
        return class_index(target, self.spec)


class BinaryDecoder(nn.Module):
    """Logits to probabilities of both classes, averaged over the members, and to the likelier class."""

    def forward(self, raw: Float[Tensor, "b m 1"]) -> dict[str, Tensor]:
        """``label`` ``(B,)`` int64 and ``probability`` ``(B, 2)``."""
        logit = full_precision(raw)
        # Both sides from the logit: one minus a probability near one would lose the other.
        probability = over_members(torch.cat((logit.neg(), logit), dim=2).sigmoid())
        return {"label": (probability[:, 1] > probability[:, 0]).long(), "probability": probability}
