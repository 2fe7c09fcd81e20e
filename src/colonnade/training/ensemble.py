"""EnsemblePredictor: several Predictors as one module, which is evaluated, exported and served like any of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from colonnade.data.joint import Share
from colonnade.tasks.combine import Combiner


class Member(nn.Module):
    """A predictor that takes its columns and codes from those of all members.

    Args:
        predictor: ``(num, cat, time, mask)`` to a prediction.
        share: what it takes.
    """

    num: Tensor
    cat: Tensor
    time: Tensor
    codes: Tensor
    offset: Tensor

    def __init__(self, predictor: nn.Module, share: Share) -> None:
        super().__init__()
        self.predictor = predictor
        for name, positions in vars(share).items():
            self.register_buffer(name, positions)

    def forward(self, num: Tensor, cat: Tensor, time: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """A prediction of raw rows, as the joint lookup gives them."""
        codes = self.codes[cat.index_select(-1, self.cat) + self.offset]
        prediction: dict[str, Tensor] = self.predictor(
            num.index_select(-1, self.num), codes, time.index_select(-1, self.time), mask
        )
        return prediction


class EnsemblePredictor(nn.Module):
    """Members, and what makes one prediction of theirs.

    Args:
        members: in the order of the combiner's weights.
        combiner: see :mod:`colonnade.tasks.combine`.
        calibrator: see :class:`~colonnade.training.predictor.Predictor`.
    """

    def __init__(self, *, members: Sequence[Member], combiner: Combiner, calibrator: nn.Module | None = None) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combiner = combiner
        self.calibrator = calibrator
        self.eval()

    def forward(self, num: Tensor, cat: Tensor, time: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Decoded predictions of raw rows; see :class:`~colonnade.training.predictor.Predictor`."""
        prediction = self.combiner([member(num, cat, time, mask) for member in self.members])
        return prediction if self.calibrator is None else self.calibrator(prediction, num, cat)
