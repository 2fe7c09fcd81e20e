"""Fit: train one configuration into one run folder, measure it, and leave a record."""

from __future__ import annotations

import errno
import logging
import random
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from colonnade.config.baseline import fits_at_once
from colonnade.config.check import check
from colonnade.config.record import config_hash, stored_text
from colonnade.core.errors import ColonnadeError, ConfigError, RunFolderError, out_of_memory
from colonnade.core.garbage import seldom_collected
from colonnade.runs.assemble import Parts, assemble, check_devices
from colonnade.runs.environment import environment
from colonnade.runs.folder import METRICS, RunFolder
from colonnade.runs.illustrate import best_epoch, epochs
from colonnade.runs.launch import is_first, is_worker, launch, on_cluster, processes
from colonnade.runs.trained import Trained

if TYPE_CHECKING:
    from colonnade.data.table import Table

log = logging.getLogger(__name__)

# The disk is full, a quota is used up, or a file would pass the system's limit.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def fit(cfg: DictConfig, run_dir: Path | str, frame: Any = None) -> dict[str, Any]:
    """Train ``cfg`` in ``run_dir``; resume what is unfinished there; leave alone what is finished.

    Args:
        cfg: a composed configuration.
        run_dir: the run folder.
        frame: a polars or pandas frame to train on, instead of what ``data:`` would read.

    Returns:
        The content of ``result.json``.

    Raises:
        ConfigError: the configuration has faults; all are named, before any data is read.
        RunFolderError: the folder is locked, holds another configuration, or the disk is full.
        DataError, TrainingError: see their texts; ``result.json`` then says ``failed``.
    """
    if frame is not None:
        cfg = _framed(cfg)
    folder = RunFolder(run_dir)
    result = fit_in(cfg, folder, frame)
    if result.get("status") == "finished" and cfg.get("export") and is_first():
        from colonnade.runs.export import export_missing

        # What is trained stays trained, whatever becomes of its file.
        export_missing(cfg, folder, frame)
    if result.get("status") == "finished" and cfg.get("explain") and is_first():
        from colonnade.runs.explain import explain_missing

        explain_missing(cfg, folder, frame)
    return result


def fit_in(
    cfg: DictConfig, folder: RunFolder, frame: Any = None, table: Table | None = None, *, shown: bool = True
) -> dict[str, Any]:
    """What :func:`fit` does, of data that were read already and without a table of metrics if need be.

    Args:
        cfg: a composed configuration, of a frame if one is given.
        folder: the run folder.
        frame: see :func:`fit`.
        table: what ``data:`` gave; None: it is read.
        shown: whether the metrics are printed, and figures drawn.
    """
    if table is None:
        # A part of a training that was checked is not checked again.
        check(cfg)
    if not on_cluster(cfg):
        check_devices(cfg)
    if is_worker() and cfg.overwrite:
        # One process would empty the folder while another already looks for what to resume.
        raise ConfigError("overwrite=true: not under torchrun; remove the run folder first, or use trainer=ddp")
    with seldom_collected(), folder.locked() if is_first() else nullcontext():
        folder.claim(config_hash(cfg), overwrite=cfg.overwrite)
        if folder.pruned:
            log.warning("'%s' was pruned by its search: nothing to do (overwrite=true trains it again)", folder.path)
            return folder.result or {}
        if folder.finished:
            if shown:
                log.warning("'%s' is finished: nothing to do (overwrite=true trains it again)", folder.path)
            return folder.result or {}
        try:
            if cfg.get("cv") is not None:
                from colonnade.runs.cross import cross_validate

                return cross_validate(cfg, folder, frame, table, shown=shown)
            n = processes(cfg)
            if is_worker() or (n == 1 and not on_cluster(cfg)):
                return train(cfg, folder, frame, table, shown=shown)
            if frame is not None:
                raise ConfigError(f"trainer.devices asks for {n} processes, which read files: write the frame to one")
            launch(cfg, folder.path, n)
            return folder.result or {}
        except ColonnadeError as error:
            failed(cfg, folder, error)
            raise
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            fault = RunFolderError(
                f"cannot write to '{folder.path}': {error}; make room, and run the same command again to finish"
            )
            failed(cfg, folder, fault)
            raise fault from error
        except (RuntimeError, MemoryError) as error:
            full = out_of_memory(error)
            if full is None:
                raise
            failed(cfg, folder, full)
            raise full from error


def _framed(cfg: DictConfig) -> DictConfig:
    """The configuration that reads a frame from memory, which messages and the record call by this name."""
    named = [key for key in ("path", "files", "sql", "source") if cfg.data.get(key) is not None]
    if named:
        raise ConfigError(f"a frame is given, and data.{named[0]} too: data=table, without data.{named[0]}=")
    return OmegaConf.merge(cfg, {"data": {"path": "<frame>"}})  # type: ignore[return-value]


def failed(cfg: DictConfig, folder: RunFolder, error: ColonnadeError) -> None:
    """Write that the run failed; on a full disk this may fail too, and the error itself is what counts."""
    if not is_first():
        return
    with suppress(OSError):
        folder.finish({**blank(cfg), "status": "failed", "error": f"{type(error).__name__}: {error}"})


def blank(cfg: DictConfig) -> dict[str, Any]:
    """A result that says nothing yet."""
    return {
        "status": None,
        "task": cfg.task.get("name"),
        "monitor": cfg.task.get("monitor"),
        "mode": cfg.task.get("mode"),
        "metrics": {},
        "seconds": None,
        "epochs": None,
        "parameters": None,
        "checkpoint": None,
        "overrides": list(cfg.get("overrides", [])),
        "error": None,
    }


def _pruned(parts: Parts, folder: RunFolder, trained: Trained, seconds: float) -> dict[str, Any]:
    """The result of a training that its search gave up: what it had reached on the validation rows."""
    rows = epochs(folder / METRICS)
    best = best_epoch(rows, parts.task.monitor, parts.task.mode)
    reached = next((row for row in rows if row["epoch"] == best), {})
    return {
        **blank(parts.cfg),
        "status": "pruned",
        "metrics": {"val": {k.removeprefix("val/"): v for k, v in reached.items() if k.startswith("val/")}},
        "seconds": round(seconds, 3),
        "epochs": len(rows),
        "parameters": trained.parameters,
    }


def train(
    cfg: DictConfig, folder: RunFolder, frame: Any = None, table: Table | None = None, *, shown: bool = True
) -> dict[str, Any]:
    """Train in this process, which may be one of several; the first of them measures and writes.

    Args:
        cfg, folder, frame, table, shown: see :func:`fit_in`.

    Returns:
        The content of ``result.json``; empty in the other processes.
    """
    start = time.monotonic()
    prepare_process(cfg)
    parts = assemble(cfg, frame, table)
    recovery = begin(cfg, parts, folder)
    trained = _trained(parts, folder, recovery)
    if trained is None:
        return {}
    seconds = trained.seconds_before + time.monotonic() - start
    return conclude(parts, trained, folder, seconds=seconds, shown=shown)


def begin(cfg: DictConfig, parts: Parts, folder: RunFolder) -> Path | None:
    """Record what will be trained.

    Args:
        cfg: what the user asked for.
        parts: what was made of it.
        folder: the run folder.

    Returns:
        A checkpoint to go on from; None: there is none.
    """
    from colonnade.runs.calibrated import FITTED_ON, wanted
    from colonnade.runs.export import exports
    from colonnade.runs.forecasts import whole_of
    from colonnade.training.checkpoint_io import latest_recovery

    # What cannot be done afterwards is told now.
    rows = len(parts.datamodule.loader_for(FITTED_ON).store)
    calibrated = wanted(parts.cfg, parts.task, parts.datamodule.pipeline.lookup, rows=rows)
    if calibrated is not None:
        whole = whole_of(parts.datamodule, FITTED_ON)
        calibrated.check(rows if whole is None else len(whole), whole)
    for exporter in exports(cfg):
        exporter.check(parts.datamodule.pipeline.module)
    recovery = latest_recovery(folder.checkpoints)
    if recovery is not None:
        check_origin(parts.datamodule.table, folder)
        log.info("resuming from '%s'", recovery.name)
    if is_first():
        record(cfg, parts.cfg, folder, parts.datamodule.table, parts.datamodule.notes)
        parts.datamodule.save(folder.path)
    return recovery


def conclude(
    parts: Parts, trained: Trained, folder: RunFolder, *, seconds: float, shown: bool = True
) -> dict[str, Any]:
    """Measure what was trained, write the result, and show it.

    Args:
        parts: what was trained, its best weights in place.
        trained: what else came of it.
        folder: the run folder.
        seconds: duration of the training.
        shown: see :func:`fit_in`.

    Returns:
        The content of ``result.json``.
    """
    from colonnade.runs.pretrained import measure_pretrained
    from colonnade.runs.score import score
    from colonnade.runs.snapshots import write_snapshots

    if trained.pruned:
        result = _pruned(parts, folder, trained, seconds)
        folder.finish(result)
        log.info("pruned after %s epochs", result["epochs"])
        return result
    measure = measure_pretrained if parts.task.self_supervised else score
    result = measure(parts, trained, folder, seconds=seconds, drawn=shown)
    write_snapshots(parts, trained, folder, seconds)
    folder.finish(result)
    if shown:
        _show(result, parts, folder)
    return result


def _trained(parts: Parts, folder: RunFolder, recovery: Path | None) -> Trained | None:
    """The one place where networks and baselines part."""
    if fits_at_once(parts.cfg):
        from colonnade.runs.baseline import train_baseline

        return train_baseline(parts, folder)
    from colonnade.runs.network import train_network

    return train_network(parts, folder, recovery)


def prepare_process(cfg: DictConfig) -> None:
    """Threads and seeds of this process."""
    import numpy as np
    import torch

    if cfg.threads is not None:
        torch.set_num_threads(cfg.threads)
    torch.manual_seed(cfg.seed)
    np.random.seed(cfg.seed)
    random.seed(cfg.seed)


def _show(result: dict[str, Any], parts: Parts, folder: RunFolder) -> None:
    """Print the metrics, and where to look further."""
    from rich.console import Console

    from colonnade.report.table import summary

    events = folder / "tensorboard"
    best = best_epoch(epochs(folder / METRICS), parts.task.monitor, parts.task.mode)
    shown = events if events.exists() else None
    # Paths are to be copied from the screen: a line may be longer than the terminal is wide.
    Console().print(summary(result, folder=folder.path, best_epoch=best, tensorboard=shown), crop=False)


def check_origin(table: Table, folder: RunFolder) -> None:
    """Refuse to go on with other data: rows would have moved between the splits."""
    before = (folder.state or {}).get("origin", [])
    now = table.origin
    changed = [new["file"] for old, new in zip(before, now) if old["sha256"] != new["sha256"]]
    if changed:
        raise RunFolderError(
            f"'{folder.path}' cannot be resumed: {', '.join(changed)} changed since it began; overwrite=true starts "
            "over, another hydra.run.dir= leaves it alone"
        )


def record(cfg: DictConfig, concrete: DictConfig, folder: RunFolder, table: Table, notes: Sequence[str]) -> None:
    """Write the configuration, the environment and the doubts; the hash is that of what the user asked for.

    Args:
        cfg: what the user asked for.
        concrete: the same with its task found.
        folder: the run folder.
        table: the data.
        notes: doubts.
    """
    folder.record(
        folder.claimed or config_hash(cfg),
        # The folder may be moved: paths in its record begin where the record lies.
        stored_text(concrete, run_dir="."),
        {**environment(), "origin": table.origin, "notes": list(notes)},
    )
