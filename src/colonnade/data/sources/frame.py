"""Frame: a polars or pandas frame that is already in memory."""

from __future__ import annotations

from typing import Any

import polars as pl

from colonnade.core.errors import DataError
from colonnade.core.optional import optional_import
from colonnade.data.table import frame_digest


class Frame:
    """A frame from Python: ``TableDataset(source=Frame(frame), target="y")``.

    Args:
        frame: polars or pandas (extra ``pandas``); the index of a pandas frame is left out.

    Raises:
        DataError: columns share a name, or a pandas column cannot be converted.
        TypeError: something else was given.
    """

    def __init__(self, frame: Any) -> None:
        self.frame = frame if isinstance(frame, pl.DataFrame) else _from_pandas(frame)
        if self.frame.height == 0:
            raise DataError(f"the frame has 0 rows ({self.frame.width} columns)")

    @property
    def origin(self) -> list[dict[str, str]]:
        """The digest of the rows."""
        return [{"file": "frame", "sha256": frame_digest(self.frame)}]

    def read(self) -> pl.DataFrame:
        """The frame, in polars."""
        return self.frame


def _from_pandas(frame: Any) -> pl.DataFrame:
    pandas = optional_import("pandas", "pandas")
    if not isinstance(frame, pandas.DataFrame):
        raise TypeError(f"expected a polars or pandas DataFrame, got {type(frame).__name__}")
    names = [str(name) for name in frame.columns]
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise DataError(f"duplicate column names in the frame: {', '.join(repeated)}")
    arrow = optional_import("pyarrow", "pandas")
    columns = []
    for i, name in enumerate(names):
        try:
            values: pl.Series = pl.from_pandas(frame.iloc[:, i], nan_to_null=True)  # type: ignore[assignment]
            columns.append(values.alias(name))
        except arrow.ArrowException as error:
            raise DataError(
                f"column '{name}' of the pandas frame mixes types ({error}): convert it, for example with .astype(str)"
            ) from error
    return pl.DataFrame(columns)
