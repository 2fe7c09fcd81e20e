"""Labels: targets of train rows as vectors that can be averaged."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from colonnade.core.spec import BatchSpec


class Labels:
    """Targets as vectors ``(N, d)``: one-hot classes, the 0/1 of two classes or of labels, standardised values.

    A weighted mean of such vectors is a prediction: shares of classes or labels, or values.

    Args:
        spec: of the data, with ``out_shape``.

    Attributes:
        d: width of a vector.
        kind: ``"classes"`` (shares that sum to one), ``"shares"`` (each between zero and one), or ``"values"``.
    """

    def __init__(self, spec: BatchSpec) -> None:
        self.kind = "values"
        self.d = len(spec.target_names)
        if spec.target_kind == "class":
            # As the task: one logit for two classes, a logit for each of more.
            self.d = spec.out_shape[0]
            self.kind = "shares" if self.d == 1 else "classes"
        elif spec.target_kind == "multilabel":
            self.kind = "shares"

    def vectors(self, target: Shaped[Tensor, " n *rest"]) -> Float[Tensor, "n d"]:
        """Targets as :class:`~colonnade.core.batch.Batch` holds them, to float32 vectors."""
        if self.kind == "classes":
            return F.one_hot(target, self.d).float()
        return (target if target.ndim == 2 else target.unsqueeze(1)).float()
