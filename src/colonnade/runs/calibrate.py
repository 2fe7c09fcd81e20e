"""Calibrate: a finished run as a new one, whose probabilities are calibrated on rows that no model learned from."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from omegaconf import DictConfig, OmegaConf, open_dict

from colonnade.config.record import config_hash, redact
from colonnade.core.errors import ConfigError
from colonnade.core.files import sha256
from colonnade.data.store import sample_weight
from colonnade.evaluation.options import Calibration
from colonnade.runs.calibrated import FITTED_ON, Calibrated, Scored, calibrates
from colonnade.runs.ensemble import copy_files
from colonnade.runs.folder import MANIFEST, RunFolder
from colonnade.runs.illustrate import write_figures
from colonnade.runs.load import Loaded, load
from colonnade.runs.paired import PREDICTIONS
from colonnade.runs.predict import report_unknown, row_ids
from colonnade.runs.predictions import to_frame
from colonnade.runs.stored import prediction_of, read_rows, truth_of, weight_of

log = logging.getLogger(__name__)

RECORD = "_calibrate"
PARTS = ("val", "test")
SPLIT = "split.json"


def calibrate(
    run: Path | str,
    out: Path | str,
    *,
    calibration: Calibration | None = None,
    data: Any = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Make a calibrated run of a finished one, which stays as it is.

    Neither the data nor a training is needed: what the run predicted is stored. What prediction takes is copied, so the
    new folder stands for itself.

    Args:
        run: folder of a finished run: a network, a baseline, a cross-validation (calibrated on its rows out of fold),
            an ensemble.
        out: the new run folder.
        calibration: how; None: as :class:`~colonnade.evaluation.options.Calibration` has it.
        data: labelled rows to calibrate on instead of the validation rows: path of a file, or a polars or pandas frame.
        overwrite: replace what ``out`` holds.

    Returns:
        The content of ``result.json``. Unless ``data`` is given, the metrics of its validation rows are those that the
        calibration was fitted to.

    Raises:
        ConfigError: the run predicts no probabilities, is calibrated already, or has no validation rows.
        RunFolderError: the folder holds no finished run, or ``out`` holds another one.
        SchemaError, DataError: see :func:`~colonnade.runs.evaluate.evaluate`, of ``data``.
    """
    start = time.monotonic()
    source, folder = RunFolder(run), RunFolder(out)
    loaded, options = load(run), calibration or Calibration()
    if calibrates(loaded.cfg):
        raise ConfigError(f"run='{run}' is calibrated already: calibrate the run that it was made of")
    options.check(loaded.task)
    if source.path.resolve().is_relative_to(folder.path.resolve()):
        raise ConfigError(f"out='{out}' holds the run itself; give another folder")
    given, digest = (None, "") if data is None else _scored(loaded, data)
    frames = {part: read_rows(source.path, part) for part in PARTS}
    if given is None and frames[FITTED_ON].is_empty():
        raise ConfigError(f"run='{run}' has no validation rows to calibrate on: data.path=<labelled rows>")
    cfg = _configuration(loaded.cfg, options, {"run": sha256(source / MANIFEST), "data": digest})
    with folder.locked():
        folder.claim(config_hash(cfg), overwrite=overwrite)
        if folder.finished:
            log.warning("'%s' is finished: nothing to do (overwrite=true makes it again)", folder.path)
            return folder.result or {}
        folder.checkpoints.rmdir()
        copy_files(source, folder)
        if (source / SPLIT).exists():
            shutil.copyfile(source / SPLIT, folder / SPLIT)
        state = {key: value for key, value in (source.state or {}).items() if key != "config_hash"}
        folder.record(config_hash(cfg), OmegaConf.to_yaml(redact(cfg)), state)
        calibrated = Calibrated(options, loaded.spec)
        stored = {part: _stored(frame, loaded) for part, frame in frames.items() if not frame.is_empty()}
        calibrated.fit(stored[FITTED_ON] if given is None else given)
        metrics = _measured(folder, loaded, calibrated, frames, stored)
        calibrated.write(folder.path, FITTED_ON if given is None else "data")
        _draw(calibrated, folder.path)
        result = _result(source.result or {}, metrics, round(time.monotonic() - start, 3), os.path.relpath(run, out))
        folder.finish(result)
    return result


def _scored(loaded: Loaded, data: Any) -> tuple[Scored, str]:
    """Predictions of labelled rows, and the SHA-256 of these."""
    table = loaded.dataset.read_new(data, loaded.schema, need_target=True)
    report_unknown(loaded, table)
    ids, name = row_ids(table), loaded.schema.weight
    where = f"rows of {table.origin[0]['file']}"
    target = loaded.coder.encode(table.frame, row_ids=ids, where=where, new=True)
    weight = None if name is None else sample_weight(table.frame, name, row_ids=ids)
    scored = Scored(loaded.predict(table), loaded.task.truth(target), weight)
    return scored, str(table.origin[0]["sha256"])


def _stored(frame: pl.DataFrame, loaded: Loaded) -> Scored:
    """Predictions that the run has stored."""
    return Scored(prediction_of(frame, loaded.spec), truth_of(frame, loaded.spec), weight_of(frame))


def _configuration(stored: DictConfig, options: Calibration, record: Mapping[str, str]) -> DictConfig:
    """That of the run, calibrated; what it was made of counts."""
    cfg = stored.copy()
    with open_dict(cfg):
        cfg.calibration = {"_target_": f"{Calibration.__module__}.{Calibration.__qualname__}", **vars(options)}
        cfg[RECORD] = record
    return cfg


def _measured(
    folder: RunFolder,
    loaded: Loaded,
    calibrated: Calibrated,
    frames: Mapping[str, pl.DataFrame],
    stored: Mapping[str, Scored],
) -> dict[str, dict[str, float]]:
    """Write the calibrated predictions; their metrics."""
    metrics: dict[str, dict[str, float]] = {part: {} for part in PARTS}
    written = []
    for part, scored in stored.items():
        prediction = calibrated.apply(part, scored, drawn=True)
        metrics[part] = loaded.task.measured(prediction, scored.truth, scored.weight)
        frame = frames[part]
        new = to_frame(prediction, loaded.spec, frame["row_id"].to_numpy())
        written.append(frame.with_columns(new[name] for name in new.columns))
    pl.concat(written, how="diagonal").write_parquet(folder / PREDICTIONS)
    return metrics


def _draw(calibrated: Calibrated, folder: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "tensorboard")) as board:
        write_figures(calibrated.figures, folder, [board], 0)


def _result(before: Mapping[str, Any], metrics: Mapping[str, Any], seconds: float, run: str) -> dict[str, Any]:
    """The result of the run with the metrics of the calibrated predictions; what it told of its members is its own."""
    kept = {key: value for key, value in before.items() if key not in ("cv", "ensemble")}
    return {**kept, "metrics": metrics, "seconds": seconds, "checkpoint": None, "calibrated": {"run": run}}
