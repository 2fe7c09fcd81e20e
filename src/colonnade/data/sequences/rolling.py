"""Rolling origin: back-tests of forecasts, whose folds are other ranges of the same steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.horizon import Bordered, Borders, lengths_of
from colonnade.data.split.base import Splitter
from colonnade.data.split.cross import CrossValidator
from colonnade.data.table import Table

if TYPE_CHECKING:
    from colonnade.data.dataset import TableDataset

TEST = 2
"""Position of the end of test in :class:`~colonnade.data.sequences.horizon.Borders`."""


class RollingOrigin(CrossValidator):
    """Folds that are stretches of steps, each forecast from what came before it (Tashman, "Out-of-sample tests of
    forecasting accuracy", International Journal of Forecasting 16, 2000).

    The last fold ends with the series; the one before it ``step`` steps earlier, and so on. A model is trained, and its
    scales, levels and medians are found, on steps before its val steps, which are those before its fold.

    Args:
        folds: number of folds, at least 2.
        test: steps of each series that a fold forecasts.
        step: steps from a fold to the next; None: ``test``, so that every step is forecast by one model.
        val: share of the steps before a fold that stop the training, in (0, 1), though never fewer than ``test``; or
            how many steps, from 1.
        window: how many steps are trained on, the latest (a sliding window); None: all of them (an expanding one).
        hold_out: see :class:`~colonnade.data.split.cross.CrossValidator`; ``split.steps`` declares a test part.

    Raises:
        ValueError: out of range, naming the YAML key.
    """

    of_fold = "colonnade.data.sequences.rolling.Origin"

    def __init__(
        self,
        *,
        test: int,
        folds: int = 5,
        step: int | None = None,
        val: float | int = 0.1,
        window: int | None = None,
        hold_out: Literal["declared", "split", "none"] = "declared",
    ) -> None:
        super().__init__(folds=folds, hold_out=hold_out)
        for name, value in (("test", test), ("step", step), ("window", window)):
            if value is not None and value < 1:
                raise ValueError(f"cv.{name}={value} must be at least 1")
        if not val > 0 or (val >= 1 and val != int(val)):
            raise ValueError(f"cv.val={val}: a share between 0 and 1, or a whole number of steps")
        self.test = test
        self.step = test if step is None else step
        self.val = val
        self.window = window

    def check(self, horizon: int) -> None:
        """Refuse folds that hold no forecast, or hold one twice.

        Args:
            horizon: steps that are forecast.

        Raises:
            ConfigError: naming the keys.
        """
        if self.test < horizon:
            raise ConfigError(f"cv.test={self.test} steps hold no forecast of data.horizon={horizon}")
        if self.step <= self.test - horizon:
            raise ConfigError(
                f"cv.step={self.step} puts the same forecasts into two folds, which have cv.test={self.test} steps: at "
                f"least {self.test - horizon + 1} with data.horizon={horizon}"
            )

    def borders(self, lengths: np.ndarray, base: Bordered, fold: int) -> Borders:
        """Where the parts of a fold end.

        Args:
            lengths: steps of each series ``(S,)`` int64.
            base: the split that a single training would have.
            fold: from 0, the earliest.
        """
        whole = base.borders(lengths)
        last = whole.ends[:, TEST - 1 if self.holds_out(base.declared) else TEST]
        stop = last - (self.folds - 1 - fold) * self.step
        begin = stop - self.test
        val = int(self.val) if self.val >= 1 else np.maximum((begin * self.val + 1e-9).astype(np.int64), self.test)
        ends = np.maximum(np.stack([begin - val, begin, stop], axis=1), 0)
        begins = None if self.window is None else np.maximum(ends[:, 0] - self.window, 0)
        learned = "all steps before" if self.window is None else f"the {self.window:,} steps before"
        cut = f"{self.test:,} steps each, {self.step:,} from one to the next, learned from {learned}"
        return Borders(ends, f"fold {fold} of {self.folds}, {cut}", whole.stride, begins)

    def held(self, dataset: TableDataset, table: Table, kind: TargetKind, base: Splitter, seed: int) -> np.ndarray:
        """Steps at which the forecasts of the test part begin, counted over all series."""
        assert isinstance(dataset, SequenceDataset)
        assert isinstance(base, Bordered)
        if not self.holds_out(base.declared):
            return np.zeros(0, dtype=np.int64)
        return dataset.origins(table, base.borders(lengths_of(table)), "test")


class Origin(Bordered):
    """The borders of one training of a back-test: its fold is the test part.

    Args:
        cross: how the steps are cut.
        base: the split that a single training would have; its test steps may be held out from all folds.
        fold: which one, from 0.
        seed: without effect, since nothing is left to chance.

    Raises:
        ValueError: out of range, or one of another kind.
    """

    declared = True

    def __init__(self, *, cross: RollingOrigin, base: Bordered, fold: int, seed: int | None = None) -> None:
        if not isinstance(cross, RollingOrigin):
            raise ValueError(f"split.cross={type(cross).__name__} divides no steps: RollingOrigin")  # noqa: TRY004
        if not isinstance(base, Bordered):
            raise ValueError(f"split.base={base!r} divides no steps: Horizon")  # noqa: TRY004
        if not 0 <= fold < len(cross):
            raise ValueError(f"split.fold={fold} must be between 0 and {len(cross) - 1}")
        self.cross = cross
        self.base = base
        self.fold = fold

    def borders(self, lengths: np.ndarray) -> Borders:
        """See the base class."""
        return self.cross.borders(lengths, self.base, self.fold)
