"""Text: the length of a text and the character n-grams in it, as numbers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import torch

from colonnade.data.columns import FIRST_LEVEL, MISSING, UNKNOWN, Layout, TrainRows
from colonnade.data.steps.base import Fitted, Step, index_of, others, positions
from colonnade.data.steps.codes import FromTable, offsets, with_numbers


class Text(Step):
    """Add ``<name>.length``, the characters of a text, and ``<name>.ngram.<i>``, how many n-grams fall into bucket i.

    An n-gram of characters, blanks around the text included, is hashed by CRC-32 to one of ``buckets`` columns, which
    count (Weinberger et al., "Feature hashing for large scale multitask learning", 2009, without their signs). Similar
    spellings so share columns, where a code of a level shares nothing. All of it is looked up by the code of the level:
    a text that no train row holds has the mean of the train rows, and a missing one is missing, so it serves categories
    of many related levels, not free text that is new in every row. Comes before the step that fills missing values.

    Args:
        columns: which categories; None: all with at least ``min_levels`` levels.
        min_levels: see ``columns``.
        length: add the length.
        n: characters of an n-gram, from 1.
        buckets: columns for the n-grams; 0: none.
        keep: keep the codes too.

    Raises:
        ValueError: ``min_levels`` or ``n`` below 1, ``buckets`` below 0, or nothing to add.
    """

    makes_missing = True

    def __init__(
        self,
        *,
        columns: Sequence[str] | None = None,
        min_levels: int = 20,
        length: bool = True,
        n: int = 3,
        buckets: int = 16,
        keep: bool = True,
    ) -> None:
        for key, number, least in (("min_levels", min_levels, 1), ("n", n, 1), ("buckets", buckets, 0)):
            if number < least:
                raise ValueError(f"{key} must be at least {least}, got {number!r}")
        if not length and not buckets:
            raise ValueError("length=false and buckets=0 leave nothing to add")
        self.columns = columns
        self.min_levels = min_levels
        self.length = length
        self.n = n
        self.buckets = buckets
        self.keep = keep

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Spell out each level. See :meth:`Step.fit`."""
        chosen = positions(layout.cat, self.columns, "Text")
        if self.columns is None:
            chosen = [i for i in chosen if len(layout.levels[i]) >= self.min_levels]
        if not chosen:
            return Fitted(None, layout)
        tables = []
        for i in chosen:
            table = torch.tensor([self._spelled("")] * FIRST_LEVEL + [self._spelled(text) for text in layout.levels[i]])
            table = table.to(torch.float64)
            count = layout.counts[i][FIRST_LEVEL:, None].to(torch.float64)
            table[UNKNOWN] = (table[FIRST_LEVEL:] * count).sum(0) / count.sum().clamp(min=1.0)
            table[MISSING] = torch.nan
            tables.append(table)
        rest = list(range(len(layout.cat))) if self.keep else others(len(layout.cat), chosen)
        sources = [layout.cat[i] for i in chosen]
        parts = ["length"] * self.length + [f"ngram.{i}" for i in range(self.buckets)]
        added = layout.fresh(f"{name}.{part}" for name in sources for part in parts)
        module = Spelled(
            names=sources,
            added=added,
            source=index_of(chosen),
            rest=index_of(rest),
            table=torch.cat(tables),
            offset=offsets([layout.cardinalities[i] for i in chosen]),
        )
        return Fitted(module, with_numbers(layout, added, rest))

    def _spelled(self, text: str) -> list[int]:
        """Length, and counts of the buckets."""
        counts = [0] * self.buckets
        if self.buckets:
            padded = f" {text} "
            for start in range(len(padded) - self.n + 1):
                counts[zlib.crc32(padded[start : start + self.n].encode()) % self.buckets] += 1
        return [len(text)] * self.length + counts


class Spelled(FromTable):
    """Fitted :class:`Text`."""

    def formula(self, name: str, new: str) -> str:
        """In words."""
        part = new.removeprefix(f"{name}.")
        return (
            f"characters of {name}"
            if part.startswith("length")
            else f"character n-grams of {name} in bucket {part[6:]}"
        )
