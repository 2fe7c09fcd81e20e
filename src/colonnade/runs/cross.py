"""Cross-validation: a run folder that holds a run for each fold, and predicts by the mean of their models.

A fold is a run whose configuration says so: its ``split`` is a :class:`~colonnade.data.split.Fold`. So each resumes,
predicts and can be looked at like any other; figures are drawn of the whole.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import DictConfig, open_dict

from colonnade.config.build import build
from colonnade.config.copied import copied
from colonnade.core.errors import ColonnadeError, ConfigError
from colonnade.core.files import finite, write_atomic
from colonnade.data.datamodule import log as data_log
from colonnade.report.crossval import LEVEL, METHOD, spread_of
from colonnade.runs.assemble import AUTO, dataset_of, with_task
from colonnade.runs.crossed import write_predictions
from colonnade.runs.fit import blank, check_origin, fit_in, record
from colonnade.runs.folder import METRICS, PRUNE, RunFolder
from colonnade.runs.forecast_tables import join_tables
from colonnade.runs.launch import is_worker, processes
from colonnade.runs.load import gather, load, write_ensemble
from colonnade.tasks.combine import WeightedMean

if TYPE_CHECKING:
    from colonnade.data.split import CrossValidator
    from colonnade.data.split.record import Division
    from colonnade.data.table import Table

log = logging.getLogger(__name__)

FOLDS = "folds"


def cross_validate(
    cfg: DictConfig, folder: RunFolder, frame: Any = None, table: Table | None = None, *, shown: bool = True
) -> dict[str, Any]:
    """Train all folds that are not finished, one after the other or as a pack, and measure.

    The data are read once; each fold fits its own pipeline on its own train rows.

    Args:
        cfg: the configuration, with ``cv``.
        folder: the run folder, held by this process.
        frame, table, shown: see :func:`~colonnade.runs.fit.fit_in`.

    Returns:
        The content of ``result.json``. ``metrics.val`` are means over the folds, of rows that the models never saw;
        ``metrics.test`` are those of the mean of all models on the rows held out from all folds; ``cv`` tells the rest.

    Raises:
        ConfigError: ``cv`` makes no folds; it was started by torchrun, or would have to hand a frame to processes.
        ColonnadeError: from a fold.
    """
    if is_worker():
        raise ConfigError("cv: not under torchrun; with trainer=ddp each fold starts its own processes")
    if frame is not None and processes(cfg) > 1:
        raise ConfigError("trainer.devices asks for several processes, which read files: write the frame to one")
    # Its folds have their own.
    with suppress(OSError):
        folder.checkpoints.rmdir()
    table = dataset_of(cfg, frame).read() if table is None else table
    concrete = with_task(cfg, table) if cfg.task.name == AUTO else cfg
    check_origin(table, folder)
    record(cfg, concrete, folder, table, table.notes)
    cross, folds, splits = divide(concrete, table)
    places = [RunFolder(folder / FOLDS / str(i)) for i in range(len(folds))]
    with _told_once(table.notes):
        if cross.packed:
            _train_packed(folds, places, table)
        results: list[dict[str, Any]] = []
        for i, (fold, place) in enumerate(zip(folds, places)):
            if not place.finished:
                how = splits[i].how.partition(", ")[2]
                log.info("training %d of %d (%s/%d): %s", i + 1, len(folds), FOLDS, i, how)
            try:
                result = fit_in(fold, place, table=table, shown=False)
            except ColonnadeError:
                log.error("training %d of %d ('%s') failed", i + 1, len(folds), place.path)
                raise
            results.append(finite(result))
            _note(folder / METRICS, results)
            if (folder / PRUNE).exists() and len(results) < len(folds):
                return _given_up(concrete, folder, results)
    members = [f"{FOLDS}/{i}" for i in range(len(folds))]
    loaded = [load(folder / member) for member in members]
    combiner = WeightedMean(loaded[0].spec.target_kind, torch.ones(len(loaded)))
    write_ensemble(folder.path, [{"folder": member} for member in members], "mean", combiner)
    bag = gather(concrete, loaded, combiner, members)
    held = cross.held(bag.dataset, table, bag.task.target_kind, build(concrete.split), concrete.seed)
    tested = write_predictions(folder, cross, members, bag, table, held)
    told = _told(cross, splits, results, members)
    join_tables([folder / member for member in members], folder.path)
    result = {
        "status": "finished",
        "task": concrete.task.name,
        "monitor": results[0]["monitor"],
        "mode": results[0]["mode"],
        "metrics": {"val": told["mean"], "test": tested},
        "seconds": _seconds(results),
        "epochs": round(fmean(result["epochs"] for result in results)),
        "parameters": sum(result["parameters"] for result in results),
        "checkpoint": None,
        "overrides": list(cfg.get("overrides", [])),
        "error": None,
        "cv": {**told, "held_out": len(held)},
    }
    folder.finish(result)
    if shown:
        _show(result, folder.path)
    return result


def divide(cfg: DictConfig, table: Table) -> tuple[CrossValidator, list[DictConfig], list[Division]]:
    """The folds as configurations, and how they divide the data: what is wrong with one is told before the first is
    trained.

    Args:
        cfg: with ``cv``, its task concrete.
        table: the data.

    Raises:
        ConfigError: ``cv`` makes no folds.
        DataError: the rows cannot be divided so.
    """
    from colonnade.data.split import CrossValidator
    from colonnade.data.target import check_target

    cross = build(cfg.cv)
    if not isinstance(cross, CrossValidator):
        raise ConfigError(f"cv: {type(cross).__name__} makes no folds; colonnade.data.split.Folds or TimeFolds")
    kind = build(cfg.task).target_kind
    if cfg.data.get("horizon") is None:
        learned = build(cfg.data).learned(table)
        check_target(learned.frame, learned.schema, kind, row_ids=learned.row_ids)
    folds = [fold_config(cfg, cross, i) for i in range(len(cross))]
    return cross, folds, [build(fold.split).divided(table, kind, fold.seed) for fold in folds]


def fold_config(cfg: DictConfig, cross: CrossValidator, fold: int) -> DictConfig:
    """The configuration of the training that leaves a fold out; each repeat has initial weights of its own."""
    cfg = copied(cfg)
    with open_dict(cfg):
        cfg.overwrite, cfg.run_dir = False, None
        cfg.split = {
            "_target_": cross.of_fold,
            "cross": cfg.cv,
            "base": cfg.split,
            "fold": fold,
            "seed": cfg.seed,
        }
        # How it is trained is not what it is: a fold that was begun in a pack may go on by itself.
        cfg.split.cross.pop("packed", None)
        cfg.seed = cfg.seed + fold // cross.folds
        cfg.cv = cfg.cv.get("inner")
    return cfg


@contextmanager
def _told_once(notes: Sequence[str]) -> Iterator[None]:
    """What reading said of the table is said by the first fold, not by each."""
    said: set[str] = set()

    def unsaid(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        known = text in said
        said.update({text} & {*notes})
        return not known

    data_log.addFilter(unsaid)
    try:
        yield
    finally:
        data_log.removeFilter(unsaid)


def _train_packed(folds: Sequence[DictConfig], places: Sequence[RunFolder], table: Table) -> None:
    """Train the folds side by side; where that is impossible nothing is done but telling why."""
    from colonnade.runs.packed import pack_in, unpackable

    # Folds differ in what they leave out alone.
    why = list(unpackable(folds[0]))
    if why:
        log.warning("cv.packed: not in a pack: %s", "; ".join(why))
        return
    log.info("training %d folds side by side", len(folds))
    try:
        pack_in(folds, places, table)
    except ColonnadeError:
        failed = [place.path for place in places if (place.result or {}).get("status") == "failed"]
        log.error("training of %s failed; the other folds are kept", ", ".join(f"'{path}'" for path in failed))
        raise


def _given_up(cfg: DictConfig, folder: RunFolder, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The result of a cross-validation that its search gave up: the means so far."""
    result = {
        **blank(cfg),
        "status": "pruned",
        "metrics": {"val": _means([result["metrics"]["test"] for result in results])},
        "seconds": _seconds(results),
        "epochs": len(results),
    }
    folder.finish(result)
    log.info("pruned after %d folds", len(results))
    return result


def _seconds(results: Sequence[Mapping[str, Any]]) -> float:
    return round(sum(result["seconds"] for result in results), 3)


def _note(path: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """A line for each fold with the means up to it, for those who watch or prune."""
    lines = []
    for i in range(len(results)):
        means = _means([result["metrics"]["test"] for result in results[: i + 1]])
        told = {f"val/{name}": value for name, value in means.items() if math.isfinite(value)}
        lines.append(json.dumps({"epoch": i, "step": i + 1, **told}))
    write_atomic(path, "\n".join(lines) + "\n")


def _means(measured: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """The mean of each metric; NaN where it is undefined in a fold."""
    return {name: fmean(_values(measured, name)) for name in measured[0]}


def _values(measured: Sequence[Mapping[str, float | None]], name: str) -> list[float]:
    values = [fold.get(name) for fold in measured]
    return [math.nan if value is None else value for value in values]


def _told(
    cross: CrossValidator, splits: Sequence[Division], results: Sequence[Mapping[str, Any]], members: Sequence[str]
) -> dict[str, Any]:
    """The ``cv`` of ``result.json``."""
    counts = [{"fold" if part == "test" else part: n for part, n in s.counts().items()} for s in splits]
    ratio = fmean(count["fold"] / (count["train"] + count["val"]) for count in counts)
    measured = [result["metrics"]["test"] for result in results]
    spreads = {name: asdict(spread_of(_values(measured, name), ratio)) for name in measured[0]}
    mean, std, low, high = ({name: s[key] for name, s in spreads.items()} for key in ("mean", "std", "low", "high"))
    return {
        "n": len(members),
        "how": splits[0].how.partition(", ")[2],
        "folds": cross.folds,
        "repeats": cross.repeats,
        "inner": cross.inner is not None,
        "mean": mean,
        "std": std,
        "interval": {"method": METHOD, "level": LEVEL, "low": low, "high": high},
        "trainings": [
            {"folder": member, "rows": count, "metrics": result["metrics"]}
            for member, count, result in zip(members, counts, results)
        ],
    }


def _show(result: Mapping[str, Any], folder: Path) -> None:
    """Print the table, and where to look further."""
    from rich.console import Console

    from colonnade.report.crossval import folds_table
    from colonnade.report.table import duration

    console = Console()
    console.print(folds_table(result))
    lines = {
        "time": duration(result["seconds"]),
        "parameters": f"{result['parameters']:,} in {result['cv']['n']} models",
        "run folder": os.path.relpath(folder),
    }
    width = max(map(len, lines))
    for name, text in lines.items():
        console.print(f"{name.rjust(width)}  {text}", crop=False, soft_wrap=True, markup=False, highlight=False)
