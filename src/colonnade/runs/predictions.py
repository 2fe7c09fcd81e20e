"""Decoded predictions as a table for people."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.deploy.runtime import headings

if TYPE_CHECKING:
    # An exported file is applied without torch.
    from torch import Tensor

    from colonnade.core.spec import BatchSpec
    from colonnade.data.table import Table

WEIGHT = "weight"
"""Column of sample weights in ``predictions.parquet``, where the data have them."""
ENDINGS = (".csv", ".parquet", ".jsonl", ".arrow")
# What a spreadsheet would run as a formula; a number is none.
FORMULA = r"^[=+\-@\t\r\n]"
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def to_frame(prediction: dict[str, Tensor], spec: BatchSpec, row_id: np.ndarray) -> pl.DataFrame:
    """One row a prediction.

    Args:
        prediction: what a task's decoder gives.
        spec: names of targets and classes.
        row_id: ``(N,)`` position of each row in its source.

    Returns:
        ``row_id``; for classes ``prediction`` and ``probability/<class>``; for several labels ``<label>`` and
        ``probability/<label>`` (``prediction/<label>`` where the label is called ``row_id`` or like another column of
        such a table); for events those of a class, as ``prediction/<type>``, and those of a real target; for real
        targets ``prediction`` (``prediction/<target>`` when several) and
        ``quantile/<i>`` columns where the task predicts quantiles. See :func:`~colonnade.deploy.runtime.headings` for
        intervals, sets and disagreement, where the run has them.
    """
    values = {name: tensor.detach().cpu().numpy() for name, tensor in prediction.items()}
    if spec.classes:
        values["label"] = np.asarray(spec.classes, dtype=object)[values["label"]]
    named = headings(values, kind=spec.target_kind, targets=spec.target_names, classes=spec.classes)
    return as_frame({"row_id": np.asarray(row_id), **named})


def as_frame(columns: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """Columns of numbers, and of text as objects, as a frame."""
    texts = {name: pl.Series(values.tolist()) for name, values in columns.items() if values.dtype == object}
    return pl.DataFrame({**columns, **texts})


def with_key(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The predictions with the schema's own row id behind ``row_id``, if it has one.

    Args:
        frame: predictions.
        table: what was predicted, row by row.
    """
    key = table.schema.row_id
    if key is None or key not in table.frame.columns:
        return frame
    return frame.insert_column(1, table.frame[key].alias(f"key/{key}" if key in frame.columns else key))


def truth_columns(truth: Tensor, spec: BatchSpec) -> list[pl.Series]:
    """What was true, in the units of the prediction.

    Args:
        truth: class indices ``(N,)``, 0/1 labels ``(N, L)``, values ``(N, T)``, or type and time ``(N, 2)``.
        spec: names of targets and classes.

    Returns:
        ``target``, or ``target/<name>`` when several; null where a value is missing.
    """
    values = truth.cpu().numpy()
    if spec.target_kind == TargetKind.CLASS:
        return [pl.Series("target", np.asarray(spec.classes, dtype=object)[values].tolist())]
    if spec.target_kind == TargetKind.EVENT:
        kinds = np.asarray(spec.classes, dtype=object)[values[:, 0].astype(np.int64)].tolist()
        return [pl.Series(f"target/{name}", of) for name, of in zip(spec.target_names, (kinds, values[:, 1]))]
    if len(spec.target_names) == 1:
        return [pl.Series("target", values[:, 0], nan_to_null=True)]
    return [pl.Series(f"target/{name}", values[:, t], nan_to_null=True) for t, name in enumerate(spec.target_names)]


def check_out(out: Path, endings: Sequence[str] = ENDINGS) -> None:
    """Refuse a file that cannot be written, before anything is computed for it.

    Args:
        out: the file.
        endings: those that it may have.

    Raises:
        ConfigError: the ending is none of the known ones, or the file or its folder cannot be made.
    """
    if out.suffix not in endings:
        known = " or ".join(part for part in (", ".join(endings[:-1]), endings[-1]) if part)
        raise ConfigError(f"out='{out}': unknown ending '{out.suffix}'; use {known}")
    if os.path.isdir(out):
        raise ConfigError(f"out='{out}' is a folder: name a file in it")
    # The functions of os.path, unlike the methods of a path, are false for what may not be looked at.
    there = next(path for path in (out, *out.absolute().parents) if os.path.exists(path))
    if there != out and not os.path.isdir(there):
        raise ConfigError(f"out='{out}': '{there}' is no folder")
    if not os.access(there, os.W_OK):
        raise ConfigError(f"out='{out}': '{there}' cannot be written; choose another place")


def write_frame(frame: pl.DataFrame, out: Path) -> None:
    """Write a table by the ending of its name: ``.csv``, ``.parquet``, ``.jsonl`` or ``.arrow``.

    In CSV, text that begins with ``= + - @``, a tab or the end of a line, and is no number, is prefixed with an
    apostrophe, in the header too: spreadsheets would run it as a formula.

    Raises:
        ConfigError: see :func:`check_out`; or the file cannot be written after all, for example on a full disk.
    """
    check_out(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _write(frame, out)
    except OSError as error:
        raise ConfigError(f"out='{out}' cannot be written: {error}") from error


def _write(frame: pl.DataFrame, out: Path) -> None:
    match out.suffix:
        case ".csv":
            _without_formulas(frame).write_csv(out)
        case ".parquet":
            frame.write_parquet(out)
        case ".jsonl":
            frame.write_ndjson(out)
        case ".arrow":
            frame.write_ipc(out)
        case _:
            raise AssertionError(f"check_out lets {out.suffix} pass")


def _without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    text = pl.selectors.string()
    risky = text.str.contains(FORMULA) & ~text.str.contains(NUMBER)
    names = {name: f"'{name}" for name in frame.columns if re.match(FORMULA, name) and not re.fullmatch(NUMBER, name)}
    return frame.with_columns(pl.when(risky).then("'" + text).otherwise(text).name.keep()).rename(names)
