"""ForecastDataModule: from series to windows that are forecast."""

from __future__ import annotations

import logging
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
from colonnade.data.datamodule import SAMPLE_ROWS, check_features
from colonnade.data.pipeline import Pipeline
from colonnade.data.sequences.covariates import encoded
from colonnade.data.sequences.datamodule import SequenceDataModule, positions
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.fill import carried, known, runs, some
from colonnade.data.sequences.fold import steps_of
from colonnade.data.sequences.horizon import Bordered, Borders
from colonnade.data.sequences.windowed import ahead
from colonnade.data.sequences.windows import WindowStore
from colonnade.data.split.record import PARTS
from colonnade.data.store import Rows
from colonnade.data.target import TargetCoder

log = logging.getLogger(__name__)

CHUNK_BYTES = 2**25
"""What the windows of a chunk of optimizer steps may take, if they are more than one step."""
_SAME = 1e-3
"""How far the encoded channel may be from the standardised target, in standard deviations."""
_COMPARED = 1000


@dataclass(frozen=True)
class Asked:
    """What is forecast, how many steps are looked back at, how many are forecast, and what stands where steps are
    missing, see :class:`~colonnade.data.sequences.dataset.SequenceDataset`."""

    target: tuple[str, ...]
    context: int
    horizon: int
    filled: bool
    repeats: bool


class ForecastDataModule(SequenceDataModule):
    """Series, ready to be forecast: what is forecast is a channel like the others, and looked back at too.

    Pipeline and scales are fitted on the train steps of all series. All parts share one store of steps; each has its
    own origins: ``borders`` take the place of ``split``.

    Raises:
        ConfigError: from :meth:`setup`: the split is none by time, or the pipeline does more to a target than to scale
            it, so that what a network sees of it would have other units than what it forecasts.
        DataError: a target has gaps that are not to be filled, or is no number; a part has no window.
    """

    borders: Borders
    names: tuple[str, ...]
    """Of the series."""
    offsets: np.ndarray
    """First step of each series, and the number of all steps, ``(S + 1,)``."""
    naive_errors: np.ndarray
    """Mean absolute difference of the train steps of each series to those a season before, ``(S, C)``; NaN where there
    are none."""
    _there: np.ndarray
    """For each step, which values may be forecast, ``(N, C)``."""

    def _divide(self) -> tuple[dict[str, np.ndarray], dict[str, Tensor]]:
        asked, table = self._asked, self.table
        check_features(table.schema)
        if not isinstance(self._splitter, Bordered):
            raise ConfigError("series are divided by time within each of them to be forecast: split=horizon")
        steps, offsets = steps_of(table.frame, table.schema.features)
        self.borders = self._splitter.borders(np.diff(offsets))
        for part in self._needed:
            if not self._origins(part)[1].any():
                raise self._no_window(part, offsets)
        ranges = offsets[:-1, None] + self.borders.train
        train = positions(ranges)
        _check_numbers(steps, asked.target, may_miss=asked.filled)
        self._there, early = known(steps, offsets, asked.target)
        train = train[~early[train]]
        if asked.filled:
            steps = carried(steps, offsets, asked.target)
        values = np.ascontiguousarray(steps.select(asked.target).to_numpy(), dtype=np.float64)
        mean, scale = values[train].mean(0), values[train].std(0)
        for name, spread in zip(asked.target, scale):
            if not spread > 0:
                raise DataError(f"'{name}' is the same in all {len(train):,} train steps: nothing can be learned")
        self.pipeline = self._unfitted.fit(steps, table.schema, torch.from_numpy(values[train]), train, self._seed)
        # No run on series begins from an earlier one.
        assert isinstance(self._unfitted, Pipeline)
        if len(train) > self._unfitted.sample_rows:
            mean, scale = self._units(steps, values, train)
        self.target = TargetCoder(
            kind=TargetKind.REAL,
            names=ahead(asked.target, asked.horizon),
            gaps=asked.filled,
            mean=tuple(mean.tolist()) * asked.horizon,
            scale=tuple(scale.tolist()) * asked.horizon,
        )
        self._train = torch.from_numpy(train)
        self.offsets = offsets
        self.names = tuple(map(str, table.frame[table.schema.row_id or self._dataset_of_series.id]))
        self.naive_errors, self._naive_error = _naive_errors(
            values, self._there, ranges, self._dataset_of_series.season
        )
        self._counts = bool(((values >= 0) & (values % 1 == 0)).all())
        self._coded = torch.from_numpy(((values - mean) / scale).astype(np.float32))
        for note in table.notes:
            log.info("%s", note)
        self.notes = [*table.notes, *self.pipeline.log]
        return {}, {}

    def _encode(self, rows: dict[str, np.ndarray], targets: dict[str, Tensor]) -> dict[str, Rows]:
        asked = self._asked
        steps, offsets = steps_of(self.table.frame, self.table.schema.features)
        self._check_memory(len(steps))
        self.kept = {}
        if asked.filled:
            steps = carried(steps, offsets, asked.target)
        num, cat = self.pipeline.encode(self.pipeline.code(steps))
        self._let_go()
        self._check_units(num)
        allowed = some(self._there, asked.horizon)
        there = None if self._there.all() else torch.from_numpy(self._there)
        stores: dict[str, Rows] = {}
        for part in PARTS:
            first, count = self._origins(part)
            self._tell(part, count)
            possible = int(count.sum())
            stride = 1 if part == "train" else self.borders.stride
            first, count, of = runs(allowed, offsets[:-1] + first, count, stride=stride)
            if (left_out := possible - int(count.sum())) and count.any() and stride == 1:
                self._note(
                    f"{part}: {left_out:,} of {possible:,} windows would forecast missing values alone: left out"
                )
            if not count.any() and part in self._needed:
                raise self._no_window(part, offsets)
            stores[part] = WindowStore(
                num=num,
                cat=cat.int(),
                target=self._coded,
                first=torch.from_numpy(first),
                before=torch.from_numpy(np.concatenate([[0], np.cumsum(count)])),
                context=asked.context,
                horizon=asked.horizon,
                ahead=self._dataset_of_series.look.ahead,
                there=there,
                begin=torch.from_numpy(offsets[:-1][of]) if asked.repeats else None,
            )
        return stores

    def _origins(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """First origin of each series in a part, counted in it, and how many there are, ``(S,)`` each."""
        asked = self._asked
        return self.borders.origins(part, context=1 if asked.repeats else asked.context, horizon=asked.horizon)

    @property
    def _needed(self) -> tuple[str, ...]:
        """Parts that must have windows."""
        return PARTS if self.borders.measured else PARTS[:1]

    def _no_window(self, part: str, offsets: np.ndarray) -> DataError:
        asked = self._asked
        return DataError(
            f"{part} has no window of {asked.context} steps (data.context) and {asked.horizon} ahead "
            f"(data.horizon): {self.borders.how}; series have {np.diff(offsets).max():,} steps at most"
        )

    def _tell(self, part: str, count: np.ndarray) -> None:
        """Note series that a part has nothing of."""
        if 0 < (none := int((count == 0).sum())) < len(count):
            asked = self._asked
            why = f"{asked.horizon} steps" if asked.repeats else f"{asked.context} + {asked.horizon} steps"
            fix = "" if asked.repeats else "; data.short=repeat repeats the first step of a series before it"
            self._note(f"{part}: {none:,} of {len(count):,} series have no window of {why}: left out{fix}")

    def _note(self, text: str) -> None:
        log.info("%s", text)
        self.notes.append(text)

    def _chunk(self, store: Rows) -> int:
        # Windows overlap: gathered, they may take many times the memory of their steps.
        assert isinstance(store, WindowStore)
        rows = min(self._options.batch_size, len(store))
        return max(1, min(self._options.chunk, CHUNK_BYTES // (rows * store.bytes_of_window)))

    def _save_split(self, path: Path) -> None:
        self.borders.save(path)

    def _spec(self, train: Rows) -> BatchSpec:
        assert isinstance(train, WindowStore)
        rows = self._train
        if len(rows) > SAMPLE_ROWS:
            # Drawn here: the train steps of a long series are not copied to draw from them.
            rows = rows[
                torch.from_numpy(np.random.default_rng(self._seed).choice(len(rows), SAMPLE_ROWS, False)).sort()[0]
            ]
        described = self._described(
            target=train.target, num=train.num[rows], n_train=len(train), n_steps=self._asked.context
        )
        return replace(
            described,
            horizon=train.horizon,
            channels=self._channels(),
            known=self._known(),
            static=encoded(self.pipeline, self._dataset_of_series.static),
            season=self._dataset_of_series.season,
            n_series=len(self.names),
            naive_error=self._naive_error * train.horizon,
            counts=self._counts,
            gaps=self._asked.filled,
        )

    def _known(self) -> tuple[str, ...]:
        """Encoded columns that are known ahead; what is static says nothing more there."""
        future, static = self._dataset_of_series.future, self._dataset_of_series.static
        always = encoded(self.pipeline, static)
        found = tuple(name for name in encoded(self.pipeline, (*future, *static)) if name not in always)
        if future and not found:
            raise ConfigError(
                f"data.future={list(future)}: the pipeline leaves nothing of these columns; see what it dropped"
            )
        return found

    def _channels(self) -> tuple[int, ...]:
        """Positions of the targets among the encoded numbers."""
        names = self.pipeline.num_names
        for name in self._asked.target:
            if name not in names:
                raise ConfigError(f"the pipeline leaves no number '{name}', which is forecast: pipeline=sequence")
        return tuple(names.index(name) for name in self._asked.target)

    def _units(self, steps: pl.DataFrame, values: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and scale by which the pipeline, whose statistics are of a sample, encodes the targets, ``(C,)`` each.

        They are read off the steps at which each is least and largest.
        """
        ends = train[np.stack([values[train].argmin(0), values[train].argmax(0)])]
        num = self.pipeline.encode(self.pipeline.code(steps[ends.ravel()]))[0][:, list(self._channels())]
        encoded = num.double().numpy().reshape(*ends.shape, -1)
        (least, largest), column = ends, np.arange(values.shape[1])
        low, high = encoded[0, column, column], encoded[1, column, column]
        scale = (values[largest, column] - values[least, column]) / np.where(high > low, high - low, 1.0)
        return values[least, column] - low * scale, scale

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
        return Asked(tuple(dataset.target), dataset.context, dataset.horizon, dataset.filled, dataset.repeats)


def _check_numbers(steps: pl.DataFrame, targets: Sequence[str], *, may_miss: bool) -> None:
    """Refuse targets that are no numbers, or have gaps that are not to be filled."""
    for name in targets:
        if not steps[name].dtype.is_numeric():
            raise DataError(f"'{name}' (data.target) holds {steps[name].dtype}: a forecast is of numbers")
        if (n := steps[name].null_count()) and not may_miss:
            raise DataError(
                f"'{name}' (data.target) is missing in {n:,} of {len(steps):,} steps: with data.fill=forward the last "
                "value stands for it in what is looked back at, and it is not forecast"
            )


def _naive_errors(
    values: np.ndarray, there: np.ndarray, ranges: np.ndarray, season: int
) -> tuple[np.ndarray, tuple[float, ...]]:
    """Mean absolute difference of train steps to those a season before: of each series ``(S, C)``, and of all.

    Args:
        values: ``(N, C)``, the steps of all series.
        there: ``(N, C)`` bool, values that are none that were filled in.
        ranges: train steps of each series, ``(S, 2)``.
        season: steps.

    Raises:
        DataError: no series has more train steps than a season.
    """
    ranges = np.stack([np.minimum(ranges[:, 0] + season, ranges[:, 1]), ranges[:, 1]], axis=1)
    series, later = np.repeat(np.arange(len(ranges)), np.diff(ranges)[:, 0]), positions(ranges)
    both = there[later] & there[later - season]
    if not both.any(0).all():
        raise DataError(f"no series has more train steps than a season (data.season={season})")
    error = np.where(both, np.abs(values[later] - values[later - season]), 0.0)
    sums, count = (
        np.stack([np.bincount(series, of_value, minlength=len(ranges)) for of_value in of.T], axis=1)
        for of in (error, both.astype(np.float64))
    )
    each = np.divide(sums, count, out=np.full_like(sums, np.nan), where=count > 0)
    return each, tuple((error.sum(0) / both.sum(0)).tolist())
