"""Score: measure the best weights of a training on the validation and test rows, and write what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
from torch import Tensor

from colonnade.data.kept import Kept
from colonnade.runs.assemble import Parts
from colonnade.runs.calibrated import FITTED_ON, Calibrated, Scored, member_disagreement, wanted
from colonnade.runs.folder import METRICS, RunFolder
from colonnade.runs.forecasts import past_of, scale_of, write_tables
from colonnade.runs.illustrate import epochs, publish, record_settings
from colonnade.runs.load import NETWORK
from colonnade.runs.predictions import WEIGHT, to_frame, truth_columns
from colonnade.runs.trained import Trained
from colonnade.tasks.base import LOSS, PREFIX
from colonnade.tasks.conformal import DRAW
from colonnade.tasks.disagreement import DISAGREEMENT
from colonnade.training.collect import Collected

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPLITS = ("val", "test")


def score(parts: Parts, trained: Trained, folder: RunFolder, *, seconds: float, drawn: bool = True) -> dict[str, Any]:
    """Measure, write predictions, figures and weights.

    Args:
        parts: what was trained, its best weights in place.
        trained: what else came of the training.
        folder: the run folder.
        seconds: duration of the training, interrupted parts included.
        drawn: whether figures are made.

    Returns:
        The content of ``result.json``.
    """
    from safetensors.torch import save_file

    module, task = parts.module, parts.task
    save_file(module.network_state(), folder / NETWORK)
    metrics: dict[str, dict[str, float]] = {}
    frames: list[pl.DataFrame] = []
    figures: dict[str, Figure] = {}
    calibrated: Calibrated | None = None
    for split in SPLITS:
        collected = module.collect(parts.datamodule.loader_for(split))
        if len(collected) == 0:
            metrics[split] = {}
            continue
        collected.refuse_non_finite(split)
        prediction = task.decode(collected.raw)
        truth, row_id = task.truth(collected.target), collected.row_id.cpu().numpy()
        further: dict[str, float] = {}
        if split == FITTED_ON:
            calibrated = _calibrated(parts, collected)
        if calibrated is not None:
            if calibrated.disagreement:
                prediction[DISAGREEMENT] = member_disagreement(task, collected.raw)
            kept, scale = parts.datamodule.kept.get(split, Kept()), scale_of(parts, calibrated.scale, split)
            prediction |= {} if kept.draw is None else {DRAW: kept.draw}
            scored = Scored(prediction, truth, collected.weight, kept.codes, scale, row_id)
            if split == FITTED_ON:
                calibrated.fit(scored)
            prediction, further = calibrated.apply(split, scored, drawn=drawn)
        metrics[split] = task.metrics(prediction, collected.target, collected.weight) | further
        if task.monitor == PREFIX + LOSS:
            # What runs are compared by is among what was measured.
            metrics[split] |= {LOSS: collected.mean(task.row_loss(collected.raw, collected.target))}
        frame = to_frame(prediction, module.spec, row_id)
        columns = truth_columns(truth, module.spec)
        if collected.weight is not None:
            columns.append(pl.Series(WEIGHT, collected.weight.cpu().numpy()))
        frames.append(frame.with_columns(pl.lit(split).alias("split"), *columns))
        if split == SPLITS[-1]:
            write_tables(parts, prediction, truth, split, folder.path)
            figures = _figures(parts, prediction, truth) if drawn else {}
    if calibrated is not None:
        calibrated.write(folder.path)
        figures |= calibrated.figures
    if frames:
        pl.concat(frames).write_parquet(folder / "predictions.parquet")
    if drawn:
        from colonnade.report.selection import selection

        chosen = selection(parts.datamodule.pipeline.selection)
        publish({**figures, **_curves(parts, folder), **chosen}, trained, folder.path)
    record_settings(parts.cfg, metrics, trained)
    return trained.result(parts.cfg, task, metrics, seconds=seconds, folder=folder.path)


def _calibrated(parts: Parts, collected: Collected) -> Calibrated | None:
    rows, members = collected.raw.shape[:2]
    return wanted(parts.cfg, parts.task, parts.datamodule.pipeline.lookup, rows=rows, members=members)


def _figures(parts: Parts, prediction: Mapping[str, Tensor], truth: Tensor) -> dict[str, Figure]:
    from colonnade.report.figures import draw

    spec, task = parts.module.spec, parts.task
    return draw(
        task.name,
        prediction,
        truth,
        classes=spec.classes,
        target_names=spec.target_names,
        quantiles=task.quantiles,
        rows=f"{SPLITS[-1]} rows",
        past=past_of(parts, SPLITS[-1]),
    )


def _curves(parts: Parts, folder: RunFolder) -> dict[str, Figure]:
    from colonnade.report.learning import learning_curve

    rows = epochs(folder / METRICS)
    figure = learning_curve(rows, monitor=parts.task.monitor, mode=parts.task.mode)
    return {} if figure is None else {"learning": figure}
