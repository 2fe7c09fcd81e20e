"""Exported: what is predicted with a file instead of a run: rows read as the run would, predictions as a table of its.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colonnade.core.errors import ConfigError
from colonnade.core.schema import Schema
from colonnade.data.dataset import TableDataset
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.steps import StepDataset
from colonnade.data.table import Table
from colonnade.runs.predictions import as_frame, check_out, with_key, write_frame


def check_files(model: Path | str, out: Path | str | None) -> None:
    """Refuse a model that is not there, and a file that cannot be written, before anything is read.

    Raises:
        ConfigError: it is so.
    """
    if out is not None:
        check_out(Path(out))
    if not Path(model).is_file():
        raise ConfigError(f"model='{model}': there is no such file; `colonnade export run=...` makes one")


def read_rows(data: Any, facts: Mapping[str, Any]) -> Table:
    """Rows of a file, or series, histories or the windows behind which forecasts begin.

    Args:
        data: path of a file, or a polars or pandas frame, with the columns of the training data.
        facts: what the exported file says of itself: ``schema``, ``reading``, of series ``series``.

    Raises:
        SchemaError: columns are missing or mistyped; the whole difference is printed.
    """
    reading, schema, series = facts["reading"], Schema.from_dict(facts["schema"]), facts.get("series")
    if series is None:
        return TableDataset(**reading).read_new(data, schema, need_target=False)
    dataset = (StepDataset if "lead" in reading else SequenceDataset)(**reading)
    table = dataset.read_new(data, schema, need_target=False)
    return table if series["horizon"] is None else dataset.ends(table)


def predicted(columns: Mapping[str, np.ndarray], table: Table, out: Path | str | None) -> pl.DataFrame:
    """Predictions of rows as :func:`~colonnade.runs.predict.predict` gives them, and writes them.

    Args:
        columns: from :func:`~colonnade.deploy.runtime.headings`.
        table: what was predicted, row by row.
        out: where to write; None: nowhere.
    """
    ids = np.arange(table.frame.height) if table.row_ids is None else table.row_ids
    frame = with_key(as_frame({"row_id": ids, **columns}), table).sort("row_id")
    if out is not None:
        write_frame(frame, Path(out))
    return frame
