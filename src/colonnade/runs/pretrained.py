"""Pretrained: what a pre-training leaves in its folder: weights, how well columns are reconstructed, and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from colonnade.runs.assemble import Parts
from colonnade.runs.folder import METRICS, RunFolder
from colonnade.runs.illustrate import epochs, publish, record_settings
from colonnade.runs.load import NETWORK
from colonnade.runs.trained import Trained
from colonnade.tasks.measures import denoised
from colonnade.tasks.measures.rows import row_mean, rows_that_count

if TYPE_CHECKING:
    from colonnade.tasks.measures.rows import Rows

SPLITS = ("val", "test")
COLUMNS = "reconstruction.csv"
"""A line for each encoded column."""


def measure_pretrained(
    parts: Parts, trained: Trained, folder: RunFolder, *, seconds: float, drawn: bool = True
) -> dict[str, Any]:
    """Measure, write figures and weights; the noise is the same for every model and epoch.

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
    columns: pl.DataFrame | None = None
    for split in SPLITS:
        collected = module.collect(parts.datamodule.loader_for(split))
        if len(collected) == 0:
            metrics[split] = {}
            continue
        collected.refuse_non_finite(split)
        prediction = task.decode(collected.raw)
        measured = task.metrics(prediction, collected.target, collected.weight)
        loss = row_mean(task.row_loss(collected.raw, collected.target), collected.weight)
        metrics[split] = {"loss": loss.item(), **measured}
        if "value" in prediction:
            columns = of_columns(rows_that_count(prediction, collected.target, collected.weight), parts)
    if columns is not None:
        columns.write_csv(folder / COLUMNS)
    if drawn:
        from colonnade.report.learning import learning_curve
        from colonnade.report.reconstruction import reconstruction

        curve = learning_curve(epochs(folder / METRICS), monitor=task.monitor, mode=task.mode)
        figures = {} if curve is None else {"learning": curve}
        publish(figures if columns is None else {**figures, **reconstruction(columns)}, trained, folder.path)
    record_settings(parts.cfg, metrics, trained)
    return trained.result(parts.cfg, task, metrics, seconds=seconds, folder=folder.path)


def of_columns(rows: Rows, parts: Parts) -> pl.DataFrame:
    """How well each column is reconstructed.

    Args:
        rows: of the last part that was measured.
        parts: with the names.

    Returns:
        ``column``, ``measure`` (``r2`` of numbers, ``accuracy`` of categories), ``value``, and what is reached without
        looking at the row: ``base``, 0, or the share of the commonest level.
    """
    spec = parts.module.spec
    r2, hits, base = denoised.explained(rows), denoised.hits(rows), denoised.commonest(rows)
    return pl.DataFrame(
        {
            "column": [*spec.num_names, *spec.cat_names],
            "measure": ["r2"] * spec.n_num + ["accuracy"] * spec.n_cat,
            "value": [*r2.tolist(), *hits.tolist()],
            "base": [0.0] * spec.n_num + base.tolist(),
        }
    )
