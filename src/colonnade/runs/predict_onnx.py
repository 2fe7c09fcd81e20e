"""Predict: new rows through an exported file. Imports no torch."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colonnade.core.errors import ConfigError, SchemaError
from colonnade.core.optional import optional_import
from colonnade.core.schema import Schema
from colonnade.data.dataset import TableDataset
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sequences.steps import StepDataset
from colonnade.data.table import Table
from colonnade.deploy.rows import columns_of
from colonnade.deploy.runtime import InputError, OnnxModel
from colonnade.runs.predictions import as_frame, check_out, with_key, write_frame

log = logging.getLogger(__name__)


def predict_onnx(model: Path | str, data: Any, out: Path | str | None = None) -> pl.DataFrame:
    """Predict rows with an exported file, read and typed as the run would.

    Args:
        model: the ``.onnx`` file.
        data: path of a file, or a polars or pandas frame, with the columns of the training data.
        out: see :func:`~colonnade.runs.predict.predict`.

    Returns:
        What :func:`~colonnade.runs.predict.predict` gives for the run that was exported.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ConfigError: the file does not exist or is none of ours, or ``out`` cannot be written.
        SchemaError: columns are missing or mistyped; the whole difference is printed.
    """
    if out is not None:
        check_out(Path(out))
    optional_import("onnxruntime", "onnx")
    if not Path(model).is_file():
        raise ConfigError(f"model='{model}': there is no such file; `colonnade export run=...` makes one")
    try:
        loaded = OnnxModel(model)
    except InputError as error:
        raise ConfigError(f"model='{model}': {error}") from error
    schema = Schema.from_dict(loaded.facts["schema"])
    table = _read(data, schema, loaded)
    try:
        found = loaded.predict(columns_of(table.frame, loaded.columns))
    except InputError as error:
        raise SchemaError(str(error)) from error
    ids = np.arange(table.frame.height) if table.row_ids is None else table.row_ids
    frame = with_key(as_frame({"row_id": ids, **loaded.named(found)}), table).sort("row_id")
    if out is not None:
        write_frame(frame, Path(out))
    return frame


def _read(data: Any, schema: Schema, model: OnnxModel) -> Table:
    """Rows of a file, or series, histories or the windows behind which forecasts begin."""
    reading = model.facts["reading"]
    if model.series is None:
        return TableDataset(**reading).read_new(data, schema, need_target=False)
    dataset = (StepDataset if "lead" in reading else SequenceDataset)(**reading)
    table = dataset.read_new(data, schema, need_target=False)
    return table if model.series["horizon"] is None else dataset.ends(table)
