"""SequenceDataset: what ``data:`` builds for sequences; reads steps as a table is read, and folds them to series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace as dc_replace
from typing import TYPE_CHECKING, Any

import polars as pl

from colonnade.core.schema import Schema
from colonnade.data.cast import Infinite
from colonnade.data.dataset import Source, TableDataset
from colonnade.data.sequences.fold import fold, in_order, lists_of, steps_of
from colonnade.data.sequences.wide import from_wide
from colonnade.data.sequences.windowed import tails, windowed
from colonnade.data.sources.ts import SERIES
from colonnade.data.sources.written import Written
from colonnade.data.table import Table

if TYPE_CHECKING:
    # Files are read without torch where an exported model is applied.
    from colonnade.data.columns import RawColumns
    from colonnade.data.lookup import Lookup
    from colonnade.data.sequences.datamodule import SequenceDataModule

ORDER = "orders the steps"
"""Why the column of ``data.time`` is no feature."""


class SequenceDataset(TableDataset):
    """Sequences from exactly one of ``path``, ``files``, ``sql`` and ``source``, in one of three layouts.

    * long: a row for each step, with ``id`` (and ``time``);
    * wide: a row for each series, its values side by side, with ``channels``;
    * ``.ts`` of the UCR and UEA archives, which needs neither: its columns are ``series``, ``dim_0`` ..., and ``class``
      or ``target``.

    What :meth:`read` gives has a row for each series: features are lists of steps; target, weight, group and id are
    one value. So splits, targets and predictions are those of tables.

    Args:
        name, path, target, files, sql, source: see :class:`~colonnade.data.dataset.TableDataset`.
        id: column that names the series of a row; series do not mix. They are numbered, 0, 1, ..., where a wide table
            has no such column. None: all rows of a long table are one series.
        time: of a long table, the column by which the steps of a series are ordered: numbers or times. None: they are
            in order.
        horizon: steps of ``target`` that are forecast, from every step of a series; None: the target is one value of a
            whole series.
        context: steps that a forecast looks back at.
        season: steps of a season of what is forecast, such as 24 hours of a day; 1: none is known. Errors are compared
            with those of a seasonal naive forecast (``mase``), and baselines take it as their period.
        channels: names of the channels of a wide table, whose columns hold all channels of the first step, then of the
            second, ...; None: the table is long.
        delimiter, decimal, encoding, header, missing, replace, select, filter, columns, levels, exclude, weight, group:
            see :class:`~colonnade.data.dataset.TableDataset`; they speak of the long table, ``exclude`` of a wide one
            too.
        drop_missing_target, timezone, infinite, homepage, licence, citation: see there.

    Raises:
        ValueError: see there; or ``channels`` together with ``time``, a channel named twice, ``horizon`` without
            ``context``, or weights of forecasts.
    """

    def __init__(
        self,
        *,
        name: str = "sequences",
        path: str | None = None,
        target: str | Sequence[str] | None = None,
        files: Sequence[Mapping[str, Any]] | None = None,
        sql: Mapping[str, Any] | None = None,
        source: Source | None = None,
        id: str | None = SERIES,
        time: str | None = None,
        horizon: int | None = None,
        context: int | None = None,
        season: int = 1,
        channels: Sequence[str] | None = None,
        delimiter: str | None = None,
        decimal: str = ".",
        encoding: str = "utf-8",
        header: Sequence[str] | None = None,
        missing: Sequence[str] | None = None,
        replace: Mapping[str, Mapping[str, str]] | None = None,
        select: Mapping[str, str] | None = None,
        filter: str | None = None,
        columns: Mapping[str, str] | None = None,
        levels: Mapping[str, Sequence[Any]] | None = None,
        exclude: Mapping[str, str | None] | Sequence[str] | None = None,
        weight: str | None = None,
        group: str | None = None,
        drop_missing_target: bool = False,
        timezone: str | None = None,
        infinite: Infinite = "error",
        homepage: str | None = None,
        licence: str | None = None,
        citation: str | None = None,
    ) -> None:
        super().__init__(
            name=name,
            path=path,
            target=target,
            files=files,
            sql=sql,
            source=source,
            delimiter=delimiter,
            decimal=decimal,
            encoding=encoding,
            header=header,
            missing=missing,
            replace=replace,
            select=select,
            filter=filter,
            columns=columns,
            levels=levels,
            exclude=exclude,
            weight=weight,
            group=group,
            row_id=SERIES if id is None else id,
            drop_missing_target=drop_missing_target,
            timezone=timezone,
            infinite=infinite,
            homepage=homepage,
            licence=licence,
            citation=citation,
        )
        if channels is not None and id is None:
            raise ValueError(f"channels={list(channels)} says that each row is a series, and id=null that all are one")
        if channels is not None and time is not None:
            raise ValueError(f"channels={list(channels)} says that the table is wide, and time={time} that it is long")
        if channels is not None and (not channels or len(set(channels)) < len(channels)):
            raise ValueError(f"channels={list(channels)}: one name or more, each once")
        if (horizon is None) != (context is None):
            raise ValueError(f"horizon={horizon} and context={context}: a forecast needs both")
        for key, value in (("horizon", horizon), ("context", context), ("season", season)):
            if value is not None and value < 1:
                raise ValueError(f"{key}={value} must be at least 1")
        if horizon is not None and weight is not None:
            raise ValueError(f"weight={weight}: all windows of a forecast weigh the same")
        self.id = SERIES if id is None else id
        self.one = id is None
        self.horizon = horizon
        self.context = context
        self.season = season
        self.order_by = time
        self.channels = None if channels is None else tuple(channels)
        if time is not None:
            self.exclude = {time: ORDER, **self.exclude}

    def datamodule(self) -> type[SequenceDataModule]:
        """What prepares the series for a training."""
        if self.horizon is not None:
            from colonnade.data.sequences.forecast import ForecastDataModule

            return ForecastDataModule
        from colonnade.data.sequences.datamodule import SequenceDataModule

        return SequenceDataModule

    def read(self) -> Table:
        """See the base class; a row for each series."""
        return fold(self._looked_back_at(super().read()), id=self.id)

    def read_new(self, data: Any, schema: Schema, *, need_target: bool) -> Table:
        """See the base class; a row for each series, or, if forecasts are to be measured, for each of their windows."""
        table = fold(super().read_new(data, schema, need_target=need_target), id=self.id)
        if self.horizon is None or self.context is None or not need_target:
            return table
        return windowed(table, self.target, context=self.context, horizon=self.horizon)

    def steps(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The steps of series, one after the other."""
        return steps_of(frame, lists_of(frame))[0]

    def raw(self, lookup: Lookup, frame: pl.DataFrame) -> RawColumns:
        """Series as a predictor takes them, padded to the longest; of those that are forecast, the last steps."""
        from colonnade.data.sequences.raw import raw_series

        features = lists_of(frame)
        if self.context is not None:
            frame = tails(frame, features, self.context)
        return raw_series(lookup, frame, features)

    def _looked_back_at(self, table: Table) -> Table:
        """What is forecast is a channel like the others."""
        return table if self.horizon is None else dc_replace(table, schema=dc_replace(table.schema, targets=()))

    def _gather(self) -> tuple[pl.DataFrame, dict[str, tuple[int, int]], list[dict[str, str]], Written | None]:
        frame, parts, origin, first_line = super()._gather()
        height = frame.height
        frame = self._long(frame)
        parts = {part: (a * frame.height // height, b * frame.height // height) for part, (a, b) in parts.items()}
        ordered = in_order(frame, id=self.id, time=self.order_by, parts=parts, where=self.path or self.name)
        return ordered, parts, origin, first_line if self._as_read(frame, ordered) else None

    def _arranged(self, frame: pl.DataFrame, first_line: Written | None) -> tuple[pl.DataFrame, Written | None]:
        long = self._long(frame)
        ordered = in_order(long, id=self.id, time=self.order_by, parts={}, where="the new data")
        return ordered, first_line if self._as_read(long, ordered) else None

    def _long(self, frame: pl.DataFrame) -> pl.DataFrame:
        if self.channels is None:
            return frame.with_columns(pl.lit("0").alias(self.id)) if self.one else frame
        others = {name for name in (*self.target, self.weight, self.group, *self.exclude) if name is not None}
        return from_wide(frame, channels=self.channels, others=others, id=self.id)

    def _as_read(self, long: pl.DataFrame, ordered: pl.DataFrame) -> bool:
        """Whether rows are still those of the file, so that lines can be named."""
        return self.channels is None and long[self.id].equals(ordered[self.id]) and self.order_by is None
