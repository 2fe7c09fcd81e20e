"""Calibrator: what follows a decoder, or the mean of several models: scaled probabilities."""

import torch
from torch import Tensor, nn

from colonnade.tasks.combine import labelled
from colonnade.tasks.scaling import Scaling


class Calibrator(nn.Module):
    """A prediction to one with calibrated probabilities.

    Args:
        kind: of the target.
        scaling: of probabilities; None: they stay as they are.
    """

    def __init__(self, kind: str, *, scaling: Scaling | None = None) -> None:
        super().__init__()
        self.kind = kind
        self.scaling = scaling
        self.eval()

    def forward(self, prediction: dict[str, Tensor]) -> dict[str, Tensor]:
        """The prediction with everything that is asked for; labels are those of the new probabilities."""
        if self.scaling is None:
            return prediction
        return labelled({**prediction, "probability": self.scaling(prediction["probability"])}, self.kind)

    def apply_to(self, prediction: dict[str, Tensor], *, rows: int = 4096) -> dict[str, Tensor]:
        """Like a call, without gradients, and ``rows`` rows at a time."""
        parts = zip(*(values.split(rows) for values in prediction.values()))
        with torch.no_grad():
            found = [self(dict(zip(prediction, part))) for part in parts]
            return {name: torch.cat([each[name] for each in found]) for name in found[0]}
