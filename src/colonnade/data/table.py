"""Table: what a data set gives once it has been read, typed by its schema."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from colonnade.core.schema import Schema, TargetKind


@dataclass
class Table:
    """Typed rows and what is known of them.

    Args:
        frame: typed by the schema: numeric Float64, integer Int64, boolean Boolean, categorical, ordinal, text and id
            String, datetime ``Datetime("us")`` in UTC or without a zone. Missing tokens and NaN are null.
        schema: kinds and roles of the columns.
        parts: official split as row ranges of ``frame``, by ``"train"``, ``"val"`` and ``"test"``; empty when there is
            none.
        origin: ``{"file": ..., "sha256": ...}`` of everything that was read.
        notes: doubts, for the model card.
        row_ids: ``(N,)`` int64, position in the source of each row; None: ``0 .. N-1``. Rows that were left out keep
            their ids.
        leaks: what :func:`~colonnade.data.leakage.check_leaks` said, by what it was asked: several trainings may share
            a table.
    """

    frame: pl.DataFrame
    schema: Schema
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)
    origin: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    row_ids: np.ndarray | None = None
    leaks: dict[tuple[TargetKind, tuple[str, ...]], list[str]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def __len__(self) -> int:
        return self.frame.height

    def keep(self, mask: pl.Series) -> Table:
        """The rows where ``mask`` is true, with their ids, the parts narrowed to match.

        Args:
            mask: ``(N,)`` Boolean without nulls.
        """
        kept = mask.to_numpy()
        before = np.concatenate([[0], np.cumsum(kept)])
        return Table(
            frame=self.frame.filter(mask),
            schema=self.schema,
            parts={part: (int(before[start]), int(before[stop])) for part, (start, stop) in self.parts.items()},
            origin=self.origin,
            notes=self.notes,
            row_ids=(np.arange(len(self)) if self.row_ids is None else self.row_ids)[kept],
        )


def frame_digest(frame: pl.DataFrame) -> str:
    """SHA-256 over the column names and the rows of a frame that came from no file."""
    digest = hashlib.sha256("\x00".join(frame.columns).encode())
    digest.update(frame.hash_rows(seed=0).to_numpy().tobytes())
    return digest.hexdigest()
