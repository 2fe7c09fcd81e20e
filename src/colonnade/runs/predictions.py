"""Decoded predictions as a table for people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from torch import Tensor

from colonnade.core.errors import ConfigError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec

ENDINGS = (".csv", ".parquet", ".jsonl", ".arrow")


def to_frame(prediction: dict[str, Tensor], spec: BatchSpec, row_id: np.ndarray) -> pl.DataFrame:
    """One row a prediction.

    Args:
        prediction: what a task's decoder gives.
        spec: names of targets and classes.
        row_id: ``(N,)`` position of each row in its source.

    Returns:
        ``row_id``; for classes ``prediction`` and ``probability/<class>``; for several labels ``<label>`` and
        ``probability/<label>``; for real targets ``prediction`` (``prediction/<target>`` when several) and
        ``quantile/<i>`` columns where the task predicts quantiles.
    """
    columns: dict[str, np.ndarray | pl.Series] = {"row_id": np.asarray(row_id)}
    values = {name: tensor.detach().cpu().numpy() for name, tensor in prediction.items()}
    if spec.target_kind == TargetKind.CLASS:
        columns["prediction"] = pl.Series(np.asarray(spec.classes, dtype=object)[values["label"]].tolist())
        for i, label in enumerate(spec.classes):
            columns[f"probability/{label}"] = values["probability"][:, i]
        return pl.DataFrame(columns)
    several = len(spec.target_names) > 1
    for t, name in enumerate(spec.target_names):
        if spec.target_kind == TargetKind.MULTILABEL:
            columns[name] = values["label"][:, t]
            columns[f"probability/{name}"] = values["probability"][:, t]
            continue
        suffix = f"/{name}" if several else ""
        columns[f"prediction{suffix}"] = values["value"][:, t]
        if "quantile" in values:
            for q in range(values["quantile"].shape[2]):
                columns[f"quantile{suffix}/{q}"] = values["quantile"][:, t, q]
    return pl.DataFrame(columns)


def truth_columns(truth: Tensor, spec: BatchSpec) -> list[pl.Series]:
    """What was true, in the units of the prediction.

    Args:
        truth: class indices ``(N,)``, 0/1 labels ``(N, L)``, or values ``(N, T)``.
        spec: names of targets and classes.

    Returns:
        ``target``, or ``target/<name>`` when several.
    """
    values = truth.cpu().numpy()
    if spec.target_kind == TargetKind.CLASS:
        return [pl.Series("target", np.asarray(spec.classes, dtype=object)[values].tolist())]
    if len(spec.target_names) == 1:
        return [pl.Series("target", values[:, 0])]
    return [pl.Series(f"target/{name}", values[:, t]) for t, name in enumerate(spec.target_names)]


def check_ending(out: Path) -> None:
    """Refuse a file that :func:`write_frame` cannot write, before anything is computed for it.

    Raises:
        ConfigError: the ending is none of the known ones.
    """
    if out.suffix not in ENDINGS:
        raise ConfigError(f"out='{out}': unknown ending '{out.suffix}'; use .csv, .parquet, .jsonl or .arrow")


def write_frame(frame: pl.DataFrame, out: Path) -> None:
    """Write a table by the ending of its name: ``.csv``, ``.parquet``, ``.jsonl`` or ``.arrow``.

    In CSV, text that begins with ``= + - @`` is prefixed with an apostrophe: spreadsheets would run it as a formula.
    """
    check_ending(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    match out.suffix:
        case ".csv":
            text = pl.selectors.string()
            risky = text.str.contains(r"^[=+\-@]")
            frame.with_columns(pl.when(risky).then("'" + text).otherwise(text).name.keep()).write_csv(out)
        case ".parquet":
            frame.write_parquet(out)
        case ".jsonl":
            frame.write_ndjson(out)
        case ".arrow":
            frame.write_ipc(out)
        case _:
            raise AssertionError(f"check_ending lets {out.suffix} pass")
