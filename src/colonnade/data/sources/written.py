"""Written: what a text file holds at a row, for messages; looked up in the file only when a row is at fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

Place = tuple[int, str | None]
"""Line of the file, and a field of it as written; None: as it was read."""


class Written(int):
    """The line that holds the first row of a file. As blank lines, comments and fields of several lines may lie between
    the rows, it finds the lines of the others too.

    Args:
        line: of the first row.
        find: lines and fields of some rows of a column, given in rising order. It reads the file again: a fault is
            rare, and memory is not to be had for it.
        gaps: for each column of text that has missing values, what stands in their place in the first rows of the file.
    """

    _find: Callable[[Sequence[int], str], list[Place]]
    gaps: Mapping[str, pl.Series]

    def __new__(
        cls,
        line: int,
        find: Callable[[Sequence[int], str], list[Place]],
        gaps: Mapping[str, pl.Series] | None = None,
    ) -> Written:
        """A line that knows more."""
        self = super().__new__(cls, line)
        self._find = find
        self.gaps = gaps or {}
        return self

    def places(self, rows: Sequence[int], column: str) -> list[Place]:
        """Where rows of a column stand, and how.

        Args:
            rows: positions from 0, in rising order.
            column: its name; of one that the file lacks, only the lines are known.
        """
        return self._find(rows, column)


def places(first_line: int | None, rows: Sequence[int], column: str) -> list[Place]:
    """Where rows of a column stand: on lines when that of the first row is known, else at their positions from 0."""
    if isinstance(first_line, Written):
        return first_line.places(rows, column)
    return [((first_line or 0) + row, None) for row in rows]
