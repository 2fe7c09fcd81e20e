"""Conformal: intervals of values, and sets of classes, that hold the truth as often as is asked for; they export.

A row gets every value, or class, whose score does not pass a threshold: the quantile of the scores of rows that the
model did not learn from (split conformal prediction, Vovk et al., 2005). Thresholds are found in ``evaluation``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

# Less than probabilities in float32 differ by, if they do.
TIE = 1e-12
DRAW = "draw"
"""What a prediction has for sets that are randomized: a number of each row, ``(N,)``, see
:func:`~colonnade.core.draw.row_draw`."""


class Conformal(nn.Module, ABC):
    """What a decoder gives to an interval or a set.

    Args:
        threshold: ``(G, T)`` of each group and target. One group, or one for each code of a column of categories
            (Mondrian conformal prediction). Of sets, ``T`` may be the number of classes.
    """

    threshold: Tensor

    def __init__(self, threshold: Float[Tensor, "g t"]) -> None:
        super().__init__()
        self.register_buffer("threshold", threshold.to(torch.float64))

    @abstractmethod
    def score(self, prediction: Mapping[str, Tensor], truth: Shaped[Tensor, "n *rest"]) -> Float[Tensor, "n t"]:
        """How far each prediction is from what is true, float64."""

    @abstractmethod
    def within(self, prediction: Mapping[str, Tensor], threshold: Float[Tensor, "m t"]) -> dict[str, Tensor]:
        """Whatever has a score up to a threshold: ``lower`` and ``upper`` ``(N, T)`` float64; or ``set`` ``(N, C)``
        int64 of 0 and 1.

        Args:
            prediction: what a decoder gives.
            threshold: of each row, or of all.
        """

    def forward(
        self,
        prediction: Mapping[str, Tensor],
        codes: Int[Tensor, "n"] | None,
        scale: Float[Tensor, "n t"] | None = None,
    ) -> dict[str, Tensor]:
        """What :meth:`within` gives for the thresholds that were fitted.

        Args:
            prediction: what a decoder gives.
            codes: the group of each row; None: there is one.
            scale: by which scores of rows were divided, and thresholds are stretched; None: all are 1.
        """
        threshold = self.threshold if codes is None else self.threshold[codes]
        return self.within(prediction, threshold if scale is None else threshold * scale)


class AbsoluteResidual(Conformal):
    """The predicted value and as much to both sides everywhere (Lei et al., 2018)."""

    def score(self, prediction: Mapping[str, Tensor], truth: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        """Absolute errors."""
        return (truth - prediction["value"]).abs().to(torch.float64)

    def within(self, prediction: Mapping[str, Tensor], threshold: Float[Tensor, "m t"]) -> dict[str, Tensor]:
        """See the base class."""
        value = prediction["value"].to(torch.float64)
        return {"lower": value - threshold, "upper": value + threshold}


class QuantileResidual(Conformal):
    """Two predicted quantiles, moved apart or together (CQR: Romano et al., 2019, arXiv:1905.03222).

    Args:
        threshold: see :class:`Conformal`; below 0 it moves them together, to their middle at the most.
        low, high: positions of the two among the predicted quantiles.
    """

    def __init__(self, threshold: Float[Tensor, "g t"], *, low: int, high: int) -> None:
        super().__init__(threshold)
        self.low, self.high = low, high

    def score(self, prediction: Mapping[str, Tensor], truth: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        """How far outside of both quantiles a value lies, below 0 inside."""
        quantile = prediction["quantile"].to(torch.float64)
        return torch.maximum(quantile[..., self.low] - truth, truth - quantile[..., self.high])

    def within(self, prediction: Mapping[str, Tensor], threshold: Float[Tensor, "m t"]) -> dict[str, Tensor]:
        """See the base class."""
        quantile = prediction["quantile"].to(torch.float64)
        low, high = quantile[..., self.low], quantile[..., self.high]
        middle = (low + high) / 2
        return {
            "lower": torch.minimum(low - threshold, middle),
            "upper": torch.maximum(high + threshold, middle),
        }


class ClassSet(Conformal):
    """Base of what gives sets of classes."""

    @abstractmethod
    def scores(self, prediction: Mapping[str, Tensor]) -> Float[Tensor, "n c"]:
        """The score that each class would have, were it the true one, float64."""

    def score(self, prediction: Mapping[str, Tensor], truth: Int[Tensor, "n"]) -> Float[Tensor, "n 1"]:
        """The score of the true class."""
        return self.scores(prediction).gather(1, truth[:, None])

    def within(self, prediction: Mapping[str, Tensor], threshold: Float[Tensor, "m t"]) -> dict[str, Tensor]:
        """See the base class."""
        return {"set": (self.scores(prediction) <= threshold).long()}


class LeastAmbiguous(ClassSet):
    """All classes that are likely enough: the smallest sets on average, some of them empty.

    LAC: Sadinle et al., 2019, arXiv:1609.00451.
    """

    def scores(self, prediction: Mapping[str, Tensor]) -> Float[Tensor, "n c"]:
        """One minus the probability."""
        return 1 - prediction["probability"].to(torch.float64)


class Adaptive(ClassSet):
    """The likeliest classes until they are likely enough together.

    APS (Romano et al., 2020, arXiv:2006.02544). Without its random numbers a set has one class at least and covers more
    than is asked for; with them the class at which it ends is in it by chance.

    Args:
        threshold: see :class:`Conformal`.
        penalty: added to the score for each rank beyond ``free``, which keeps sets small (RAPS: Angelopoulos et al.,
            2021, arXiv:2009.14193); 0: APS.
        free: ranks without a penalty.
        randomized: whether predictions have a :data:`DRAW`.
    """

    def __init__(
        self, threshold: Float[Tensor, "g t"], *, penalty: float = 0.0, free: int = 0, randomized: bool = False
    ) -> None:
        super().__init__(threshold)
        self.penalty, self.free, self.randomized = penalty, free, randomized

    def scores(self, prediction: Mapping[str, Tensor]) -> Float[Tensor, "n c"]:
        """What all likelier classes have together, the drawn share of the class itself, and the penalty."""
        probability = prediction["probability"].to(torch.float64)
        # Of classes that are as likely the first comes first; a stable sort, which does the same, does not export.
        order = (probability - TIE * torch.arange(probability.shape[1], device=probability.device)).argsort(1).flip(1)
        ordered = probability.gather(1, order)
        before = ordered.cumsum(1) - ordered
        # Rounding must not leave the likeliest class out.
        before = torch.cat((torch.zeros_like(before[:, :1]), before[:, 1:].clamp_min(0)), dim=1)
        rank = order.argsort(dim=1)
        score = before.gather(1, rank)
        if self.randomized:
            score = score + prediction[DRAW][:, None] * probability
        if not self.penalty:
            return score
        return score + self.penalty * (rank + 1 - self.free).clamp_min(0)
