"""ForecastDataModule: from series to windows that are forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.core.errors import ConfigError, DataError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.data.datamodule import check_features
from colonnade.data.sequences.datamodule import SequenceDataModule, positions
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.fold import steps_of
from colonnade.data.sequences.horizon import Borders, Horizon
from colonnade.data.sequences.windowed import ahead
from colonnade.data.sequences.windows import WindowStore
from colonnade.data.split.record import PARTS
from colonnade.data.store import Rows
from colonnade.data.target import TargetCoder

_SAME = 1e-3
"""How far the encoded channel may be from the standardised target, in standard deviations."""
_COMPARED = 1000


@dataclass(frozen=True)
class Asked:
    """What is forecast, how many steps are looked back at, and how many are forecast."""

    target: tuple[str, ...]
    context: int
    horizon: int


class ForecastDataModule(SequenceDataModule):
    """Series, ready to be forecast: what is forecast is a channel like the others, and looked back at too.

    Pipeline and scales are fitted on the train steps of all series. All parts share one store of steps; each has its
    own origins: ``borders`` take the place of ``split``.

    Raises:
        ConfigError: from :meth:`setup`: the split is none by time, or the pipeline does more to a target than to scale
            it, so that what a network sees of it would have other units than what it forecasts.
        DataError: a target has gaps or is no number; a part has no window.
    """

    borders: Borders
    names: tuple[str, ...]
    """Of the series."""
    naive_errors: np.ndarray
    """Mean absolute difference of the train steps of each series to those a season before, ``(S, C)``; NaN where there
    are none."""

    def _divide(self) -> tuple[dict[str, np.ndarray], dict[str, Tensor]]:
        asked, table = self._asked, self.table
        check_features(table.schema)
        if not isinstance(self._splitter, Horizon):
            raise ConfigError("series are divided by time within each of them to be forecast: split=horizon")
        steps, offsets = steps_of(table.frame, table.schema.features)
        self.borders = self._splitter.borders(np.diff(offsets))
        ranges = np.stack([offsets[:-1], offsets[:-1] + self.borders.ends[:, 0]], axis=1)
        train = positions(ranges)
        values = _values(steps, asked.target)
        mean, scale = values[train].mean(0), values[train].std(0)
        for name, spread in zip(asked.target, scale):
            if not spread > 0:
                raise DataError(f"'{name}' is the same in all {len(train):,} train steps: nothing can be learned")
        self.target = TargetCoder(
            kind=TargetKind.REAL,
            names=ahead(asked.target, asked.horizon),
            mean=tuple(mean.tolist()) * asked.horizon,
            scale=tuple(scale.tolist()) * asked.horizon,
        )
        self.pipeline = self._unfitted.fit(steps, table.schema, torch.from_numpy(values[train]), train, self._seed)
        self._train = torch.from_numpy(train)
        self.names = tuple(map(str, table.frame[table.schema.row_id or self._dataset_of_series.id]))
        self.naive_errors, self._naive_error = _naive_errors(values, ranges, self._dataset_of_series.season)
        self._counts = bool(((values >= 0) & (values % 1 == 0)).all())
        self._coded = torch.from_numpy(((values - mean) / scale).astype(np.float32))
        self.notes = [*table.notes, *self.pipeline.log]
        return {}, {}

    def _encode(self, rows: dict[str, np.ndarray], targets: dict[str, Tensor]) -> dict[str, Rows]:
        asked = self._asked
        steps, offsets = steps_of(self.table.frame, self.table.schema.features)
        self._check_memory(len(steps))
        self.kept = {}
        num, cat = self.pipeline.encode(self.pipeline.code(steps))
        self._let_go()
        self._check_units(num)
        stores: dict[str, Rows] = {}
        for part in PARTS:
            first, count = self.borders.origins(part, context=asked.context, horizon=asked.horizon)
            if not count.any():
                raise DataError(
                    f"{part} has no window of {asked.context} steps (data.context) and {asked.horizon} ahead "
                    f"(data.horizon): {self.borders.how}; series have {np.diff(offsets).max():,} steps at most"
                )
            stores[part] = WindowStore(
                num=num,
                cat=cat.int(),
                target=self._coded,
                first=torch.from_numpy(offsets[:-1] + first),
                before=torch.from_numpy(np.concatenate([[0], np.cumsum(count)])),
                context=asked.context,
                horizon=asked.horizon,
            )
        return stores

    def _save_split(self, path: Path) -> None:
        self.borders.save(path)

    def _spec(self, train: Rows) -> BatchSpec:
        assert isinstance(train, WindowStore)
        described = self._described(
            target=train.target, num=train.num[self._train], n_train=len(train), n_steps=self._asked.context
        )
        return replace(
            described,
            horizon=train.horizon,
            channels=self._channels(),
            season=self._dataset_of_series.season,
            naive_error=self._naive_error * train.horizon,
            counts=self._counts,
        )

    def _channels(self) -> tuple[int, ...]:
        """Positions of the targets among the encoded numbers."""
        names = self.pipeline.num_names
        for name in self._asked.target:
            if name not in names:
                raise ConfigError(f"the pipeline leaves no number '{name}', which is forecast: pipeline=sequence")
        return tuple(names.index(name) for name in self._asked.target)

    def _check_units(self, num: Tensor) -> None:
        seen = num[:_COMPARED, list(self._channels())]
        far = ((seen - self._coded[:_COMPARED]).abs() > _SAME).any(0).tolist()
        if any(far):
            names = ", ".join(name for name, is_far in zip(self._asked.target, far) if is_far)
            raise ConfigError(
                f"the pipeline does more to what is forecast than to scale it ({names}): pipeline=sequence"
            )

    @property
    def _dataset_of_series(self) -> SequenceDataset:
        dataset = self._dataset
        assert isinstance(dataset, SequenceDataset)
        return dataset

    @property
    def _asked(self) -> Asked:
        """What the data set asks to be forecast."""
        dataset = self._dataset_of_series
        assert dataset.horizon is not None
        assert dataset.context is not None
        return Asked(tuple(dataset.target), dataset.context, dataset.horizon)


def _values(steps: pl.DataFrame, targets: Sequence[str]) -> np.ndarray:
    """What is forecast, ``(N, C)`` float64."""
    for name in targets:
        if not steps[name].dtype.is_numeric():
            raise DataError(f"'{name}' (data.target) holds {steps[name].dtype}: a forecast is of numbers")
        if n := steps[name].null_count():
            raise DataError(
                f"'{name}' (data.target) is missing in {n:,} of {len(steps):,} steps: fill it before, since gaps are "
                "not forecast over yet"
            )
    return np.ascontiguousarray(steps.select(targets).to_numpy(), dtype=np.float64)


def _naive_errors(values: np.ndarray, ranges: np.ndarray, season: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """Mean absolute difference of train steps to those a season before: of each series ``(S, C)``, and of all.

    Args:
        values: ``(N, C)``, the steps of all series.
        ranges: train steps of each series, ``(S, 2)``.
        season: steps.

    Raises:
        DataError: no series has more train steps than a season.
    """
    ranges = np.stack([np.minimum(ranges[:, 0] + season, ranges[:, 1]), ranges[:, 1]], axis=1)
    count, later = np.diff(ranges)[:, 0], positions(ranges)
    if not len(later):
        raise DataError(f"no series has more train steps than a season (data.season={season})")
    error = np.abs(values[later] - values[later - season])
    series = np.repeat(np.arange(len(count)), count)
    sums = np.stack([np.bincount(series, of_value, minlength=len(count)) for of_value in error.T], axis=1)
    each = np.divide(sums, count[:, None], out=np.full_like(sums, np.nan), where=count[:, None] > 0)
    return each, tuple(error.mean(0).tolist())
