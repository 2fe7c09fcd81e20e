"""Inputs: which raw columns a graph takes, under which names and types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from colonnade.core.schema import Kind, Schema
from colonnade.core.spec import BatchSpec
from colonnade.data.lookup import Lookup

NUMBERS, TEXTS, TIMES = "numbers", "texts", "times"
"""What is put together: numbers and booleans in float64, categories as strings, datetimes in int64 microseconds."""

LENGTH = "length"
"""The input that says how many steps each series has."""

INTERNAL = "/"
"""What the name of every value within a graph begins with."""

# What frames and arrays of objects write for a missing value, whatever the file wrote.
ABSENT = ("", "None", "nan", "<NA>")


@dataclass(frozen=True)
class Input:
    """A raw column of a graph.

    Args:
        column: its name in the data.
        name: of the input of the graph that holds it.
        place: its position in that input, where that is a matrix of several columns; None: it is alone there.
        block: ``numbers``, ``texts`` or ``times``.
        kind: a :class:`~colonnade.core.schema.Kind` value.
        missing: texts that stand for a missing value.
        format: how a datetime is written, see :class:`~colonnade.core.schema.Column`.
    """

    column: str
    name: str
    place: int | None
    block: str
    kind: str
    missing: tuple[str, ...]
    format: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class Series:
    """That rows are series: inputs have steps.

    Args:
        length: name of the input of their lengths; None: all have ``context`` steps.
        context: steps that a forecast looks back at; None: series are of any length.
        horizon: steps that are forecast; None: nothing is.
        values: names of what is forecast.
        ahead: steps that inputs have behind the context, for columns that are known ahead; 0: none.
    """

    length: str | None
    context: int | None
    horizon: int | None
    values: tuple[str, ...]
    ahead: int = 0

    @property
    def steps(self) -> int | None:
        """Steps of the inputs; None: any number."""
        return None if self.context is None else self.context + self.ahead

    @classmethod
    def of(cls, spec: BatchSpec) -> Series | None:
        """What a specification says of it; None: rows are those of a table."""
        if spec.n_steps is None:
            return None
        if spec.horizon is None:
            return cls(length=LENGTH, context=None, horizon=None, values=())
        values = tuple(name.rpartition("+")[0] for name in spec.target_names[: len(spec.channels)])
        return cls(length=None, context=spec.n_steps, horizon=spec.horizon, values=values, ahead=spec.ahead)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


def plan_inputs(lookup: Lookup, schema: Schema, *, matrix_above: int, taken: Sequence[str]) -> list[Input]:
    """The inputs of a graph: a column each, or of a wide table a matrix for each block.

    Args:
        lookup: its columns are those of the graph: numbers, then booleans, other categories, datetimes.
        schema: their kinds and their words for a missing value.
        matrix_above: number of columns above which there are matrices.
        taken: names that the outputs have.
    """
    booleans = [category.name for category in lookup.cat if category.boolean]
    levels = {category.name: category.levels for category in lookup.cat if not category.boolean}
    blocks = {NUMBERS: [*lookup.num, *booleans], TEXTS: list(levels), TIMES: list(lookup.time)}
    wide = len(lookup.names) > matrix_above
    used = {*taken}
    inputs = []
    for block, columns in blocks.items():
        for place, column in enumerate(columns):
            described = schema.columns[column]
            inputs.append(
                Input(
                    column=column,
                    name=block if wide else _free(column, used),
                    place=place if wide else None,
                    block=block,
                    kind=str(described.kind),
                    missing=_words(described.missing, levels.get(column, ())),
                    format=described.format if described.kind is Kind.DATETIME else None,
                )
            )
    return inputs


def _free(column: str, used: set[str]) -> str:
    """The column's own name, unless it is another's."""
    name = column
    while not name or name in used or name.startswith(INTERNAL):
        name = f"column/{name}"
    used.add(name)
    return name


def _words(declared: Sequence[str], levels: Sequence[str]) -> tuple[str, ...]:
    """Words for a missing value: those declared and those of frames, unless a level is called so; at least one."""
    known = set(levels)
    words = [word for word in dict.fromkeys((*declared, *ABSENT)) if word not in known]
    missing = "missing"
    while not words and missing in known:
        missing += "_"
    return tuple(words or [missing])
