"""The schema of a raw table: what each column is, and which role it plays."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Kind(StrEnum):
    """Kind of a raw column."""

    NUMERIC = "numeric"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"
    ORDINAL = "ordinal"
    DATETIME = "datetime"
    TEXT = "text"
    ID = "id"

    @property
    def is_number(self) -> bool:
        """Enters the pipeline as a float column."""
        return self in (Kind.NUMERIC, Kind.INTEGER)

    @property
    def is_category(self) -> bool:
        """Enters the pipeline as integer codes. Text does so too, unless ``pipeline.texts`` embeds it."""
        return self in (Kind.BOOLEAN, Kind.CATEGORICAL, Kind.ORDINAL, Kind.TEXT)


class TargetKind(StrEnum):
    """What a target is to a task: one class, several 0/1 labels, real numbers, or a class and a time."""

    CLASS = "class"
    MULTILABEL = "multilabel"
    REAL = "real"
    EVENT = "event"


DEFAULT_MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?")


@dataclass
class Column:
    """One raw column.

    Args:
        name: as in the file.
        kind: see :class:`Kind`.
        levels: values of an ordinal column in their order, or declared categories; None: learned from the train rows.
        missing: tokens that mean "missing" in this column.
        format: how a datetime column that came as text is written, in polars' format codes; None: typed by its source.
        note: what inference had to say about it.
    """

    name: str
    kind: Kind
    levels: tuple[str, ...] | None = None
    missing: tuple[str, ...] = DEFAULT_MISSING
    format: str | None = None
    note: str = ""


@dataclass
class Schema:
    """Columns of a table and their roles.

    Args:
        columns: every column that was read, in file order, targets included.
        targets: names of the target columns; empty when only predicting.
        weight, group, time, row_id: name of the column with that role, or None.
        exclude: columns that are not features, with the reason.
    """

    columns: dict[str, Column]
    targets: tuple[str, ...] = ()
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    row_id: str | None = None
    exclude: dict[str, str] = field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns a model may see, in file order; ``time`` is one, ``group`` and ``weight`` are not."""
        hidden = {*self.targets, self.weight, self.group, self.row_id, *self.exclude}
        return tuple(c.name for c in self.columns.values() if c.name not in hidden and c.kind is not Kind.ID)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; ``from_dict`` restores an equal schema."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Schema:
        """Restore a schema from :meth:`to_dict`."""
        columns = {
            name: Column(
                name=c["name"],
                kind=Kind(c["kind"]),
                levels=None if c["levels"] is None else tuple(c["levels"]),
                missing=tuple(c["missing"]),
                format=c["format"],
                note=c["note"],
            )
            for name, c in data["columns"].items()
        }
        return cls(**{**data, "columns": columns, "targets": tuple(data["targets"])})

    def save(self, path: Path) -> None:
        """Write ``schema.json``."""
        path.write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Schema:
        """Read ``schema.json``."""
        return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
