"""Anomalies: how unlike its forecast each step of a series is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from colonnade.core.errors import ConfigError, DataError
from colonnade.data.sequences.windowed import ahead
from colonnade.runs.load import Loaded, load
from colonnade.runs.paired import PREDICTIONS
from colonnade.runs.predict import report_unknown, row_ids
from colonnade.runs.predictions import check_out, with_key, write_frame

NORMAL = 1.4826
"""Standard deviations in a median absolute deviation of normal values."""


def anomalies(run: Path | str, data: Any, out: Path | str | None = None, *, alpha: float = 0.01) -> pl.DataFrame:
    """Score each step of series by its distance from what the run forecasts one step ahead.

    The score is the largest distance of a target, in robust standard deviations of the same distances on the validation
    windows of the run. Its p-value is the share of these that lie as far or farther: the conformal p-value of Laxhammar
    and Falkman (2010), ``(1 + #{validation >= score}) / (n + 1)``. It holds for steps that are exchangeable with those;
    where a model forecasts new data worse, more than ``alpha`` of the steps are told.

    Args:
        run: folder of a finished run that forecasts.
        data: path of a file, or a polars or pandas frame, with the columns of the training data, the target among them.
        out: where to write, by its ending; None: nowhere.
        alpha: the largest p-value of an anomaly.

    Returns:
        A row for each step that has ``data.context`` steps before it and ``data.horizon`` from it on: ``row_id``, its
        place in the series one after the other; the name of its series; ``target`` and ``prediction``; ``score``;
        ``p_value``; ``anomaly``. A missing target has no score.

    Raises:
        ConfigError: the run forecasts nothing, or ``alpha`` is no share, or less than its validation windows can say.
        SchemaError, DataError: see :func:`~colonnade.runs.evaluate.evaluate`.
    """
    if out is not None:
        check_out(Path(out))
    loaded = load(run)
    if loaded.spec.horizon is None:
        raise ConfigError(f"run='{run}' forecasts nothing (task={loaded.task.name}): an anomaly is unlike its forecast")
    known = _Distances.of(Path(run), loaded)
    n = len(known.scores)
    if not 1 / (n + 1) <= alpha < 1:
        least = f"{1 / (n + 1):.2g}, the least that {n:,} validation windows can say"
        raise ConfigError(f"alpha={alpha:g}: a share between {least}, and 1")
    table = loaded.dataset.read_new(data, loaded.schema, need_target=True)
    report_unknown(loaded, table)
    target = loaded.coder.encode(
        table.frame, row_ids=row_ids(table), where=f"rows of {table.origin[0]['file']}", new=True
    )
    n = len(known.scale)
    truth = loaded.task.truth(target).cpu().numpy()[:, :n]
    predicted = loaded.predict(table)["value"].cpu().numpy()[:, :n]
    frame = with_key(pl.DataFrame({"row_id": row_ids(table)}), table)
    names = [f"/{name}" for name in known.names] if len(known.names) > 1 else [""]
    for what, values in (("target", truth), ("prediction", predicted)):
        frame = frame.with_columns(
            pl.Series(f"{what}{name}", values[:, i], nan_to_null=True) for i, name in enumerate(names)
        )
    score = known.score(truth - predicted)
    p_value = known.p_value(score)
    frame = frame.with_columns(
        pl.Series("score", score, nan_to_null=True),
        pl.Series("p_value", p_value, nan_to_null=True),
        pl.Series("anomaly", p_value <= alpha),
    ).sort("row_id")
    if out is not None:
        write_frame(frame, Path(out))
    return frame


class _Distances:
    """Distances from the forecast one step ahead, on the validation windows of a run.

    Args:
        names: of the targets.
        errors: ``(N, C)``.
    """

    def __init__(self, names: tuple[str, ...], errors: np.ndarray) -> None:
        self.names = names
        self.scale = NORMAL * np.nanmedian(np.abs(errors - np.nanmedian(errors, axis=0)), axis=0)
        # A target that is forecast without error half of the time has the mean distance.
        flat = ~(self.scale > 0)
        self.scale[flat] = np.maximum(np.nanmean(np.abs(errors), axis=0), np.finfo(float).tiny)[flat]
        found = self.score(errors)
        self.scores = np.sort(found[~np.isnan(found)])

    @classmethod
    def of(cls, folder: Path, loaded: Loaded) -> _Distances:
        """From the predictions that a run has kept.

        Raises:
            DataError: there is none of the validation part.
        """
        names = tuple(name.removesuffix("+1") for name in loaded.spec.target_names if name.endswith("+1"))
        first = ahead(names, 1)
        path = folder / PREDICTIONS
        # Of a refit, which has seen all steps, there is none.
        frame = pl.read_parquet(path).filter(split="val") if path.exists() else pl.DataFrame()
        if not frame.height:
            raise DataError(f"run='{folder}' has no predictions of validation windows, by which a distance is judged")
        several = len(loaded.spec.target_names) > 1
        read = [[f"{what}/{name}" if several else what for name in first] for what in ("target", "prediction")]
        truth, predicted = (frame.select(columns).cast(pl.Float64).to_numpy() for columns in read)
        return cls(names, truth - predicted)

    def score(self, errors: np.ndarray) -> np.ndarray:
        """``(N,)``; NaN where all targets are missing."""
        far = np.abs(errors) / self.scale
        gone = np.isnan(far).all(axis=1)
        result: np.ndarray = np.where(gone, np.nan, np.nanmax(np.where(gone[:, None], 0.0, far), axis=1))
        return result

    def p_value(self, score: np.ndarray) -> np.ndarray:
        """``(N,)``; NaN where there is no score."""
        n = len(self.scores)
        as_far = n - np.searchsorted(self.scores, score, side="left")
        result: np.ndarray = np.where(np.isnan(score), np.nan, (1 + as_far) / (n + 1))
        return result
