"""Ensemble: finished runs as one run folder, which predicts and is measured like any other."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from omegaconf import DictConfig, OmegaConf

from colonnade.config.record import config_hash, stored_text
from colonnade.core.errors import ConfigError
from colonnade.core.files import sha256
from colonnade.runs.compare import read_runs, refuse_strangers
from colonnade.runs.environment import environment
from colonnade.runs.folder import MANIFEST, RESULT, STATE, RunFolder
from colonnade.runs.greedy import select
from colonnade.runs.illustrate import publish
from colonnade.runs.load import ENSEMBLE, Loaded, gather, load, members_of, needed, write_ensemble
from colonnade.runs.own_parts import SPLIT
from colonnade.runs.paired import PREDICTIONS
from colonnade.runs.pooled import Pooled
from colonnade.runs.predictions import to_frame
from colonnade.runs.stacking import fit_stacking
from colonnade.runs.trained import Trained
from colonnade.tasks.combine import Combiner, Stacking, WeightedMean, check_alike

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

METHODS = ("greedy", "mean", "stacking")
MEMBERS = "members"
RECORD = "_ensemble"


def ensemble(
    runs: Sequence[Path | str],
    out: Path | str,
    *,
    method: str = "greedy",
    rounds: int = 50,
    bags: int = 0,
    regularisation: float = 1.0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Make one run folder of several.

    The weights are found on the validation rows that all runs share, of a cross-validation the rows out of fold: no run
    learned from them. They are measured on the test rows, which must be the same in all runs. Neither the data nor a
    training is needed. What prediction takes is copied: the folder stands for itself.

    Args:
        runs: two or more finished run folders of the same data and target: networks, baselines, cross-validations,
            ensembles.
        out: the new run folder.
        method: ``greedy``: see :func:`~colonnade.runs.greedy.select`, by what the task monitors; ``mean``; or
            ``stacking``: see :func:`~colonnade.runs.stacking.fit_stacking`. Runs of weight zero are left out.
        rounds, bags: of ``greedy``.
        regularisation: of ``stacking``.
        overwrite: replace what ``out`` holds.

    Returns:
        The content of ``result.json``. The metrics of its validation rows are those that the weights were fitted to.

    Raises:
        ConfigError: an option out of range; or runs of other data, targets, classes or test rows, each named.
        RunFolderError: a folder holds no finished run, or ``out`` holds another one.
    """
    start = time.monotonic()
    _check(method, rounds, bags, regularisation)
    found = read_runs(runs)
    if len(found) < 2:
        raise ConfigError(f"runs: '{found[0].name}' is alone, an ensemble has two runs or more")
    refuse_strangers(found, "these runs make no ensemble")
    names = [run.name for run in found]
    loaded = [load(name) for name in names]
    check_alike([one.spec for one in loaded], names)
    options: dict[str, dict[str, float]] = {
        "greedy": {"rounds": rounds, "bags": bags},
        "stacking": {"regularisation": regularisation},
    }
    settings: dict[str, Any] = {"method": method, **options.get(method, {})}
    cfg = _configuration(loaded[0], found[0].folder, {**settings, "members": [_digest(name) for name in names]})
    folder = RunFolder(out)
    if any(Path(name).resolve().is_relative_to(folder.path.resolve()) for name in names):
        raise ConfigError(f"out='{out}' holds a run of the ensemble; give another folder")
    with folder.locked():
        folder.claim(config_hash(cfg), overwrite=overwrite)
        if folder.finished:
            log.warning("'%s' is finished: nothing to do (overwrite=true makes it again)", folder.path)
            return folder.result or {}
        folder.checkpoints.rmdir()
        val, test = (Pooled.read(part, found, loaded) for part in ("val", "test"))
        if val is None:
            raise ConfigError(
                "these runs share no validation rows, on which weights could be found; runs with the same seed= and "
                "split do, and every run does with a cross-validation of the same rows"
            )
        weights, combiner = _combined(method, val, rounds, bags, regularisation)
        kept = [i for i in range(len(names)) if weights is None or weights[i] > 0]
        whole = gather(cfg, [loaded[i] for i in kept], combiner, [names[i] for i in kept])
        state = {**environment(), "origin": (found[0].folder.state or {}).get("origin", []), "notes": []}
        folder.record(config_hash(cfg), stored_text(cfg), state)
        entries = []
        for place, i in enumerate(kept):
            copy_run(Path(names[i]), folder / MEMBERS / str(place))
            weight = {} if weights is None else {"weight": float(weights[i])}
            entries.append({"folder": f"{MEMBERS}/{place}", "run": os.path.relpath(names[i], out), **weight})
        write_ensemble(folder.path, entries, method, combiner)
        metrics = _measured(folder, whole, combiner, kept, val, test)
        result: dict[str, Any] = {
            "status": "finished",
            "task": whole.task.name,
            "monitor": whole.task.monitor,
            "mode": whole.task.mode,
            "metrics": metrics,
            "seconds": round(time.monotonic() - start, 3),
            "epochs": None,
            "parameters": sum((found[i].result or {}).get("parameters") or 0 for i in kept),
            "checkpoint": None,
            "overrides": [],
            "error": None,
            "ensemble": {
                **settings,
                "measure": val.key,
                "rows": {"val": len(val), "test": 0 if test is None else len(test)},
                "members": _told(names, weights, val, test),
                "command": _command(names, out, settings),
            },
        }
        folder.finish(result)
    return result


def copy_run(run: Path, to: Path) -> None:
    """Copy what a finished run is loaded from, its record and rows; not its checkpoints, predictions and figures."""
    source, copy = RunFolder(run), RunFolder(to)
    copy_files(source, copy)
    copy.write_manifest()
    shutil.copyfile(source / RESULT, copy / RESULT)


def copy_files(source: RunFolder, copy: RunFolder) -> None:
    """Copy what a finished run is loaded from, members included, its record, and which rows it has learned from."""
    for member in members_of(source) if (source / ENSEMBLE).exists() else ():
        copy_run(source / member, copy / member)
    copy.path.mkdir(parents=True, exist_ok=True)
    # A cross-validation and an ensemble have no rows of their own; their members have.
    rows = (SPLIT,) if (source / SPLIT).exists() else ()
    for name in (*needed(source), STATE, *rows):
        shutil.copyfile(source / name, copy / name)


def _check(method: str, rounds: int, bags: int, regularisation: float) -> None:
    if method not in METHODS:
        raise ConfigError(f"method={method}: one of {', '.join(METHODS)}")
    if rounds < 0 or bags < 0:
        raise ConfigError(f"rounds={rounds} and bags={bags} must be 0 or more")
    if not 0 < regularisation < float("inf"):
        raise ConfigError(f"regularisation={regularisation} must be above 0")


def _configuration(first: Loaded, folder: RunFolder, record: Mapping[str, Any]) -> DictConfig:
    """What the new folder says of itself: the data and the task of its runs, and what it was made of."""
    stored = first.cfg
    choices = {key: value for key, value in (stored.get("choices") or {}).items() if key in ("data", "task")}
    return OmegaConf.create(
        {
            "data": stored.data,
            "task": stored.task,
            "seed": stored.get("seed"),
            "choices": {**choices, "model": f"ensemble ({record['method']})"},
            "overrides": [],
            RECORD: record,
        }
    )


def _digest(name: str) -> str:
    return sha256(Path(name) / MANIFEST)


def _combined(
    method: str, val: Pooled, rounds: int, bags: int, regularisation: float
) -> tuple[np.ndarray | None, WeightedMean | Stacking]:
    """Weights of all runs (None where stacking has no such), and the combiner of those that count."""
    kind, n = val.spec.target_kind, len(val.predictions)
    if method == "stacking":
        stacking = fit_stacking(
            val.predictions,
            val.truth,
            val.weight,
            kind,
            classes=val.spec.classes,
            regularisation=regularisation,
        )
        return None, stacking
    weights = np.full(n, 1 / n) if method == "mean" else select(val.cost, n, rounds=rounds, bags=bags)
    return weights, WeightedMean(kind, torch.from_numpy(weights[weights > 0]))


def _measured(
    folder: RunFolder,
    whole: Loaded,
    combiner: Combiner,
    kept: Sequence[int],
    val: Pooled,
    test: Pooled | None,
) -> dict[str, dict[str, float]]:
    """Write predictions and figures; the metrics."""
    from colonnade.report.figures import draw

    metrics: dict[str, dict[str, float]] = {"val": {}, "test": {}}
    frames: list[pl.DataFrame] = []
    figures: dict[str, Figure] = {}
    for part, pooled in (("val", val), ("test", test)):
        if pooled is None:
            continue
        prediction = combiner([pooled.predictions[i] for i in kept])
        metrics[part] = whole.task.measured(prediction, pooled.truth, pooled.weight)
        frame = to_frame(prediction, whole.spec, pooled.row_id)
        frames.append(frame.with_columns(pl.lit(part).alias("split"), *pooled.columns))
        figures = draw(
            whole.task.name,
            prediction,
            pooled.truth,
            classes=whole.spec.classes,
            target_names=whole.spec.target_names,
            quantiles=whole.task.quantiles,
            rows=f"{part} rows",
        )
    pl.concat(frames, how="diagonal").write_parquet(folder / PREDICTIONS)
    publish(figures, Trained(epochs=0, parameters=0), folder.path)
    return metrics


def _told(names: Sequence[str], weights: np.ndarray | None, val: Pooled, test: Pooled | None) -> list[dict[str, Any]]:
    """Each run, what it weighs, and what it reaches by itself on the same rows."""
    told = []
    for i, name in enumerate(names):
        reached = {part: pooled.monitored(i) for part, pooled in (("val", val), ("test", test)) if pooled is not None}
        told.append({"run": name, "weight": None if weights is None else float(weights[i]), **reached})
    return told


def _command(names: Sequence[str], out: Path | str, settings: Mapping[str, Any]) -> str:
    words = [f"runs={','.join(names)}", *(f"{key}={value}" for key, value in settings.items()), f"out={out}"]
    return " ".join(["colonnade ensemble", *map(shlex.quote, words)])
