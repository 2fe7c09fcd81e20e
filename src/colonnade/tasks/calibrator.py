"""Calibrator: what follows a decoder, or the mean of several models: scaled probabilities, then intervals or sets."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from colonnade.core.draw import row_draw
from colonnade.tasks.combine import labelled
from colonnade.tasks.conformal import DRAW, Conformal
from colonnade.tasks.scaling import Scaling
from colonnade.tasks.window_scale import WindowScale


class Calibrator(nn.Module):
    """A prediction to one that can be trusted further.

    Args:
        kind: of the target.
        scaling: of probabilities; None: they stay as they are.
        conformal: intervals of values, or sets of classes; None: none.
        group: position, among the raw categories, of the column whose groups have thresholds of their own; None: all
            rows have the same.
        scale: of forecasts, by which the intervals of windows are stretched; None: they are as wide for all.
        drawn: of sets that are randomized, from how many of the raw numbers, the first ones, and all categories a row
            has its draw; None: nothing is drawn.
    """

    def __init__(
        self,
        kind: str,
        *,
        scaling: Scaling | None = None,
        conformal: Conformal | None = None,
        group: int | None = None,
        scale: WindowScale | None = None,
        drawn: int | None = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.scaling = scaling
        self.conformal = conformal
        self.group = group
        self.scale = scale
        self.drawn = drawn
        self.eval()

    def forward(
        self, prediction: dict[str, Tensor], num: Float[Tensor, "n *steps f"], cat: Int[Tensor, "n *steps k"]
    ) -> dict[str, Tensor]:
        """The prediction with everything that is asked for; labels are those of the new probabilities.

        Args:
            prediction: what a decoder gives.
            num: raw numbers.
            cat: raw categories, of sequences those of each step: groups are of rows alone.
        """
        codes, scale = (
            None if self.group is None else cat[:, self.group],
            None if self.scale is None else self.scale(num),
        )
        given = self.scaled(prediction)
        if self.drawn is None:
            return self.enclosed(given, codes, scale)
        told = self.enclosed({**given, DRAW: row_draw(num[:, : self.drawn], cat)}, codes, scale)
        return {name: values for name, values in told.items() if name != DRAW}

    def scaled(self, prediction: dict[str, Tensor]) -> dict[str, Tensor]:
        """The prediction with scaled probabilities, and without intervals and sets."""
        if self.scaling is None:
            return prediction
        return labelled({**prediction, "probability": self.scaling(prediction["probability"])}, self.kind)

    def enclosed(
        self, prediction: dict[str, Tensor], codes: Int[Tensor, "n"] | None, scale: Float[Tensor, "n t"] | None
    ) -> dict[str, Tensor]:
        """A scaled prediction with its intervals or sets.

        Args:
            prediction: with scaled probabilities.
            codes: the group of each row; None: there is one.
            scale: see :class:`~colonnade.tasks.conformal.Conformal`.
        """
        return prediction if self.conformal is None else {**prediction, **self.conformal(prediction, codes, scale)}

    def apply_to(
        self,
        prediction: dict[str, Tensor],
        codes: Int[Tensor, "n"] | None = None,
        scale: Float[Tensor, "n t"] | None = None,
        *,
        rows: int = 4096,
    ) -> dict[str, Tensor]:
        """Like a call, of rows whose groups and scales are known, without gradients, and ``rows`` rows at a time."""
        parts = [dict(zip(prediction, part)) for part in zip(*(v.split(rows) for v in prediction.values()))]
        none = [None] * len(parts)
        groups, scales = (none if of is None else of.split(rows) for of in (codes, scale))
        with torch.no_grad():
            found = [self.enclosed(self.scaled(part), *of) for part, *of in zip(parts, groups, scales)]
        return {name: torch.cat([each[name] for each in found]) for name in found[0]}
