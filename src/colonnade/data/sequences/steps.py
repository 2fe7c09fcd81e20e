"""StepDataset: series and event logs with a target for each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace as dc_replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from colonnade.core.errors import DataError, SchemaError, closest
from colonnade.core.schema import Schema
from colonnade.data.cast import Infinite
from colonnade.data.dataset import Source, TableDataset
from colonnade.data.sequences.dataset import ORDER, SequenceDataset
from colonnade.data.sequences.elapsed import ELAPSED, UNITS, check_unit, present, with_elapsed
from colonnade.data.sequences.fold import starts_of
from colonnade.data.sequences.history import histories
from colonnade.data.sequences.joined import joined
from colonnade.data.sequences.labelled import labelled
from colonnade.data.sources.ts import SERIES
from colonnade.data.sources.written import Written
from colonnade.data.split.record import PARTS
from colonnade.data.table import Table

if TYPE_CHECKING:
    from colonnade.data.sequences.stepwise import StepDataModule

TORN = "steps of one series are alike, so that they stay in one part"
"""Why rows are not drawn at random."""
SHARES = (0.64, 0.8)
"""Where the only series of a table is divided into train, val and test."""
# No column of a file is called so.
_ROW = "\x00row"


class StepDataset(SequenceDataset):
    """Series or events with a target for each step: a label of it, or what comes next.

    A row is a step, and what is learned from is its history: the last ``context`` steps of its series, itself the last.
    So no step can look ahead, whatever the model, and splits, measures and predictions are those of tables. Histories
    are ranges of one store of steps; memory does not grow with ``context``.

    * ``lead=0``: ``target`` is a label of the step itself, and no channel; with ``known``, the label of the step before
      is one.
    * ``lead=1``: ``target`` is a channel, and what is learned is its value at the next step. The last step of a series
      has none and is not learned from; it is predicted like the others.

    Series stay whole where there are several: the split is by series. One series is divided by time, 64 % train, 16 %
    val, 20 % test, where the data set has no parts of its own.

    Args:
        name, path, target, files, sql, source: see :class:`~colonnade.data.dataset.TableDataset`.
        id: see :class:`~colonnade.data.sequences.dataset.SequenceDataset`.
        time: see there. Events may share a time: they keep their order.
        context: steps of a history, from 1.
        lead: steps ahead, from 0.
        known: a step knows the target of the step before it.
        elapsed: see there. It can be a target: ``target=elapsed lead=1`` is the time to the next event.
        delimiter, decimal, encoding, header, missing, replace, select, filter, columns, levels, exclude, weight:
            see :class:`~colonnade.data.dataset.TableDataset`.
        drop_missing_target: a step without a target is neither learned from nor measured, but looked back at like the
            others; False: it is an error.
        timezone, infinite, homepage, licence, citation: see there.

    Raises:
        ValueError: see there; or ``context`` or ``lead`` out of range, ``known`` with a lead.
    """

    def __init__(
        self,
        *,
        name: str = "steps",
        path: str | None = None,
        target: str | Sequence[str] | None = None,
        files: Sequence[Mapping[str, Any]] | None = None,
        sql: Mapping[str, Any] | None = None,
        source: Source | None = None,
        id: str | None = SERIES,
        time: str | Sequence[str] | None = None,
        context: int = 64,
        lead: int = 0,
        known: bool = False,
        elapsed: Literal["seconds", "minutes", "hours", "days", "number"] | None = None,
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
            id=id,
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
            group=id,
            timezone=timezone,
            infinite=infinite,
            homepage=homepage,
            licence=licence,
            citation=citation,
        )
        self.spelled = joined("time", time, by=" ", what="spell a time")
        clock = self.spelled.name if self.spelled else None if time is None else str(time)
        if context < 1:
            raise ValueError(f"context={context} must be at least 1: a step is the last of its own history")
        if lead < 0:
            raise ValueError(f"lead={lead} must be 0, the step itself, or more")
        if lead and known:
            raise ValueError(f"known=true is of labels; with lead={lead} the target is a channel as it is")
        check_unit(elapsed, clock)
        self._places = np.empty(0, np.int64)
        self.look_back = context
        self.clock = clock
        if clock is not None:
            of_time = (clock, *(self.spelled.columns if self.spelled else ()))
            self.exclude = {**dict.fromkeys(of_time, ORDER), **self.exclude}
        self.lead = lead
        self.known = known
        # Not as of tables: the steps stay, since others look back at them.
        self.sparse = drop_missing_target
        self.elapsed = elapsed
        self.looked_up = tuple(self.target)
        if lead:
            self.target = [_ahead(name, lead) for name in self.looked_up]
        self.due = None if clock is None or not lead else _ahead(clock, lead)
        if self.due is not None:
            self.exclude = {self.due: ORDER, **self.exclude}
            if clock in self.columns:
                self.columns[self.due] = self.columns[clock]
        if lead or known:
            # What is said of a column holds for its values at other steps.
            moved = {name: _ahead(name, lead or -1) for name in self.looked_up}
            self.columns |= {moved[name]: kind for name, kind in self.columns.items() if name in moved}
            self.levels |= {moved[name]: levels for name, levels in self.levels.items() if name in moved}
            self.replace |= {moved[name]: pairs for name, pairs in self.replace.items() if name in moved}

    @property
    def derived(self) -> frozenset[str]:
        """Columns that no file holds: they come of the neighbours of a step."""
        moved = {_ahead(name, self.lead or -1) for name in self.looked_up} if self.lead or self.known else set()
        return super().derived | moved | ({self.due} if self.due is not None else set())

    def datamodule(self) -> type[StepDataModule]:
        """What prepares the steps for a training."""
        from colonnade.data.sequences.stepwise import StepDataModule

        return StepDataModule

    def read(self) -> Table:
        """See :class:`~colonnade.data.dataset.TableDataset`; a row for each step, but those that nothing follows."""
        table = self._placed(TableDataset.read(self))
        if self.one and not table.parts:
            n = len(table)
            cuts = [0, *(int(n * share) for share in SHARES), n]
            table.parts = dict(zip(PARTS, pairwise(cuts), strict=True))
        return self._followed(table)

    def read_new(self, data: Any, schema: Schema, *, need_target: bool) -> Table:
        """See :class:`~colonnade.data.dataset.TableDataset`; a row for each step, its history as lists."""
        table = self._placed(TableDataset.read_new(self, data, schema, need_target=need_target))
        if not need_target:
            return self.rows(table)
        return self.learned(self.rows(self._followed(table)))

    def part(self, table: Table, rows: np.ndarray) -> Table:
        """See the base class."""
        return self.learned(super().part(table, rows))

    def rows(self, table: Table) -> Table:
        """See the base class; with histories."""
        return histories(table, table.frame[self.id], table.schema.features, self.look_back)

    def learned(self, table: Table) -> Table:
        """See the base class; those that have one, where others may miss it."""
        return table.keep(labelled(table)) if self.sparse else table

    def steps(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The steps of histories, each once."""
        return frame.select(pl.col(pl.List).list.last())

    def _gather(self) -> tuple[pl.DataFrame, dict[str, tuple[int, int]], list[dict[str, str]], Written | None]:
        frame, parts, origin, first_line = super()._gather()
        where = self.path or self.name
        ordered = self._ordered(frame, parts, where)
        derived = self._derived(self._counted(ordered), parts, where)
        return derived, parts, origin, first_line if ordered is frame else None

    def _arranged(self, frame: pl.DataFrame, first_line: Written | None) -> tuple[pl.DataFrame, Written | None]:
        frame, first_line = super()._arranged(frame, first_line)
        ordered = self._ordered(frame, {}, where := "the new data")
        return self._derived(self._counted(ordered), {}, where), first_line if ordered is frame else None

    def _told(self, table: Table) -> Table:
        return table

    def _long(self, frame: pl.DataFrame) -> pl.DataFrame:
        return super()._long(frame).with_columns(pl.int_range(pl.len()).alias(_ROW))

    def _counted(self, ordered: pl.DataFrame) -> pl.DataFrame:
        """The steps in their order; where each stands in the file is noted."""
        self._places = ordered[_ROW].to_numpy(writable=True)
        return ordered.drop(_ROW)

    def _placed(self, table: Table) -> Table:
        """With the rows of the file as ids."""
        places = self._places if table.row_ids is None else self._places[table.row_ids]
        return dc_replace(table, row_ids=places)

    def _ordered(self, frame: pl.DataFrame, parts: Mapping[str, tuple[int, int]], where: str) -> pl.DataFrame:
        """The steps of each series by time; those of one instant as they come. The same frame where they are so."""
        if self.clock is None:
            return frame
        if self.clock not in frame.columns:
            raise SchemaError(f"{where}: data.time={self.clock} is no column{closest(self.clock, frame.columns)}")
        keys = pl.DataFrame(
            {
                "series": np.cumsum(starts_of(frame[self.id], parts)),
                "time": present(frame, self.clock, where, self.timezone),
            }
        )
        order = keys.with_row_index("row").sort("series", "time", maintain_order=True)["row"]
        return frame if order.is_sorted() else frame[order]

    def _derived(self, frame: pl.DataFrame, parts: Mapping[str, tuple[int, int]], where: str) -> pl.DataFrame:
        """The columns of a step that come of its neighbours."""
        starts = starts_of(frame[self.id], parts)
        series = pl.Series(np.cumsum(starts))
        if self.elapsed is not None and self.clock is not None:
            frame = with_elapsed(
                frame, self.elapsed, time=self.clock, starts=starts, where=where, timezone=self.timezone
            )
        steps = -self.lead if self.lead else 1 if self.known else 0
        if not steps:
            return frame
        for name in self.looked_up:
            if name == ELAPSED and name not in frame.columns:
                raise SchemaError(
                    f"{where}: 'elapsed' (data.target) is no column; to have the time since the step before under this "
                    f"name, data.elapsed=hours (or {', '.join(unit for unit in UNITS if unit != 'hours')})"
                    + ("" if self.clock else " data.time=<column of times>")
                )
            if name not in frame.columns:
                raise SchemaError(
                    f"{where}: '{name}' (data.target) is no column{closest(name, frame.columns)}: the steps before are "
                    "looked back at, so that it is needed where they are only predicted, too (empty where unknown)"
                )
        names = [*self.looked_up, *([] if self.due is None or self.clock is None else [self.clock])]
        return frame.with_columns(pl.col(name).shift(steps).over(series).alias(_ahead(name, -steps)) for name in names)

    def _followed(self, table: Table) -> Table:
        """The steps that another follows at ``lead``."""
        if not self.lead:
            return table
        starts = starts_of(table.frame[self.id], table.parts)
        ends = np.append(np.flatnonzero(starts)[1:], len(starts))
        left = ends[np.cumsum(starts) - 1] - np.arange(len(starts))
        kept = pl.Series(left > self.lead)
        if not kept.any():
            raise DataError(f"no series has more than {self.lead} steps: none is followed by another (data.lead)")
        return table.keep(kept)


def _ahead(name: str, steps: int) -> str:
    """Name of a column as it is some steps later: ``activity+1``; or before: ``correct-1``."""
    return f"{name}{steps:+d}"
