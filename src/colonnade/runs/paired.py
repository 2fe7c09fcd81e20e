"""Paired: the stored predictions of two runs for the same test rows, compared row by row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from colonnade.core.errors import RunFolderError
from colonnade.report.significance import Comparison, compare_labels, compare_losses
from colonnade.runs.folder import MANIFEST, RunFolder

PREDICTIONS = "predictions.parquet"
ROWS = "test"
SQUARED = ("rmse", "mse", "r2")
MULTILABEL = "multilabel"
FORECASTS = ("forecast", "forecast_quantile", "forecast_distribution")


class Unpaired(Exception):
    """Why two runs cannot be compared row by row; a reason to tell, not an error."""


@dataclass(frozen=True)
class Predictions:
    """What a run predicted for its test rows.

    Args:
        name: the run folder.
        task: name of the task.
        frame: ``predictions.parquet``, its test rows, in the order of their ids.
    """

    name: str
    task: str
    frame: pl.DataFrame

    @property
    def targets(self) -> dict[str, tuple[str, str]]:
        """By target the columns of truth and prediction."""
        found = {}
        for truth in self.frame.columns:
            if truth == "target" or truth.startswith("target/"):
                target = truth.partition("/")[2]
                found[target] = (truth, self._predicted(target))
        return found

    def _predicted(self, target: str) -> str:
        """The column that predicts a target; of several labels it is named after the label."""
        named = f"prediction/{target}"
        if named in self.frame.columns or not target:
            return named if target else self._only()
        return target

    def _only(self) -> str:
        """The column of the only target; that of an only label stands before its probability."""
        if self.task != MULTILABEL:
            return "prediction"
        probability = next(name for name in self.frame.columns if name.startswith("probability/"))
        label = probability.partition("/")[2]
        return f"prediction/{label}" if f"prediction/{label}" in self.frame.columns else label


def read_predictions(folder: Path | str) -> Predictions:
    """The test rows of a finished run.

    Raises:
        Unpaired: there is no such file, it is damaged, or it has no test rows.
    """
    run = RunFolder(folder)
    if not (run / PREDICTIONS).exists():
        raise Unpaired(f"'{folder}' has no {PREDICTIONS}")
    try:
        if (run / MANIFEST).exists():
            run.verify(PREDICTIONS)
        frame = pl.read_parquet(run / PREDICTIONS)
    except (RunFolderError, pl.exceptions.PolarsError, OSError) as error:
        raise Unpaired(str(error)) from error
    frame = frame.filter(pl.col("split") == ROWS).sort("row_id")
    if frame.is_empty():
        raise Unpaired(f"'{folder}' has no {ROWS} rows")
    if frame["row_id"].is_duplicated().any():
        raise Unpaired(f"'{folder}' has {ROWS} rows with the same id, which cannot be paired")
    return Predictions(str(folder), str((run.result or {}).get("task")), frame)


def paired(run: Predictions, best: Predictions, monitor: str) -> tuple[Comparison, str]:
    """Compare a run with the best one.

    Args:
        run, best: what they predicted.
        monitor: what the runs are ranked by; it decides between squared and absolute errors.

    Returns:
        The comparison, and in words what was compared on which rows.

    Raises:
        Unpaired: the two have other rows, or another truth for them.
    """
    _check_rows(run, best)
    rows = f"{run.frame.height:,} {ROWS} rows"
    if any(name.startswith("probability/") for name in run.frame.columns) and run.task != MULTILABEL:
        # Of events, the type.
        truth, prediction = next(iter(run.targets.values()))
        wrong, other = (_differs(p.frame, truth, prediction) for p in (run, best))
        found = compare_labels(wrong, other)
        return found, f"share of wrong labels, {rows}, {found.test}"
    if run.task == MULTILABEL:
        mine, others = (np.mean([_differs(p.frame, *pair) for pair in p.targets.values()], axis=0) for p in (run, best))
        found = compare_losses(mine, others)
        return found, f"share of wrong labels of a row, {rows}, {found.test}"
    squared = monitor.partition("/")[2].partition("/")[0] in SQUARED
    mine, others = (_errors(p, squared) for p in (run, best))
    block = _sharing(run) if run.task in FORECASTS else None
    if block is not None:
        rows = f"{run.frame.height:,} {ROWS} windows in {block[-1] + 1:,} blocks of those that share steps"
    found = compare_losses(mine, others, block=block)
    kind = "squared" if squared else "absolute"
    scaled = "" if len(run.targets) == 1 else ", each target in units of its spread"
    return found, f"mean {kind} error{scaled}, {rows}, {found.test}"


def _check_rows(run: Predictions, best: Predictions) -> None:
    mine, others = run.frame["row_id"], best.frame["row_id"]
    if not mine.equals(others, check_names=False):
        shared = mine.is_in(others.implode()).sum()
        raise Unpaired(
            f"of its {len(mine):,} {ROWS} rows {shared:,} are among the {len(others):,} of '{best.name}' (runs "
            "with one seed= or split.seed=, or with an official or predefined split, have the same)"
        )
    if run.targets.keys() != best.targets.keys():
        raise Unpaired(f"its targets are not those of '{best.name}'")
    for truth, _ in run.targets.values():
        a, b = run.frame[truth], best.frame[truth]
        # Truth passes through the scale of the target, which rounds.
        floats = a.dtype.is_float() and b.dtype.is_float()
        same = (
            np.allclose(a.to_numpy(), b.to_numpy(), rtol=1e-5, equal_nan=True)
            if floats
            else a.equals(b, check_names=False)
        )
        if not same:
            raise Unpaired(f"the same {ROWS} rows have another truth than in '{best.name}': the data changed")


def _sharing(run: Predictions) -> np.ndarray:
    """For each window of a forecast the block, from 0, of windows that share steps with its first one."""
    horizon = max(int(name.rpartition("+")[2]) for name in run.targets)
    codes, begin = [-1], -horizon
    for origin in run.frame["row_id"].to_list():
        new = origin >= begin + horizon
        begin = origin if new else begin
        codes.append(codes[-1] + new)
    return np.array(codes[1:])


def _differs(frame: pl.DataFrame, truth: str, prediction: str) -> np.ndarray:
    return (frame[truth] != frame[prediction]).to_numpy()


def _errors(run: Predictions, squared: bool) -> np.ndarray:
    """Error of each row, averaged over the targets; several targets are each divided by their spread."""
    errors = []
    for truth, prediction in run.targets.values():
        values = run.frame[truth].to_numpy().astype(np.float64)
        # Of forecasts, values may be missing: they count for nothing.
        spread = np.nanstd(values) if len(run.targets) > 1 and np.nanstd(values) > 0 else 1.0
        error = np.abs(run.frame[prediction].to_numpy().astype(np.float64) - values) / spread
        errors.append(error**2 if squared else error)
    found: np.ndarray = np.nanmean(errors, axis=0)
    return found
