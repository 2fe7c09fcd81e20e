"""SequenceDataset: what ``data:`` builds for sequences; reads steps as a table is read, and folds them to series."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace as dc_replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from colonnade.core.errors import DataError
from colonnade.core.schema import Schema
from colonnade.data.cast import Infinite
from colonnade.data.dataset import Source, TableDataset
from colonnade.data.sequences.agreement import check_covariates, check_layout, check_times, check_windows
from colonnade.data.sequences.clock import Step, instants, spacing, with_missing_steps
from colonnade.data.sequences.covariates import check_names, constant, extended, seen
from colonnade.data.sequences.elapsed import ELAPSED, with_elapsed
from colonnade.data.sequences.fold import fold, in_order, lists_of, spread, starts_of, steps_of
from colonnade.data.sequences.joined import joined
from colonnade.data.sequences.wide import from_wide
from colonnade.data.sequences.windowed import Look, ahead, origins, tails, windowed, windows_at
from colonnade.data.sources.ts import SERIES
from colonnade.data.sources.written import Written
from colonnade.data.table import Table

if TYPE_CHECKING:
    # Files are read without torch where an exported model is applied.
    from colonnade.data.columns import RawColumns
    from colonnade.data.lookup import Lookup
    from colonnade.data.sequences.datamodule import SequenceDataModule
    from colonnade.data.sequences.horizon import Borders

log = logging.getLogger(__name__)

ORDER = "orders the steps"
"""Why the column of ``data.time`` is no feature."""
_SHOWN = 5


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
        id: column that names the series of a row, or several that do together; series do not mix. They are numbered,
            0, 1, ..., where a wide table has no such column. None: all rows of a long table are one series.
        time: of a long table, the column by which the steps of a series are ordered: numbers or times; or several that
            spell a time together, such as a date and an hour, which is then called by their names with a blank
            between. None: they are in order.
        elapsed: unit in which the channel ``elapsed`` holds the time since the step before, 0 at the first, of series
            whose steps are unevenly apart: seconds, minutes, hours or days; ``number`` where ``time`` holds numbers.
            None: there is no such channel.
        frequency: of series that are forecast, the time from a step to the next: ``30m``, ``1h``, ``1d``, ``1w``,
            ``1mo``, ``1q``, ``1y``, or a number where ``time`` holds numbers; None: what it is most often.
        fill: of series that are forecast, ``"forward"``: steps that are missing in ``time`` are put in, a missing value
            is the last one before it in its series, and windows that would forecast a missing value are left out;
            None: steps are taken as they come, and a missing target is an error.
        short: of series that are forecast, ``"repeat"``: a window may begin before its series, whose first step is
            repeated then; ``"skip"``: only whole windows are learned from, and a series shorter than ``context`` is not
            forecast.
        horizon: steps of ``target`` that are forecast, from every step of a series; None: the target is one value of a
            whole series.
        context: steps that a forecast looks back at.
        future: of series that are forecast, columns that are known of the steps ahead, such as prices, holidays or the
            forecast of the weather; of ``time`` among them the pipeline makes calendar features. To forecast, rows
            behind the last value of a target hold them; the time alone needs no rows.
        static: of series that are forecast, columns that are one value for a whole series. A model with a place for
            them takes them apart; to others they are channels.
        season: steps of a season of what is forecast, such as 24 hours of a day; 1: none is known. Errors are compared
            with those of a seasonal naive forecast (``mase``), and baselines take it as their period.
        channels: names of the channels of a wide table, whose columns hold all channels of the first step, then of the
            second, ...; None: the table is long.
        delimiter, decimal, encoding, header, missing, replace, select, filter, columns, levels, exclude, weight, group:
            see :class:`~colonnade.data.dataset.TableDataset`; they speak of the long table, ``exclude`` of a wide one
            too.
        drop_missing_target, timezone, infinite, homepage, licence, citation: see there.

    Raises:
        ValueError: see there; ``future`` or ``static`` without ``horizon``, or naming a target or each other's columns;
            or ``channels`` together with ``time``, a channel named twice, ``horizon`` without
            ``context``, weights of forecasts, or ``frequency``, ``fill`` or ``elapsed`` that do not go with the rest.
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
        id: str | Sequence[str] | None = SERIES,
        time: str | Sequence[str] | None = None,
        elapsed: Literal["seconds", "minutes", "hours", "days", "number"] | None = None,
        frequency: str | float | None = None,
        fill: Literal["forward"] | None = None,
        short: Literal["skip", "repeat"] = "skip",
        horizon: int | None = None,
        context: int | None = None,
        future: str | Sequence[str] | None = None,
        static: str | Sequence[str] | None = None,
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
        self.together = joined("id", id, by="/", what="name a series")
        self.spelled = joined("time", time, by=" ", what="spell a time")
        named = self.together.name if self.together else SERIES if id is None else str(id)
        order_by = self.spelled.name if self.spelled else None if time is None else str(time)
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
            row_id=named,
            drop_missing_target=drop_missing_target,
            timezone=timezone,
            infinite=infinite,
            homepage=homepage,
            licence=licence,
            citation=citation,
        )
        future, static = (tuple([given] if isinstance(given, str) else given or ()) for given in (future, static))
        future = self.spelled.in_place_of(future) if self.spelled else future
        check_layout(one=id is None, time=order_by, channels=channels)
        check_windows(horizon=horizon, context=context, season=season, short=short, weight=weight)
        check_times(time=order_by, elapsed=elapsed, frequency=frequency, fill=fill, horizon=horizon)
        check_covariates(future=future, static=static, target=self.target, horizon=horizon)
        self.future = future
        self.static = static
        self.id = named
        self.one = id is None
        self.frequency = None if frequency is None else Step.parse(frequency)
        self.step = self.frequency
        self.filled = fill is not None
        self.repeats = short == "repeat"
        self._irregular: list[str] = []
        self.horizon = horizon
        self.context = context
        self.season = season
        self.order_by = order_by
        self.elapsed = elapsed
        self.channels = None if channels is None else tuple(channels)
        of_time = (*(self.spelled.columns if self.spelled else ()), *([] if order_by is None else [order_by]))
        self.exclude = {**{name: ORDER for name in of_time if name not in future}, **self.exclude}

    @property
    def derived(self) -> frozenset[str]:
        """Columns that no file holds."""
        spelled = [] if self.spelled is None else [self.spelled.name]
        return frozenset([*spelled, *([] if self.elapsed is None else [ELAPSED])])

    def datamodule(self) -> type[SequenceDataModule]:
        """What prepares the series for a training."""
        if self.horizon is not None:
            from colonnade.data.sequences.forecast import ForecastDataModule

            return ForecastDataModule
        from colonnade.data.sequences.datamodule import SequenceDataModule

        return SequenceDataModule

    def read(self) -> Table:
        """See the base class; a row for each series."""
        table = self._folded(self._looked_back_at(super().read()))
        measured = self._measured(table)
        notes = [*table.notes, *self._irregular]
        if measured is not table:
            name = self.target[0]
            cut = sum(int(one.frame[name].list.len().sum()) * sign for one, sign in ((table, 1), (measured, -1)))
            notes.append(f"{cut:,} steps behind the last target of their series are not learned from")
        return dc_replace(measured, notes=notes)

    def read_new(self, data: Any, schema: Schema, *, need_target: bool) -> Table:
        """See the base class; a row for each series, or, if forecasts are to be measured, for each of their windows."""
        table = self._folded(super().read_new(data, schema, need_target=need_target))
        return table if self.horizon is None or not need_target else self._windowed(table, self.target, self.horizon)

    def ends(self, table: Table) -> Table:
        """Series that are forecast, each cut to the window behind which it is."""
        return dc_replace(table, frame=self._tails(table.frame))

    def part(self, table: Table, rows: np.ndarray) -> Table:
        """See the base class; of series that are forecast, the windows that begin at such steps, counted over all."""
        if self.horizon is None:
            return super().part(table, rows)
        return windows_at(table, rows, self.look, targets=self.target, horizon=self.horizon)

    def origins(self, table: Table, borders: Borders, part: str) -> np.ndarray:
        """Steps at which the forecasts of a part begin, counted over all series that are forecast, ``(N,)`` int64."""
        assert self.horizon is not None
        return origins(table, borders, part, self.target, look=self.look, horizon=self.horizon)

    def windows_from(self, table: Table, origin: np.ndarray) -> Table:
        """The windows that forecast from such steps on, counted over all series, ``(N,)``; they are its row ids."""
        return windows_at(table, origin.copy(), self.look)

    def windows(self, table: Table, at_most: int) -> Table:
        """A row for each of so many windows that are looked back at, spread over all series."""
        return self._windowed(table, (), 0, at_most)

    def _windowed(self, table: Table, targets: Sequence[str], horizon: int, at_most: int | None = None) -> Table:
        return windowed(self._measured(table), targets, look=self.look, horizon=horizon, at_most=at_most)

    @property
    def look(self) -> Look:
        """What windows see of series that are forecast."""
        assert self.context is not None
        assert self.horizon is not None
        filled = tuple(self.target) if self.filled else None
        steps = self.horizon if self.future else 0
        return Look(self.context, repeat=self.repeats, filled=filled, known=self.future, ahead=steps)

    def steps(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The steps of series, one after the other; of windows that follow each other, each once."""
        if self.horizon is None or not set(ahead(self.target, self.horizon)) <= set(frame.columns):
            return steps_of(frame, lists_of(frame))[0]
        begins = pl.Series(starts_of(frame[self.id], {}))
        lists = [pl.col(name) for name in lists_of(frame)]
        whole = steps_of(frame.filter(begins), lists_of(frame))[0]
        return pl.concat([whole, frame.filter(~begins).select(each.list.last() for each in lists)])

    def raw(self, lookup: Lookup, frame: pl.DataFrame) -> RawColumns:
        """Series as a predictor takes them, padded to the longest; of those that are forecast, the last steps."""
        from colonnade.data.sequences.raw import raw_series

        if self.context is not None:
            frame = self._tails(frame)
        return raw_series(lookup, frame, lists_of(frame))

    def _tails(self, frame: pl.DataFrame) -> pl.DataFrame:
        features, look = lists_of(frame), self.look
        if self.order_by is not None and look.known == (self.order_by,):
            # The calendar is known of steps that no row tells of.
            few = seen(frame, self.target) + look.ahead - frame[self.order_by].list.len().to_numpy()
            if (few > 0).any():
                frame = extended(frame, features, self.order_by, np.maximum(few, 0), self.frequency)
        names = frame[self.id].to_list() if self.id in frame.columns else []
        return tails(frame, features, look, targets=self.target, of=names)

    def _folded(self, table: Table) -> Table:
        """A row for each series; static columns are one value in each."""
        check_names(table.schema, self.future, self.static)
        folded = fold(table, id=self.id)
        return dc_replace(folded, frame=constant(folded.frame, self.static, self.id)) if self.static else folded

    def _measured(self, table: Table) -> Table:
        """Series without the steps behind their last target, of which only what is known ahead is known."""
        if not self.future:
            return table
        counts = seen(table.frame, self.target)
        if (counts == table.frame[self.target[0]].list.len().to_numpy()).all():
            return table
        cut = [pl.col(name).list.head(pl.lit(pl.Series(counts))) for name in table.schema.features]
        return dc_replace(table, frame=table.frame.with_columns(cut))

    def _looked_back_at(self, table: Table) -> Table:
        """What is forecast is a channel like the others."""
        return table if self.horizon is None else dc_replace(table, schema=dc_replace(table.schema, targets=()))

    def _gather(self) -> tuple[pl.DataFrame, dict[str, tuple[int, int]], list[dict[str, str]], Written | None]:
        frame, parts, origin, first_line = super()._gather()
        height = frame.height
        frame = self._long(frame)
        parts = {part: (a * frame.height // height, b * frame.height // height) for part, (a, b) in parts.items()}
        where, goes_on = self.path or self.name, self.horizon is not None
        ordered = in_order(
            frame, id=self.id, time=self.order_by, parts=parts, where=where, goes_on=goes_on, timezone=self.timezone
        )
        # A series that is forecast goes on in the next part; where it is divided, the split says.
        ordered = self._timed(ordered, parts, where)
        regular, self._irregular = self._regular(ordered, where, known=not goes_on or len(parts) < 2)
        parts = {} if goes_on else parts
        return regular, parts, origin, first_line if regular is ordered and self._as_read(frame, ordered) else None

    def _arranged(self, frame: pl.DataFrame, first_line: Written | None) -> tuple[pl.DataFrame, Written | None]:
        long = self._long(frame)
        ordered = in_order(long, id=self.id, time=self.order_by, parts={}, where="the new data", timezone=self.timezone)
        ordered = self._timed(ordered, {}, "the new data")
        regular, notes = self._regular(ordered, "the new data")
        for note in notes:
            log.warning("the new data: %s", note)
        return regular, first_line if regular is ordered and self._as_read(long, ordered) else None

    def _timed(self, ordered: pl.DataFrame, parts: Mapping[str, tuple[int, int]], where: str) -> pl.DataFrame:
        """Steps in order, with the time since the one before, where that is asked for."""
        if self.elapsed is None or self.order_by is None:
            return ordered
        starts = starts_of(ordered[self.id], parts)
        return with_elapsed(
            ordered, self.elapsed, time=self.order_by, starts=starts, where=where, timezone=self.timezone
        )

    def _regular(self, ordered: pl.DataFrame, where: str, *, known: bool = True) -> tuple[pl.DataFrame, list[str]]:
        """Rows with those that are missing, where they are to be put in; otherwise, in words, what is irregular.

        Args:
            ordered: see :func:`~colonnade.data.sequences.fold.in_order`.
            where: file, for messages.
            known: whether times go on from one row of a series to the next; False where they begin anew.
        """
        if self.horizon is None or self.order_by is None:
            return ordered, []
        timed = self.order_by if self.order_by in self.future else None
        if not known and timed is None:
            return ordered, []
        times = instants(ordered[self.order_by], where, self.timezone)
        if timed is not None:
            ordered = ordered.with_columns(times)
        if not known:
            return ordered, []
        found = spacing(times, starts_of(ordered[self.id], {}), self.frequency, where)
        if found is None:
            return ordered, []
        self.step, note = found.step, found.note()
        if note is None or not self.filled:
            return ordered, [] if note is None else [note]
        of_id = self.together.columns if self.together else ()
        kept = {name for name in (self.id, *of_id, self.group) if name is not None}
        whole = with_missing_steps(ordered, found, kept=kept, times=times, timed=timed, where=where)
        return whole, [f"{found.missing:,} missing steps of {found.step} were put in (data.fill=forward)"]

    def _without_rows(self, table: Table, where: str) -> Table:
        kept = super()._without_rows(self._told(table), where)
        if self.filter is None:
            return kept
        row = np.arange(len(table)) if kept.row_ids is None else kept.row_ids
        series = np.cumsum(starts_of(table.frame[self.id], table.parts))[row]
        torn = (np.diff(row) > 1) & (np.diff(series) == 0)
        if torn.any():
            ids = kept.frame[self.id].gather(np.flatnonzero(torn)).unique(maintain_order=True)
            shown = ", ".join(map(str, ids.head(_SHOWN))) + (", ..." if len(ids) > _SHOWN else "")
            raise DataError(
                f"{where}: data.filter takes steps out of the middle of {len(ids):,} series ({shown}): "
                "what comes before and after them would be other steps than where the model predicts. Filter whole "
                "series, or their beginning or end, or leave the steps out of the file"
            )
        return kept

    def _told(self, table: Table) -> Table:
        """A target of whole series is that of all their steps."""
        return spread(table, id=self.id) if self.horizon is None else table

    def _long(self, frame: pl.DataFrame) -> pl.DataFrame:
        for made in (self.together, self.spelled):
            frame = frame if made is None else made.beside(frame)
        if self.channels is None:
            return frame.with_columns(pl.lit("0").alias(self.id)) if self.one else frame
        others = {name for name in (*self.target, self.weight, self.group, *self.exclude) if name is not None}
        return from_wide(frame, channels=self.channels, others=others, id=self.id)

    def _as_read(self, long: pl.DataFrame, ordered: pl.DataFrame) -> bool:
        """Whether rows are still those of the file, so that lines can be named."""
        return self.channels is None and long[self.id].equals(ordered[self.id]) and self.order_by is None
