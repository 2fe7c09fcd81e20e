"""Predict: new rows through a finished run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colonnade.data.table import Table
from colonnade.runs.load import Loaded, load
from colonnade.runs.predictions import check_out, to_frame, with_key, write_frame

log = logging.getLogger(__name__)


def predict(run: Path | str, data: Any, out: Path | str | None = None) -> pl.DataFrame:
    """Predict rows, and write what was predicted.

    Args:
        run: folder of a finished run.
        data: path of a file, or a polars or pandas frame, with the columns of the training data; the target may be
            absent.
        out: where to write, by its ending ``.csv``, ``.parquet``, ``.jsonl`` or ``.arrow``; None: nowhere.

    Returns:
        A row for each row of the data, in their order: ``row_id``, the values of the schema's own row id if it has one
        (``key/<name>`` where the name is taken), predictions and probabilities.

    Raises:
        SchemaError: columns are missing or mistyped; the whole difference is printed.
        RunFolderError: see :func:`~colonnade.runs.load.load`.
        ConfigError: ``out`` cannot be written; told before anything is computed.
    """
    if out is not None:
        check_out(Path(out))
    loaded = load(run)
    table = loaded.dataset.read_new(data, loaded.schema, need_target=False)
    report_unknown(loaded, table)
    # Steps are predicted by series, and told in the order of the file.
    frame = with_key(to_frame(loaded.predict(table), loaded.spec, row_ids(table)), table).sort("row_id")
    if out is not None:
        write_frame(frame, Path(out))
    return frame


def row_ids(table: Table) -> np.ndarray:
    """Position of each row in its source."""
    return np.arange(table.frame.height) if table.row_ids is None else table.row_ids


def report_unknown(loaded: Loaded, table: Table) -> None:
    """Say which columns hold categories that the training rows did not; of sequences, in how many steps."""
    rows = loaded.dataset.steps(table.frame)
    for column, count in loaded.lookup.unknown_counts(rows).items():
        if count:
            log.warning(
                "column '%s': %d of %d rows hold a category unseen in training; they use its unknown slot",
                column,
                count,
                rows.height,
            )
