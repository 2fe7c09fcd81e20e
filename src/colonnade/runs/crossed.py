"""Crossed: the predictions of a cross-validation, out of fold and of the rows held out from all folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from colonnade.data.split import CrossValidator
from colonnade.data.store import sample_weight
from colonnade.data.table import Table
from colonnade.runs.folder import RunFolder
from colonnade.runs.illustrate import publish
from colonnade.runs.load import Loaded
from colonnade.runs.paired import PREDICTIONS
from colonnade.runs.predict import row_ids
from colonnade.runs.predictions import WEIGHT, to_frame, truth_columns
from colonnade.runs.stored import prediction_of, read_rows, truth_of
from colonnade.runs.trained import Trained
from colonnade.tasks.combine import WeightedMean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OUT_OF_FOLD = "val"
HELD_OUT = "test"
FOLD = "fold"


def write_predictions(
    folder: RunFolder, cross: CrossValidator, members: Sequence[str], bag: Loaded, table: Table, held: np.ndarray
) -> dict[str, float]:
    """Write ``predictions.parquet`` and the figures of the rows out of fold.

    Args:
        folder: of the cross-validation.
        cross: how the rows were cut.
        members: folders of the folds, in their order, below it.
        bag: all models as one.
        table: the data.
        held: what is held out from all folds, see :meth:`~colonnade.data.split.CrossValidator.held`.

    Returns:
        The metrics of the rows held out; none where there are none.
    """
    frames = [out_of_fold(folder, cross, members, bag)]
    metrics: dict[str, float] = {}
    if len(held):
        frame, metrics = held_out(bag, table, held)
        frames.append(frame)
    pl.concat(frames, how="diagonal").write_parquet(folder / PREDICTIONS)
    publish(_figures(bag, frames[0], table), Trained(epochs=0, parameters=0), folder.path)
    return metrics


def out_of_fold(folder: RunFolder, cross: CrossValidator, members: Sequence[str], bag: Loaded) -> pl.DataFrame:
    """What was predicted of each row by the models that never saw it, their mean where folds were cut several times.

    As rows of ``val``: they choose between models. Rows that were in no fold, such as the first of folds by time, are
    not among them.
    """
    read = [read_rows(folder / member, HELD_OUT).drop(FOLD, strict=False) for member in members]
    numbered = [frame.with_columns(pl.lit(i % cross.folds).alias(FOLD)) for i, frame in enumerate(read)]
    repeats = [
        pl.concat(numbered[start : start + cross.folds]).sort("row_id") for start in range(0, len(read), cross.folds)
    ]
    first = repeats[0].with_columns(pl.lit(OUT_OF_FOLD).alias("split"))
    if len(repeats) == 1:
        return first
    mean = WeightedMean(bag.spec.target_kind, torch.ones(len(repeats)))
    prediction = mean([prediction_of(frame, bag.spec) for frame in repeats])
    new = to_frame(prediction, bag.spec, first["row_id"].to_numpy())
    return first.drop(FOLD).with_columns(new[name] for name in new.columns)


def held_out(bag: Loaded, table: Table, held: np.ndarray) -> tuple[pl.DataFrame, dict[str, float]]:
    """Predictions of the rows held out from all folds by the mean of all models, and their metrics."""
    part = bag.dataset.part(table, held)
    ids = row_ids(part)
    prediction = bag.predict(part)
    target = bag.coder.encode(part.frame, row_ids=ids, where="rows held out from all folds")
    name = bag.schema.weight
    weight = None if name is None else sample_weight(part.frame, name, row_ids=ids)
    frame = to_frame(prediction, bag.spec, ids)
    columns = [] if weight is None else [pl.Series(WEIGHT, weight.numpy())]
    columns += truth_columns(bag.task.truth(target), bag.spec)
    frame = frame.with_columns(pl.lit(HELD_OUT).alias("split"), *columns)
    return frame, bag.task.metrics(prediction, target, weight)


def _figures(bag: Loaded, frame: pl.DataFrame, table: Table) -> dict[str, Figure]:
    from colonnade.report.figures import draw
    from colonnade.runs.forecasts import past_in

    spec, task = bag.spec, bag.task
    return draw(
        task.name,
        WeightedMean(spec.target_kind, torch.ones(1))([prediction_of(frame, spec)]),
        truth_of(frame, spec),
        classes=spec.classes,
        target_names=spec.target_names,
        quantiles=task.quantiles,
        rows="rows out of fold",
        past=past_in(bag, table, frame["row_id"].to_numpy()),
    )
