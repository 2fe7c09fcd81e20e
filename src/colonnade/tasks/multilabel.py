"""Multilabel classification."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from colonnade.core.errors import ConfigError, DataError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import Task, beside, full_precision, over_members
from colonnade.tasks.classes import ClassWeight, check_options
from colonnade.tasks.measures import labels, proper
from colonnade.tasks.measures.rows import Measure, refuse_rows

MEASURES = {
    "accuracy": Measure(labels.accuracy, "max"),
    "exact_match": Measure(labels.exact_match, "max"),
    "f1_score": Measure(labels.f1_macro, "max"),
    "f1_micro": Measure(labels.f1_micro, "max"),
    "auroc": Measure(labels.auroc_multilabel, "max", cheap=False),
    "log_loss": Measure(proper.binary_log_loss, "min"),
}


class Multilabel(Task):
    """Several labels, of which a row may have any number; a logit for each. ``accuracy`` is over rows and labels.

    Args:
        name, monitor, mode: see :class:`~colonnade.tasks.base.Task`.
        class_weight: ``none``; ``balanced``: for each label, the rows with it weigh as much in total as those without;
            or a number for each label, by which the loss of the rows that have it is multiplied.
        label_smoothing: distance by which labels move towards one half, as a share, in ``[0, 1)``; None: 0.

    Raises:
        ValueError: an option out of its range.
        ConfigError: see :class:`~colonnade.tasks.base.Task`.
    """

    target_kind = TargetKind.MULTILABEL

    def __init__(
        self,
        *,
        name: str = "multilabel",
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
        """See the base class."""
        super().setup(spec)
        self._weights = label_weights(self.class_weight, spec)

    def out_shape(self, spec: BatchSpec) -> tuple[int, ...]:
        """A logit for each label."""
        return (len(spec.target_names),)

    def row_loss(self, raw: Float[Tensor, "b m l"], target: Float[Tensor, "b l"]) -> Float[Tensor, "b"]:
        """Cross-entropy of each row, averaged over the labels."""
        logit = full_precision(raw)
        smooth = target.to(logit.dtype)
        if self.label_smoothing:
            smooth = torch.lerp(smooth, smooth.new_full((), 0.5), self.label_smoothing)
        expected = smooth[:, None].expand_as(logit)
        loss = F.binary_cross_entropy_with_logits(logit, expected, reduction="none").mean(1)
        if self._weights is not None:
            self._weights = beside(self._weights, loss)
            loss = loss * torch.where(target > 0.5, self._weights[1], self._weights[0])
        return loss.mean(1)

    def decoder(self, spec: BatchSpec) -> nn.Module:
        """See :class:`MultilabelDecoder`."""
        return MultilabelDecoder()

    def truth(self, target: Float[Tensor, "n l"]) -> Int[Tensor, "n l"]:
        """Labels, 0 or 1, as int64."""
        what = f"labels ({', '.join(self.spec.target_names)}) other than 0 and 1"
        refuse_rows((target != 0) & (target != 1), DataError, what)
        return target.long()


class MultilabelDecoder(nn.Module):
    """Logits to the probability of each label, averaged over the members, and to the labels above one half."""

    def forward(self, raw: Float[Tensor, "b m l"]) -> dict[str, Tensor]:
        """``label`` ``(B, L)`` int64 of 0 and 1, and ``probability`` ``(B, L)``."""
        probability = over_members(full_precision(raw).sigmoid())
        return {"label": (probability > 0.5).long(), "probability": probability}


def label_weights(class_weight: ClassWeight, spec: BatchSpec) -> Float[Tensor, "2 l"] | None:
    """Weights of the rows without and with each label."""
    if class_weight is None or class_weight == "none":
        return None
    n = len(spec.target_names)
    if isinstance(class_weight, str):
        positive = torch.tensor(spec.class_counts, dtype=torch.float32)
        counts = torch.stack((spec.n_train - positive, positive))
        return spec.n_train / (2 * counts.clamp_min(1))
    if len(class_weight) != n:
        raise ConfigError(
            f"task.class_weight has {len(class_weight)} numbers for {n} labels: give one for each, in this order: "
            + ", ".join(spec.target_names)
        )
    return torch.stack((torch.ones(n), torch.tensor([float(w) for w in class_weight])))
