"""Predict: new rows through an exported graph. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from colonnade.core.errors import ConfigError, SchemaError
from colonnade.core.optional import optional_import
from colonnade.deploy.rows import columns_of
from colonnade.deploy.runtime import InputError, OnnxModel
from colonnade.runs.exported import check_files, predicted, read_rows


def predict_onnx(model: Path | str, data: Any, out: Path | str | None = None) -> pl.DataFrame:
    """Predict rows with an exported graph, read and typed as the run would.

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
    check_files(model, out)
    optional_import("onnxruntime", "onnx")
    try:
        loaded = OnnxModel(model)
    except InputError as error:
        raise ConfigError(f"model='{model}': {error}") from error
    table = read_rows(data, loaded.facts)
    try:
        found = loaded.predict(columns_of(table.frame, loaded.columns))
    except InputError as error:
        raise SchemaError(str(error)) from error
    return predicted(loaded.named(found), table, out)
