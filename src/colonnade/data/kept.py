"""Kept: what is still known of raw rows once they are encoded, for thresholds by group and sets that are randomized."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from colonnade.core.draw import row_draw
from colonnade.data.columns import RawColumns
from colonnade.data.lookup import CodedRows, Lookup

CHUNK = 65_536


@dataclass(frozen=True)
class Kept:
    """Of the rows of a part.

    Args:
        codes: ``(N,)`` the group of each; None: there is one.
        draw: ``(N,)`` see :func:`~colonnade.core.draw.row_draw`; None: nothing is drawn.
    """

    codes: Tensor | None = None
    draw: Tensor | None = None


@dataclass(frozen=True)
class Keep:
    """What shall be kept.

    Args:
        group: a column of categories, whose codes are; None: none. One that the pipeline does not see has none.
        draw: whether the draw of each row is.
    """

    group: str | None = None
    draw: bool = False

    def of(self, coded: CodedRows, lookup: Lookup, rows: dict[str, np.ndarray]) -> dict[str, Kept]:
        """What is kept of each part.

        Args:
            coded: all rows.
            lookup: that coded them.
            rows: of each part.
        """
        if self.group is None and not self.draw:
            return {}
        return {
            part: Kept(self._codes(coded, lookup, index), self._draw(coded, lookup, index))
            for part, index in rows.items()
        }

    def _codes(self, coded: CodedRows, lookup: Lookup, index: np.ndarray) -> Tensor | None:
        names = [category.name for category in lookup.cat]
        if self.group not in names:
            return None
        codes = coded.cat.to_series(names.index(self.group)).to_numpy()
        return torch.from_numpy(codes[index].astype(np.int64))

    def _draw(self, coded: CodedRows, lookup: Lookup, index: np.ndarray) -> Tensor | None:
        if not self.draw:
            return None
        some = (coded.take(index, start, start + CHUNK) for start in range(0, max(1, len(index)), CHUNK))
        return torch.cat([draw_of(raw, lookup) for raw in some])


def draw_of(raw: RawColumns, lookup: Lookup) -> Tensor:
    """The draw of each row, ``(N,)``: from its numbers, vectors of text left out, and its categories."""
    return row_draw(raw.num[:, : len(lookup.num)], raw.cat)
