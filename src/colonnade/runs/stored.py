"""Stored predictions: ``predictions.parquet`` of a run, as the tensors that it was made of."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from colonnade.core.errors import RunFolderError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.runs.paired import PREDICTIONS
from colonnade.runs.predictions import WEIGHT


def read_rows(folder: Path, part: str) -> pl.DataFrame:
    """The rows of a part, ``val`` or ``test``, in the order of their ids.

    Raises:
        RunFolderError: the file is missing or damaged, or holds a row twice.
    """
    path = folder / PREDICTIONS
    if not path.exists():
        raise RunFolderError(f"'{folder}' has no {PREDICTIONS}")
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise RunFolderError(f"'{path}' is damaged: {error}") from error
    frame = frame.filter(pl.col("split") == part).sort("row_id")
    if frame["row_id"].is_duplicated().any():
        raise RunFolderError(f"'{path}' holds {part} rows with the same id, which cannot be told apart")
    return frame


def prediction_of(frame: pl.DataFrame, spec: BatchSpec) -> dict[str, Tensor]:
    """What :func:`~colonnade.runs.predictions.to_frame` was given, without labels.

    Args:
        frame: stored predictions.
        spec: names of targets and classes.
    """
    told: dict[str, Tensor] = {}
    if spec.target_kind != TargetKind.REAL:
        names = spec.classes or spec.target_names
        told = {"probability": _tensor(frame, [f"probability/{name}" for name in names])}
    if spec.target_kind not in (TargetKind.REAL, TargetKind.EVENT):
        return told
    real = spec.target_names[1:] if spec.target_kind == TargetKind.EVENT else spec.target_names
    suffixes = [f"/{name}" for name in real] if len(spec.target_names) > 1 else [""]
    found = {**told, "value": _tensor(frame, [f"prediction{suffix}" for suffix in suffixes])}
    n = sum(name.startswith(f"quantile{suffixes[0]}/") for name in frame.columns)
    if n:
        levels = [_tensor(frame, [f"quantile{suffix}/{q}" for q in range(n)]) for suffix in suffixes]
        found["quantile"] = torch.stack(levels, dim=1)
    return found


def truth_of(frame: pl.DataFrame, spec: BatchSpec) -> Tensor:
    """Class indices ``(N,)``, labels ``(N, L)``, values ``(N, T)`` float64, or type and time ``(N, 2)``, as
    ``Task.truth`` gives them."""
    names = ["target"] if len(spec.target_names) == 1 else [f"target/{name}" for name in spec.target_names]
    if spec.target_kind == TargetKind.CLASS:
        index = {label: i for i, label in enumerate(spec.classes)}
        return torch.from_numpy(frame["target"].replace_strict(index, return_dtype=pl.Int64).to_numpy().copy())
    if spec.target_kind == TargetKind.EVENT:
        index = {label: i for i, label in enumerate(spec.classes)}
        kinds = pl.col(names[0]).replace_strict(index, return_dtype=pl.Float64)
        return _tensor(frame.with_columns(kinds), names).to(torch.float64)
    dtype = torch.float64 if spec.target_kind == TargetKind.REAL else torch.int64
    return _tensor(frame, names).to(dtype)


def weight_of(frame: pl.DataFrame) -> Tensor | None:
    """Sample weights ``(N,)``; None where the run had none."""
    return _tensor(frame, [WEIGHT])[:, 0] if WEIGHT in frame.columns else None


def _tensor(frame: pl.DataFrame, names: list[str]) -> Tensor:
    return torch.from_numpy(frame.select(names).to_numpy(writable=True).copy())
