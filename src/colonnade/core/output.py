"""Output: what a network gives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Output:
    """Raw scores of a network.

    Args:
        raw: ``(B, members, *out)``; members is 1 except for ensembles such as TabM. Logits, or standardised values.
        penalty: scalar added to the loss in training (TabNet's sparsity); None means none.
        unit: ``(B, D)``, by which standardised values and their targets are divided before the loss is taken, where
            rows differ in size; None means one.
    """

    raw: Tensor
    penalty: Tensor | None = None
    unit: Tensor | None = None

    def beside(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Raw scores in float32 and the target ``(B, ...)`` as the loss takes them, both in ``unit``."""
        raw = self.raw.float()
        if self.unit is None:
            return raw, target
        return raw / self.unit.reshape(len(raw), 1, -1, *[1] * (raw.dim() - 3)), target / self.unit
