"""Multiclass classification."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import Task, beside, full_precision, over_members
from colonnade.tasks.classes import ClassWeight, check_classes, check_options, class_index, class_weights
from colonnade.tasks.measures import labels, proper
from colonnade.tasks.measures.rows import Measure

MEASURES = {
    "accuracy": Measure(labels.accuracy, "max"),
    "balanced_accuracy": Measure(labels.balanced_accuracy, "max"),
    "auroc": Measure(labels.auroc_multiclass, "max", cheap=False),
    "f1_score": Measure(labels.f1_multiclass, "max"),
    "log_loss": Measure(proper.log_loss, "min"),
    "brier": Measure(proper.brier, "min"),
    "calibration_error": Measure(proper.calibration_error, "min"),
}

# Without a class to ignore, a target of -100 is an error instead of a loss of zero.
_IGNORE_NOTHING = torch.iinfo(torch.int64).min


class Multiclass(Task):
    """Two or more classes, of which a row has one; a logit for each.

    Args:
        name, monitor, mode: see :class:`~colonnade.tasks.base.Task`.
        class_weight: weights of the losses of the classes: ``none``, ``balanced``, or a number for each, in order.
        label_smoothing: share of each label that is spread over all classes, in ``[0, 1)`` (Szegedy et al., 2016,
            arXiv:1512.00567); None: 0.

    Raises:
        ValueError: an option out of its range.
        ConfigError: see :class:`~colonnade.tasks.base.Task`.
    """

    target_kind = TargetKind.CLASS

    def __init__(
        self,
        *,
        name: str = "multiclass",
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
        """See the base class; the target must have two classes or more."""
        super().setup(spec)
        check_classes(spec)
        self._weights = class_weights(self.class_weight, spec)

    def out_shape(self, spec: BatchSpec) -> tuple[int, ...]:
        """A logit for each class."""
        return (len(spec.classes),)

    def row_loss(self, raw: Float[Tensor, "b m c"], target: Int[Tensor, "b"]) -> Float[Tensor, "b"]:
        """Cross-entropy of each row."""
        rows, members, _ = raw.shape
        loss = F.cross_entropy(
            full_precision(raw).flatten(0, 1),
            target[:, None].expand(rows, members).reshape(-1),
            reduction="none",
            label_smoothing=self.label_smoothing,
            ignore_index=_IGNORE_NOTHING,
        )
        loss = over_members(loss.view(rows, members))
        if self._weights is None:
            return loss
        self._weights = beside(self._weights, loss)
        return loss * self._weights[target]

    def decoder(self, spec: BatchSpec) -> nn.Module:
        """See :class:`MulticlassDecoder`."""
        return MulticlassDecoder()

    def truth(self, target: Int[Tensor, "n"]) -> Int[Tensor, "n"]:
        """Class indices."""
        return class_index(target, self.spec)


class MulticlassDecoder(nn.Module):
    """Logits to probabilities of the classes, averaged over the members, and to the likeliest class."""

    def forward(self, raw: Float[Tensor, "b m c"]) -> dict[str, Tensor]:
        """``label`` ``(B,)`` int64 and ``probability`` ``(B, C)``."""
        probability = over_members(full_precision(raw).softmax(2))
        return {"label": probability.argmax(1), "probability": probability}
