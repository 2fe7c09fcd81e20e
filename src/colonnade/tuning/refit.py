"""Refit: a configuration that was chosen by its validation rows, trained once more with these among its train rows."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from colonnade.config.baseline import fits_at_once
from colonnade.config.nodes import typed
from colonnade.config.record import load_config
from colonnade.config.rehearse import AFTER
from colonnade.config.reuse import reusable
from colonnade.core.errors import ConfigError, DataError, RunFolderError
from colonnade.core.files import sha256, write_json
from colonnade.data.sequences.horizon import Borders
from colonnade.data.split.record import PARTS
from colonnade.runs.fit import fit
from colonnade.runs.folder import CONFIG, METRICS, RESULT, RunFolder
from colonnade.runs.illustrate import best_epoch, epochs
from colonnade.runs.load import ENSEMBLE, members_of
from colonnade.tuning.queue import shown

log = logging.getLogger(__name__)

SPLIT = "split.json"
# Where a configuration says of which run it is a refit.
RECORD = "_refit"
FRAME = "<frame>"
# Callbacks, by class, that choose an epoch, stop early, or only advise.
CHOOSING = ("Best", "ModelCheckpoint", "EarlyStopping", "Timer", "BatchSizeFinder", "LearningRateFinder")
# Limits of Lightning's trainer that would come before the last epoch, or keep it from being the last.
LIMITS = ("min_epochs", "min_steps", "max_steps", "max_time")


def refit(run: Path, out: Path, words: Sequence[str] = (), frame: Any = None) -> dict[str, Any]:
    """Train the configuration of a finished run on its train and validation rows together.

    It is trained for as many epochs as the weights that were measured had seen (Goodfellow et al., "Deep Learning",
    2016, algorithm 7.2; scikit-learn's ``refit=True`` too trains what was chosen on all rows). Epochs are kept and not
    optimizer steps, of which an epoch now has more: a row is seen as often as before, and the schedule of the learning
    rate is at each epoch where it was. Nothing stops it early and no epoch is chosen, since no rows are left to choose
    by: the last weights are kept, or their average under ``module.ema``. The test rows are those of the run, and are
    measured.

    Series that are forecast are trained on to their last step, the test steps among them: these are the latest, and say
    most about what comes next. So nothing is measured, and nothing left to calibrate on. Their data may have grown
    since: ``data.path=`` names a later file of the same columns.

    Everything about it stands in its ``config.yaml``: the split is a :class:`~colonnade.data.split.Joined` (of
    forecasts a :class:`~colonnade.data.sequences.whole.Whole`), a
    :class:`~colonnade.training.callbacks.stop_after.StopAfter` among the callbacks tells the number of epochs, and
    ``_refit`` the run, so that the folder resumes, predicts and evaluates like any run.

    Args:
        run: folder of a finished run.
        out: run folder of the refit.
        words: ``key=value`` to change in the configuration, such as ``seed=1``, which leaves the split as it was.
        frame: the frame that the run was trained on, where it was one from Python.

    Returns:
        The content of ``result.json``, whose ``refit`` names the run, the epochs and the rows.

    Raises:
        RunFolderError: ``run`` holds no finished run; from :func:`~colonnade.runs.fit.fit`, ``out`` is occupied.
        ConfigError: see :func:`configuration`; ``out`` holds the run itself.
        DataError: the data are not those that the run was trained on.
    """
    run, out = run.resolve(), out.resolve()
    if run.is_relative_to(out):
        raise ConfigError(f"out: '{out}' holds the run that is trained again; give another folder")
    cfg = configuration(run, words)
    made_of = {"run": os.path.relpath(run, out), **cfg[RECORD]}
    with open_dict(cfg):
        cfg[RECORD] = made_of
        if cfg.data.get("path") == FRAME:
            cfg.data.path = None
    _check_data(cfg, run, frame)
    log.info("refit of '%s': %s", shown(run), _told(cfg))
    result = fit(cfg, out, frame)
    if result and "refit" not in result:
        result = {**result, "refit": OmegaConf.to_container(cfg[RECORD])}
        write_json(out / RESULT, result)
    return result


def configuration(run: Path, words: Sequence[str] = ()) -> DictConfig:
    """The configuration of the refit of a run.

    Args:
        run: folder of a finished run.
        words: see :func:`refit`.

    Raises:
        RunFolderError: the folder holds no finished run.
        ConfigError: a word is not understood, or changes the split; a secret has to be typed again; the run is itself
            a refit; its learning rate followed the validation metric.
    """
    folder = RunFolder(run)
    result = folder.result
    if result is None or not folder.finished:
        raise RunFolderError(f"'{run}' holds no finished run (no result.json with status 'finished')")
    if (run / ENSEMBLE).exists():
        raise ConfigError(
            f"'{run}' holds several models, a cross-validation or an ensemble, and a refit trains one: name one of its "
            f"members, such as run={run / members_of(folder)[0]}"
        )
    stored = load_config(run / CONFIG)
    if RECORD in stored:
        raise ConfigError(
            f"'{run}' is a refit: all that may be trained on is; refit the run that it was made of, "
            f"'{stored[RECORD].run}' from there"
        )
    cfg = reusable(stored, words)
    if cfg.split != stored.split:
        raise ConfigError(
            "split: a refit of forecasts trains on all steps"
            if forecasts(stored)
            else "split: a refit has the test rows of its run; to divide otherwise, train anew"
        )
    if cfg.optim.get("schedule") == "plateau":
        raise ConfigError(
            "optim.schedule=plateau follows the validation metric, and a refit has no validation rows: name another, "
            "such as optim.schedule=constant or cosine"
        )
    n_epochs = epochs_seen(run, result, stored.task.mode)
    most = cfg.trainer.get("max_epochs")
    if fits_at_once(stored):
        if "n_estimators" in typed(cfg.model):
            with open_dict(cfg):
                cfg.model.n_estimators = n_epochs
    elif most not in (None, -1) and most < n_epochs:
        raise ConfigError(
            f"trainer.max_epochs={most}: the refit takes {n_epochs} epochs, as many as the run until its best"
        )
    split, rows = _divided(stored, run)
    found = _found_rate(stored, run)
    with open_dict(cfg):
        cfg.split = split
        if found is not None and cfg.optim.lr == stored.optim.lr:
            cfg.optim.lr = found
        cfg.callbacks = {
            **{name: node for name, node in (cfg.callbacks or {}).items() if not _chooses(node)},
            "stop_after": {"_target_": "colonnade.training.callbacks.stop_after.StopAfter", "epochs": n_epochs},
        }
        for key in LIMITS:
            cfg.trainer.pop(key, None)
        for key in (key for key in AFTER if cfg.get(key) is not None):
            cfg[key] = None
            log.warning(
                "%s=none: a refit has no validation rows; afterwards, "
                "`colonnade calibrate run=<folder> out=<folder> data.path=<rows that it did not learn from>`",
                key,
            )
        # Lightning would look for rows to validate on, and warn.
        cfg.trainer.limit_val_batches = 0
        cfg[RECORD] = {"epochs": n_epochs, "rows": rows}
    return cfg


def _told(cfg: DictConfig) -> str:
    """What a refit is trained on, in words."""
    n_epochs, rows = cfg[RECORD]["epochs"], cfg[RECORD]["rows"]
    if forecasts(cfg):
        return (
            f"{n_epochs} epochs on all steps up to the last of each series, {rows['val'] + rows['test']:,} of them for "
            "validation and test before: nothing is left to measure it on, and what is known of its errors is what "
            "the run was measured at"
        )
    return f"{n_epochs} epochs on {rows['train'] + rows['val']:,} rows, {rows['val']:,} of them for validation before"


def forecasts(cfg: DictConfig) -> bool:
    """Whether a configuration forecasts series."""
    return cfg.data.get("horizon") is not None


def _divided(stored: DictConfig, run: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """How a refit divides the data of a run, and how many rows, of forecasts steps, the run had in each part."""
    if forecasts(stored):
        return {"_target_": "colonnade.data.sequences.whole.Whole"}, Borders.load(run / SPLIT).counts()
    split = json.loads((run / SPLIT).read_text(encoding="utf-8"))
    joined = {
        "_target_": "colonnade.data.split.Joined",
        "base": stored.split,
        "seed": stored.seed,
        "test_sha256": split["sha256"]["test"],
    }
    return joined, {part: split["counts"][part] for part in PARTS}


def epochs_seen(run: Path, result: Mapping[str, Any], mode: str) -> int:
    """Epochs that the weights of a finished run were trained for: the best ones, or the last where none were chosen.

    Args:
        run: its folder.
        result: its ``result.json``.
        mode: ``min`` or ``max``, whichever is good for what it monitors.
    """
    total = int(result["epochs"])
    if result["checkpoint"] is None:
        return total
    best = best_epoch(epochs(run / METRICS), result["monitor"], mode)
    if best is None:
        # Without the log of metrics the name of the checkpoint tells; of a metric that was never defined, the last one.
        named = re.search(r"epoch(\d+)", result["checkpoint"])
        best = total if named is None else int(named[1])
    return min(best + 1, total)


def _chooses(node: Any) -> bool:
    """Whether a callback has nothing to do where there are no validation rows, or must not do it."""
    if node is None:
        return False
    kind = str(node.get("_target_")).rpartition(".")[2]
    watches = str(node.get("monitor") or "").startswith("val/") and kind != "Progress"
    return kind in CHOOSING or watches


def _found_rate(stored: DictConfig, run: Path) -> float | None:
    """The learning rate that a range test found, if the run trained with it."""
    nodes = [node for node in (stored.callbacks or {}).values() if node is not None and node.get("apply")]
    path = run / "lr_find.json"
    if not path.exists() or not any(str(node.get("_target_")).endswith(".LearningRateFinder") for node in nodes):
        return None
    found = json.loads(path.read_text(encoding="utf-8"))["suggestion"]
    return None if found is None else float(found)


def _check_data(cfg: DictConfig, run: Path, frame: Any) -> None:
    """Refuse other data than the run was trained on, where that is told before they are read. Series that are forecast
    may have gone on: none of their steps is a test step.

    Raises:
        DataError: the file or the frame is another one, or a frame is not there.
    """
    from colonnade.data.sources.files import find
    from colonnade.data.sources.frame import Frame

    origin = (RunFolder(run).state or {}).get("origin") or [{}]
    framed, path = origin[0].get("file") == "frame", cfg.data.get("path")
    if framed and frame is None and path is None:
        raise DataError(f"'{run}' was trained on a frame from Python: data.path= names a file with the same rows")
    if forecasts(cfg) or framed != (frame is not None) or (path is None and frame is None):
        # A digest of another kind, or one that is known only when all is read.
        return
    now = sha256(find(path)) if frame is None else Frame(frame).origin[0]["sha256"]
    if origin[0].get("sha256", now) != now:
        name = "the frame" if path is None else f"data.path={path}"
        raise DataError(
            f"{name} is not what '{run}' was trained on (its SHA-256 differs), and the test rows would not be the "
            "same; train anew"
        )
