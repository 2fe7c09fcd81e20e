"""Tables of a back-test: errors by step ahead and by series, over its folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

BY_STEP, BY_SERIES = "by_step.csv", "by_series.csv"
KEYS = ("series", "step", "value")
WINDOWS, FOLDS = "windows", "folds"


def join_tables(members: Sequence[Path], folder: Path) -> None:
    """Write ``by_step.csv`` and ``by_series.csv`` of the folds of a back-test as one of each; nothing where there are
    none.

    Args:
        members: folders of the folds.
        folder: of the whole.
    """
    for name in (BY_STEP, BY_SERIES):
        tables = [pl.read_csv(member / name) for member in members if (member / name).exists()]
        if tables:
            over_folds(tables).write_csv(folder / name)


def over_folds(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """A row for each that is in any fold: ``folds`` in which it is, the mean of each measure over these, and its
    deviation (``<measure>/std``, with n - 1); ``windows`` are those of all folds.

    Args:
        tables: of each fold.

    >>> fold = pl.DataFrame({"step": [1], "value": ["y"], "mae": [0.5]})
    >>> over_folds([fold, fold.with_columns(mae=0.7)]).row(0)
    (1, 'y', 2, 0.6, 0.14142135623730948)
    """
    together = pl.concat(tables)
    keys = [key for key in KEYS if key in together.columns]
    measures = [name for name in together.columns if name not in (*keys, WINDOWS)]
    windows = [pl.col(WINDOWS).sum()] if WINDOWS in together.columns else []
    told = [column for name in measures for column in (pl.col(name).mean(), pl.col(name).std().alias(f"{name}/std"))]
    return together.group_by(keys, maintain_order=True).agg(pl.len().alias(FOLDS), *windows, *told)
