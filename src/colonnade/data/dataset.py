"""TableDataset: what ``data:`` in a configuration builds; reads a table and knows what its columns are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import polars as pl

from colonnade.core.errors import ConfigError, DataError, closest
from colonnade.core.files import sha256
from colonnade.core.schema import DEFAULT_MISSING, Kind, Schema
from colonnade.data.cast import Infinite, cast
from colonnade.data.catalog import CatalogFile, locate
from colonnade.data.conform import conform
from colonnade.data.doubts import quoted
from colonnade.data.infer import infer_schema
from colonnade.data.options import faulty_names, faulty_parts, faulty_sql
from colonnade.data.shape import inputs, replaced, selected, where_true
from colonnade.data.sources.delimited import Delimited
from colonnade.data.sources.files import find, read_file
from colonnade.data.sources.frame import Frame
from colonnade.data.sources.sql import Sql
from colonnade.data.sources.text import NAMED
from colonnade.data.sources.written import Written
from colonnade.data.table import Table

if TYPE_CHECKING:
    from colonnade.data.columns import RawColumns
    from colonnade.data.datamodule import TableDataModule
    from colonnade.data.lookup import Lookup

_CHARACTERS = {name: character for character, name in NAMED.items()} | {"point": ".", "\\t": "\t"}
_AS_WRITTEN = ("categorical", "ordinal", "text", "id", "datetime")


class Source(Protocol):
    """Anything that gives rows: a query, a frame, a generator."""

    @property
    def origin(self) -> list[dict[str, str]]:
        """``{"file": ..., "sha256": ...}`` of what :meth:`read` gave."""

    def read(self) -> pl.DataFrame:
        """All rows."""


class TableDataset:
    """A table from exactly one of ``path``, ``files``, ``sql`` and ``source``.

    Args:
        name: of the data set.
        path: CSV, TSV (also .gz), Parquet, Arrow, Feather, or JSON: objects one a line or in an array.
        target: column or columns to predict.
        files: files of the catalogue, see :class:`~colonnade.data.catalog.CatalogFile`.
        sql: ``uri``, ``query`` and ``engine`` of :class:`~colonnade.data.sources.sql.Sql`.
        source: an object with ``read`` and ``origin``.
        delimiter: a character, or its name: ``comma``, ``semicolon``, ``tab``, ``bar`` or ``space``; None: found.
        decimal: ``"."`` or ``","`` (also ``point``, ``comma``).
        encoding: of text; byte order marks are minded.
        quote: quote character; None: none.
        header: names of the columns, in order, of a file that has no header line.
        skip: lines to leave out at the top of the file.
        comment: first character of lines to leave out.
        missing: tokens that mean missing; None: ``""``, NA, N/A, NaN, null, None, ? and the like.
        replace: for a column, what is to be written for what.
        select: the columns of the table, each as a SQL expression of those that were read; None: those that were read.
        filter: SQL expression; rows where it is not true are left out.
        columns: kinds by column name (``numeric, integer, boolean, categorical, ordinal, datetime, text, id``), also
            ``"datetime:%d/%m/%Y"``; the rest is inferred.
        levels: values of ordinal columns in their order, or the categories of a categorical one. A token such as NA
            among them is a category.
        exclude: columns that are no features, with the reason, or their names; a reason of null includes one again.
        weight, group, time, row_id: column with that role.
        waive: columns that may look like leaks.
        drop_missing_target: leave rows without a target out instead of refusing them.
        timezone: IANA zone of times without an offset.
        infinite: ``"error"``, ``"clip"`` or ``"missing"``.
        parts: official split of a single file as ``[start, stop]`` rows by ``train``, ``val``, ``test``; null is the
            end.
        homepage, licence, citation: of a published set.

    Raises:
        ValueError: several origins; or arguments out of range, all of them.
    """

    def __init__(
        self,
        *,
        name: str = "table",
        path: str | None = None,
        target: str | Sequence[str] | None = None,
        files: Sequence[Mapping[str, Any]] | None = None,
        sql: Mapping[str, Any] | None = None,
        source: Source | None = None,
        delimiter: str | None = None,
        decimal: str = ".",
        encoding: str = "utf-8",
        quote: str | None = '"',
        header: Sequence[str] | None = None,
        skip: int = 0,
        comment: str | None = None,
        missing: Sequence[str] | None = None,
        replace: Mapping[str, Mapping[str, str]] | None = None,
        select: Mapping[str, str] | None = None,
        filter: str | None = None,
        columns: Mapping[str, str] | None = None,
        levels: Mapping[str, Sequence[Any]] | None = None,
        exclude: Mapping[str, str | None] | Sequence[str] | None = None,
        weight: str | None = None,
        group: str | None = None,
        time: str | None = None,
        row_id: str | None = None,
        waive: Sequence[str] = (),
        drop_missing_target: bool = False,
        timezone: str | None = None,
        infinite: Infinite = "error",
        parts: Mapping[str, Sequence[int | None]] | None = None,
        homepage: str | None = None,
        licence: str | None = None,
        citation: str | None = None,
    ) -> None:
        given = [k for k, v in {"path": path, "files": files, "sql": sql, "source": source}.items() if v is not None]
        if len(given) > 1:
            raise ValueError(
                f"the data come from one place, but {' and '.join(given)} are set: for your own file, data=table "
                "data.path=..."
            )
        delimiter = _CHARACTERS.get(delimiter, delimiter) if delimiter is not None else None
        decimal = _CHARACTERS.get(decimal, decimal)
        for key, value, allowed in (
            ("decimal", decimal, (".", ",")),
            ("infinite", infinite, ("error", "clip", "missing")),
        ):
            if value not in allowed:
                raise ValueError(f"{key}={value!r}: one of {', '.join(map(repr, allowed))}")
        for key, character in (("delimiter", delimiter), ("quote", quote), ("comment", comment)):
            if character is not None and len(character.encode()) != 1:
                raise ValueError(f"{key}={character!r}: one ASCII character, or null")
        if delimiter == decimal:
            raise ValueError(f"delimiter and decimal are both {decimal!r}")
        if skip < 0:
            raise ValueError(f"skip={skip}: 0 or more lines")
        target = [target] if isinstance(target, str) else list(target or ())
        expressions = {f"select.{quoted(column)}": sql for column, sql in (select or {}).items()}
        faults = [
            *(f"target names '{column}' twice" for column in dict.fromkeys(target) if target.count(column) > 1),
            *faulty_names(columns or {}, timezone, encoding),
            *faulty_sql(expressions if filter is None else {**expressions, "filter": filter}),
            *faulty_parts(parts or {}),
        ]
        if faults:
            raise ValueError("; ".join(faults))
        self.name = name
        self.path = path
        self.target = target
        self.files = None if files is None else [CatalogFile.from_dict(entry) for entry in files]
        self.source = source if sql is None else _sql(sql)
        self.missing = tuple(DEFAULT_MISSING if missing is None else missing)
        self.replace = dict(replace or {})
        self.select = None if select is None else dict(select)
        self.filter = filter
        self.columns = dict(columns or {})
        self.levels = {name: [str(v) for v in values] for name, values in (levels or {}).items()}
        if not isinstance(exclude, Mapping):
            exclude = dict.fromkeys([exclude] if isinstance(exclude, str) else exclude or (), "excluded by the user")
        self.exclude = {column: str(reason) for column, reason in exclude.items() if reason is not None}
        self.weight = weight
        self.group = group
        self.time = time
        self.row_id = row_id
        self.waive = tuple(waive)
        self.drop_missing_target = drop_missing_target
        self.timezone = timezone
        self.infinite: Infinite = infinite
        self.parts = dict(parts or {})
        self.homepage = homepage
        self.licence = licence
        self.citation = citation
        as_written = {c for c, kind in self.columns.items() if str(kind).partition(":")[0] in _AS_WRITTEN}
        self._as_text = frozenset(as_written | set(self.levels))
        self._options = {
            "delimiter": delimiter,
            "decimal": decimal,
            "encoding": encoding,
            "quote": quote,
            "header": header,
            "skip": skip,
            "comment": comment,
            "missing": self.missing,
            "as_text": self._as_text,
            "literal": frozenset(c for c, values in self.levels.items() if set(values) & set(self.missing)),
        }

    def datamodule(self) -> type[TableDataModule]:
        """What prepares the rows for a training."""
        from colonnade.data.datamodule import TableDataModule

        return TableDataModule

    def raw(self, lookup: Lookup, frame: pl.DataFrame) -> RawColumns:
        """Rows that :meth:`read_new` gave, as a predictor takes them."""
        return lookup(frame)

    def rows(self, table: Table) -> Table:
        """A table that :meth:`read` gave, as :meth:`read_new` would give it."""
        return table

    def learned(self, table: Table) -> Table:
        """The rows of a table that must have a target: all."""
        return table

    def part(self, table: Table, rows: np.ndarray) -> Table:
        """Some rows of a table that :meth:`read` gave, as :meth:`read_new` would give them, targets included.

        Args:
            table: all rows.
            rows: their positions, ``(N,)`` int64.
        """
        mask = np.zeros(table.frame.height, dtype=bool)
        mask[rows] = True
        return self.rows(table).keep(pl.Series(mask))

    def steps(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that a pipeline sees of a frame that this data set gave."""
        return frame

    def read(self) -> Table:
        """Read everything, find the schema of what is not declared, and type the columns.

        Raises:
            ConfigError: no origin is set, or an expression of ``select`` or ``filter`` is not SQL.
            DataError: the file is at fault, or no row is left.
            SchemaError: a declared column is not there, or values are not of their column's kind.
        """
        frame, parts, origin, first_line = self._gather()
        where = self.path or self.name
        frame = replaced(frame, self.replace)
        if self.select is not None:
            frame = selected(frame, self.select)
        schema, doubts = infer_schema(
            frame,
            target=self.target,
            declared=self.columns,
            levels=self.levels,
            missing=self.missing,
            weight=self.weight,
            group=self.group,
            time=self.time,
            row_id=self.row_id,
            exclude=self.exclude,
            # Of derived columns the file holds nothing.
            gaps=first_line.gaps if isinstance(first_line, Written) and self.select is None else None,
        )
        _keep_declared_tokens(schema, self.levels)
        frame = cast(frame, schema, where=where, timezone=self.timezone, infinite=self.infinite, first_line=first_line)
        table = Table(frame, schema, parts=parts, origin=origin, notes=[str(doubt) for doubt in doubts])
        return self._without_rows(table, where)

    def read_new(self, data: Any, schema: Schema, *, need_target: bool) -> Table:
        """Read further rows as the training file was read, and conform them by name to a stored schema.

        Args:
            data: path of a file of any of the known formats, for which the options of delimited text hold too; or a
                polars or pandas frame.
            schema: of the table that the model was trained on.
            need_target: the rows are to be measured. Then ``filter`` and ``drop_missing_target`` hold as in training;
                rows that are only predicted are all kept.

        Raises:
            DataError: the file is at fault.
            SchemaError: the whole difference between its columns and the schema.
        """
        # A file that happens to hold numbers alone in a column of codes would lose how they are written: 1.50, 007.
        kinds = (Kind.CATEGORICAL, Kind.ORDINAL, Kind.TEXT, Kind.ID)
        codes = {c.name for c in schema.columns.values() if c.kind in kinds}
        options = {**self._options, "as_text": self._as_text | codes}
        first_line: Written | None = None
        if isinstance(data, str | Path):
            frame, first_line = read_file(data, Delimited(**options))  # type: ignore[arg-type]
            where, origin = str(data), [{"file": str(data), "sha256": sha256(find(data))}]
        else:
            source = Frame(data)
            frame, where, origin = source.read(), "the frame", source.origin
        frame, first_line = self._arranged(frame, first_line)
        frame = replaced(frame, {c: pairs for c, pairs in self.replace.items() if c in frame.columns})
        if self.select is not None:
            wanted = [c for c in self.select if need_target or c not in schema.targets]
            chosen = {c: self.select[c] for c in wanted}
            # A file of the derived columns alone is taken as it is.
            if inputs(chosen) <= set(frame.columns) or not set(wanted) <= set(frame.columns):
                frame = selected(frame, chosen)
        frame = conform(
            frame,
            schema,
            need_target=need_target,
            where=where,
            timezone=self.timezone,
            infinite=self.infinite,
            first_line=first_line,
        )
        table = Table(frame, schema, origin=origin)
        return self._without_rows(table, where) if need_target else table

    def _arranged(self, frame: pl.DataFrame, first_line: Written | None) -> tuple[pl.DataFrame, Written | None]:
        """Rows of a further file as those of the training file were arranged when they were read."""
        return frame, first_line

    def _gather(self) -> tuple[pl.DataFrame, dict[str, tuple[int, int]], list[dict[str, str]], Written | None]:
        """Rows as read, official parts, origin, and the line of the first row where it is known."""
        if self.files is not None:
            return self._read_catalogue(self.files)
        if self.source is not None:
            frame = self.source.read()
            return frame, self._ranges(frame), self.source.origin, None
        if self.path is None:
            raise ConfigError(
                "no data: data.path=<file> data.target=<column> for your own table, or data=<name> for a known one"
            )
        path = find(self.path)
        with ThreadPoolExecutor(1) as beside:
            digest = beside.submit(sha256, path)
            frame, first_line = read_file(path, Delimited(**self._options))  # type: ignore[arg-type]
            return frame, self._ranges(frame), [{"file": self.path, "sha256": digest.result()}], first_line

    def _read_catalogue(
        self, entries: Sequence[CatalogFile]
    ) -> tuple[pl.DataFrame, dict[str, tuple[int, int]], list[dict[str, str]], None]:
        frames: list[pl.DataFrame] = []
        origin: list[dict[str, str]] = []
        parts: dict[str, tuple[int, int]] = {}
        height = 0
        for entry in entries:
            path, found = locate(entry, homepage=self.homepage)
            frame, _ = read_file(path, Delimited(**{**self._options, "rows": found.rows}))  # type: ignore[arg-type]
            frame = frame.with_columns(pl.lit(value).alias(column) for column, value in (entry.add or {}).items())
            if frames and set(frame.columns) != set(frames[0].columns):
                raise DataError(f"{path}: its columns are not those of {entries[0].file}")
            frames.append(frame.select(frames[0].columns) if frames else frame)
            origin.append({"file": found.file, "sha256": found.sha256})
            if entry.part is not None:
                start = parts[entry.part][0] if entry.part in parts else height
                parts[entry.part] = (start, height + frame.height)
            height += frame.height
        frame = pl.concat(frames, how="vertical_relaxed")
        return frame, parts or self._ranges(frame), origin, None

    def _ranges(self, frame: pl.DataFrame) -> dict[str, tuple[int, int]]:
        ranges = {}
        for part, (start, stop) in self.parts.items():
            ranges[part] = (start or 0, frame.height if stop is None else stop)
            if not 0 <= ranges[part][0] < ranges[part][1] <= frame.height:
                raise ConfigError(f"data.parts.{part}=[{start}, {stop}] does not lie within the {frame.height} rows")
        return ranges

    def _without_rows(self, table: Table, where: str) -> Table:
        steps = [f"{len(table)} rows read"]
        if self.filter is not None:
            kept = table.keep(where_true(table.frame, self.filter))
            steps.append(f"{len(kept)} after data.filter")
            table = kept
        if self.drop_missing_target and table.schema.targets:
            present = table.frame.select(pl.all_horizontal(pl.col(table.schema.targets).is_not_null())).to_series()
            dropped = int((~present).sum())
            table = table.keep(present)
            steps.append(f"{len(table)} after data.drop_missing_target")
            if dropped:
                table.notes = [*table.notes, f"{dropped} rows without a target were left out"]
        if len(table) == 0:
            raise DataError(f"{where}: no rows are left: {', '.join(steps)}")
        return table


def _sql(given: Mapping[str, Any]) -> Sql:
    known = ("uri", "query", "engine")
    for key in given:
        if key not in known:
            raise ValueError(f"sql: unknown key '{key}'{closest(key, known)}")
    for key in ("uri", "query"):
        if not given.get(key):
            raise ValueError(f"sql: {key} is not set: data.sql.{key}=...")
    return Sql(uri=given["uri"], query=given["query"], engine=given.get("engine") or "auto")


def _keep_declared_tokens(schema: Schema, levels: Mapping[str, Sequence[str]]) -> None:
    """A declared category called NA is no missing value."""
    for name, values in levels.items():
        column = schema.columns[name]
        column.missing = tuple(token for token in column.missing if token not in values)
