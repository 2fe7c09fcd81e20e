"""Calibrate: a finished run as a new one with what follows a decoder, fitted on rows that no model learned from."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from omegaconf import DictConfig, open_dict
from torch import Tensor, nn

from colonnade.config.copied import copied
from colonnade.config.record import config_hash, stored_text
from colonnade.core.errors import ConfigError
from colonnade.core.files import sha256
from colonnade.data.kept import draw_of
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.store import sample_weight
from colonnade.data.table import Table
from colonnade.evaluation.options import Calibration, Uncertainty
from colonnade.nn.network import Network
from colonnade.runs.calibrated import FITTED_ON, Calibrated, Scored, wanted
from colonnade.runs.ensemble import copy_files
from colonnade.runs.fitted import KEYS, calibrates
from colonnade.runs.folder import MANIFEST, RunFolder
from colonnade.runs.illustrate import write_figures
from colonnade.runs.load import Loaded, load
from colonnade.runs.own import own_table, rows_with
from colonnade.runs.paired import PREDICTIONS
from colonnade.runs.predict import report_unknown, row_ids
from colonnade.runs.predictions import to_frame
from colonnade.runs.stored import prediction_of, read_rows, truth_of, weight_of
from colonnade.tasks.combine import labelled
from colonnade.tasks.conformal import DRAW
from colonnade.tasks.disagreement import DISAGREEMENT, MemberCombiner, MemberDecoder
from colonnade.training.ensemble import EnsemblePredictor
from colonnade.training.predictor import Predictor

log = logging.getLogger(__name__)

RECORD = "_calibrate"
PARTS = ("val", "test")


def calibrate(
    run: Path | str,
    out: Path | str,
    *,
    calibration: Calibration | None = None,
    uncertainty: Uncertainty | None = None,
    data: Any = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Make a calibrated run of a finished one, which stays as it is.

    What the run predicted is stored, and what prediction takes is copied: as a rule not even the data are needed, and
    the new folder stands for itself. The data are read again for thresholds by group, for widths by
    window, for sets that are randomized, and for the disagreement of members.

    Args:
        run: folder of a finished run: a network, a baseline, a cross-validation (calibrated on its rows out of fold),
            an ensemble.
        out: the new run folder.
        calibration: how probabilities are calibrated; None: not, or, without ``uncertainty``, as
            :class:`~colonnade.evaluation.options.Calibration` has it.
        uncertainty: what is said beside a prediction; None: nothing.
        data: labelled rows to calibrate on instead of the validation rows: path of a file, or a polars or pandas frame.
        overwrite: replace what ``out`` holds.

    Returns:
        The content of ``result.json``. Unless ``data`` is given, the metrics of its validation rows are those that the
        calibration was fitted to.

    Raises:
        ConfigError: the task has no probabilities or intervals of the kind, the run is calibrated already, or has no
            validation rows.
        RunFolderError: the folder holds no finished run, or ``out`` holds another one.
        SchemaError: see :func:`~colonnade.runs.evaluate.evaluate`, of ``data``.
        DataError: the same; there are too few rows; or the data are needed and cannot be read, or have changed.
    """
    start = time.monotonic()
    source, folder, loaded = RunFolder(run), RunFolder(out), load(run)
    if calibrates(loaded.cfg):
        raise ConfigError(f"run='{run}' is calibrated already: calibrate the run that it was made of")
    if source.path.resolve().is_relative_to(folder.path.resolve()):
        raise ConfigError(f"out='{out}' holds the run itself; give another folder")
    calibration = Calibration() if calibration is None and uncertainty is None else calibration
    cfg = _configuration(loaded.cfg, calibration, uncertainty)
    # A refit of forecasts, which has seen all steps, has predicted none.
    measured = any((source.result or {})["metrics"].values())
    frames = {part: read_rows(source.path, part) if measured else pl.DataFrame() for part in PARTS}
    new = None if data is None else loaded.dataset.read_new(data, loaded.schema, need_target=True)
    rows = frames[FITTED_ON].height if new is None else len(new)
    if not rows:
        raise ConfigError(f"run='{run}' has no validation rows to calibrate on: data.path=<labelled rows>")
    calibrated = wanted(cfg, loaded.task, loaded.lookup, rows=rows, members=n_members(loaded.predictor))
    assert calibrated is not None
    digests = {"run": sha256(source / MANIFEST), "data": "" if new is None else str(new.origin[0]["sha256"])}
    with open_dict(cfg):
        cfg[RECORD] = digests
    with folder.locked():
        folder.claim(config_hash(cfg), overwrite=overwrite)
        if folder.finished:
            log.warning("'%s' is finished: nothing to do (overwrite=true makes it again)", folder.path)
            return folder.result or {}
        stored = _stored(source, loaded, calibrated, frames)
        calibrated.fit(stored[FITTED_ON] if new is None else _scored(loaded, calibrated, new))
        folder.checkpoints.rmdir()
        copy_files(source, folder)
        state = {key: value for key, value in (source.state or {}).items() if key != "config_hash"}
        folder.record(config_hash(cfg), stored_text(cfg), state)
        metrics = _measured(folder, loaded, calibrated, frames, stored)
        calibrated.write(folder.path, FITTED_ON if new is None else "data")
        _draw(calibrated, folder.path)
        result = _result(source.result or {}, metrics, round(time.monotonic() - start, 3), os.path.relpath(run, out))
        folder.finish(result)
    return result


def n_members(predictor: nn.Module) -> int:
    """Members of an ensemble, or within a network."""
    if isinstance(predictor, EnsemblePredictor):
        return len(predictor.members)
    assert isinstance(predictor, Predictor)
    return predictor.network.backbone.n_members if isinstance(predictor.network, Network) else 1


def _scored(loaded: Loaded, calibrated: Calibrated, table: Table) -> Scored:
    """Predictions of labelled rows."""
    report_unknown(loaded, table)
    ids, name = row_ids(table), loaded.schema.weight
    where = f"rows of {table.origin[0]['file']}"
    target = loaded.coder.encode(table.frame, row_ids=ids, where=where, new=True)
    weight = None if name is None else sample_weight(table.frame, name, row_ids=ids)
    codes, scale = _codes(loaded, calibrated, table), _scale(loaded, calibrated, table)
    prediction = loaded.predict(table) | _draw_of(loaded, calibrated, table)
    return Scored(prediction, loaded.task.truth(target), weight, codes, scale)


def _codes(loaded: Loaded, calibrated: Calibrated, table: Table) -> Tensor | None:
    """The group of each row."""
    return None if calibrated.groups is None else loaded.lookup(table.frame).cat[:, calibrated.groups.position]


def _draw_of(loaded: Loaded, calibrated: Calibrated, table: Table) -> dict[str, Tensor]:
    """What predictions have besides where sets are randomized."""
    if calibrated.drawn is None:
        return {}
    return {DRAW: draw_of(loaded.lookup(table.frame), loaded.lookup)}


def _scale(loaded: Loaded, calibrated: Calibrated, table: Table) -> Tensor | None:
    """By which the interval of each window is stretched."""
    if calibrated.scale is None:
        return None
    found: Tensor = calibrated.scale(loaded.dataset.raw(loaded.lookup, table.frame).num)
    return found


def _stored(
    source: RunFolder, loaded: Loaded, calibrated: Calibrated, frames: Mapping[str, pl.DataFrame]
) -> dict[str, Scored]:
    """Predictions that the run has stored, and what only its data tell."""
    found = {}
    table = None
    by_row = calibrated.groups is not None or calibrated.scale is not None or calibrated.drawn is not None
    if (by_row or calibrated.disagreement) and any(len(frame) for frame in frames.values()):
        without = "disagreement=false" if calibrated.scale is None else "scaling=none disagreement=false"
        words = "group=" if calibrated.drawn is None else "group= and randomized="
        table = own_table(source, loaded, f"leave {words} out, and say {without}")
    for part, frame in frames.items():
        if frame.is_empty():
            continue
        prediction = labelled(prediction_of(frame, loaded.spec), loaded.spec.target_kind)
        row_id = frame["row_id"].to_numpy()
        scored = Scored(prediction, truth_of(frame, loaded.spec), weight_of(frame), row_id=row_id)
        if table is not None:
            rows = _predicted(loaded, table, row_id)
            if calibrated.disagreement:
                scored.prediction[DISAGREEMENT] = telling(loaded).predict(rows)[DISAGREEMENT]
            scored.prediction.update(_draw_of(loaded, calibrated, rows))
            scored = replace(scored, codes=_codes(loaded, calibrated, rows), scale=_scale(loaded, calibrated, rows))
        found[part] = scored
    return found


def _predicted(loaded: Loaded, table: Table, row_id: np.ndarray) -> Table:
    """The rows that were predicted: of forecasts the windows, which begin at such steps."""
    if loaded.spec.horizon is None:
        return rows_with(table, row_id)
    assert isinstance(loaded.dataset, SequenceDataset)
    return loaded.dataset.windows_from(table, row_id)


def telling(loaded: Loaded) -> Loaded:
    """The run, which also tells how far its members are apart."""
    predictor = loaded.predictor
    if isinstance(predictor, EnsemblePredictor):
        members, combiner = [*predictor.members], MemberCombiner(predictor.combiner)
        return replace(loaded, predictor=EnsemblePredictor(members=members, combiner=combiner))
    assert isinstance(predictor, Predictor)
    decoder = MemberDecoder(predictor.decoder, loaded.task.target_kind)
    return replace(loaded, predictor=Predictor(pipeline=predictor.pipeline, network=predictor.network, decoder=decoder))


def _configuration(stored: DictConfig, calibration: Calibration | None, uncertainty: Uncertainty | None) -> DictConfig:
    """That of the run, calibrated."""
    cfg = copied(stored)
    with open_dict(cfg):
        for key, options in zip(KEYS, (calibration, uncertainty)):
            if options is not None:
                kind = type(options)
                cfg[key] = {"_target_": f"{kind.__module__}.{kind.__qualname__}", **vars(options)}
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
        prediction, further = calibrated.apply(part, scored, drawn=True)
        metrics[part] = loaded.task.measured(prediction, scored.truth, scored.weight) | further
        frame = frames[part]
        new = to_frame(prediction, loaded.spec, frame["row_id"].to_numpy())
        written.append(frame.with_columns(new[name] for name in new.columns))
    if written:
        pl.concat(written, how="diagonal").write_parquet(folder / PREDICTIONS)
    return metrics


def _draw(calibrated: Calibrated, folder: Path) -> None:
    if not calibrated.figures:
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "tensorboard")) as board:
        write_figures(calibrated.figures, folder, [board], 0)


def _result(before: Mapping[str, Any], metrics: Mapping[str, Any], seconds: float, run: str) -> dict[str, Any]:
    """The result of the run with the metrics of the calibrated predictions; what it told of its members is its own."""
    kept = {key: value for key, value in before.items() if key not in ("cv", "ensemble")}
    return {**kept, "metrics": metrics, "seconds": seconds, "checkpoint": None, "calibrated": {"run": run}}
