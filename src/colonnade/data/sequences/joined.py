"""Joined: one column that several columns of a table make together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from colonnade.core.errors import SchemaError, closest


@dataclass(frozen=True)
class Joined:
    """A column of text: the values of others, one after the other.

    Args:
        key: of ``data:``, which names the others.
        columns: two or more.
        by: stands between their values, and between their names in its own.
    """

    key: str
    columns: tuple[str, ...]
    by: str

    @property
    def name(self) -> str:
        """Of the column."""
        return self.by.join(self.columns)

    def beside(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows with the column; it is missing where one of the others is.

        Raises:
            SchemaError: one of the others is not there.
        """
        for name in self.columns:
            if name not in frame.columns:
                raise SchemaError(
                    f"data.{self.key}={list(self.columns)}: '{name}' is no column{closest(name, frame.columns)}"
                )
        parts = [pl.col(name).cast(pl.String) for name in self.columns]
        return frame.with_columns(pl.concat_str(parts, separator=self.by).alias(self.name))

    def in_place_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """Names, with that of the column in place of all others, where all of them are named."""
        given = tuple(names)
        if not set(self.columns) <= set(given):
            return given
        return (*(name for name in given if name not in self.columns), self.name)


def joined(key: str, given: str | Sequence[str] | None, *, by: str, what: str) -> Joined | None:
    """Of a key that names a column, or several that do together; None where it names one or none.

    Args:
        key: of ``data:``.
        given: its value.
        by: see :class:`Joined`.
        what: they do together, for the message.

    Raises:
        ValueError: a list of fewer than two.

    >>> joined("time", ["date", "hour"], by=" ", what="spell a time").name
    'date hour'
    """
    if given is None or isinstance(given, str):
        return None
    if len(given) < 2:
        raise ValueError(f"{key}={list(given)}: a column, or several that {what} together")
    return Joined(key, tuple(given), by)
