"""Parity: whether a graph gives what the torch Predictor gives, on real rows, in batches of several sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import torch
from torch import nn

from colonnade.core.errors import DataError, ExportError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.data.columns import RawColumns
from colonnade.data.lookup import Lookup
from colonnade.deploy.graph import ENCODED, Graph, outputs_of
from colonnade.deploy.runtime import OnnxModel

BATCHES = (1, 2, 7, 1000)
"""Rows of a batch."""
SHARE = 30
"""Batches of each size, at the most."""
STRANGE = ("the row of missing values", "the row of unseen categories")
"""Rows that are put before the real ones."""


@dataclass(frozen=True)
class Parity:
    """What was compared, and how far apart it was.

    Args:
        rows: that were compared.
        tolerance: largest difference that is allowed.
        errors: of each output, the largest difference: of probabilities as it is, of values in standard deviations of
            their target, of encoded numbers relative to those beyond 1; of labels and codes 1 where a row differs.
        quantized: of the same graph in int8, the mean difference of each output; None: it was not asked for.
    """

    rows: int
    tolerance: float
    errors: dict[str, float] = field(default_factory=dict)
    quantized: dict[str, float] | None = None

    @property
    def worst(self) -> float:
        """The largest difference of any output."""
        return max(self.errors.values(), default=0.0)


def check_parity(
    graph: Graph,
    predictor: nn.Module,
    lookup: Lookup,
    spec: BatchSpec,
    frame: pl.DataFrame,
    *,
    tolerance: float,
    row_ids: Sequence[int] | np.ndarray | None = None,
) -> Parity:
    """Feed the same rows to both, and compare what comes out, the encoded rows among it.

    Args:
        graph: both of its forms are run, what is shipped and what gives the encoded rows besides.
        predictor: what is right.
        lookup: the strings' way into it.
        spec: of the data.
        frame: typed rows. A row in which everything is missing is added, and one of categories never seen.
        tolerance: see :class:`Parity`.
        row_ids: what the rows are called in messages; None: their positions.

    Raises:
        ExportError: a difference is larger; names the output, the worst row and the size of the batch.
        DataError: there are no rows.
    """
    if frame.is_empty():
        raise DataError("export: no rows to compare the graph with the model on: give some, data.path=...")
    rows = with_strange(frame.select(lookup.names), lookup)
    names = [*STRANGE, *(f"row {i}" for i in (range(frame.height) if row_ids is None else row_ids))]
    expected = predictions(predictor, lookup(rows))
    columns = {name: rows[name].to_numpy() for name in rows.columns}
    errors: dict[str, float] = {}
    # First what comes first: an output is off where its rows are.
    for form in (graph.checked, graph.shipped):
        model = OnnxModel(form)
        feeds = model.feeds(columns)
        for start, size in _batches(rows.height):
            found = model.session.run(None, {name: values[start : start + size] for name, values in feeds.items()})
            right = {name: values[start : start + size] for name, values in expected.items()}
            for name, values in reversed(list(zip(model.outputs, found))):
                error = difference(name, values, right, spec, tolerance)
                worst = int(error.argmax())
                if error[worst] > tolerance:
                    raise ExportError(
                        f"export: output '{name}' of the graph is off by {error[worst]:.3g} (allowed {tolerance:g}) in "
                        f"{names[start + worst]}, in batches of {size}: {_short(values, worst)} instead of "
                        f"{_short(right[name], worst)}"
                    )
                errors[name] = max(errors.get(name, 0.0), float(error[worst]))
    return Parity(rows=rows.height, tolerance=tolerance, errors=errors)


def predictions(predictor: nn.Module, raw: RawColumns) -> dict[str, np.ndarray]:
    """What a model says of raw rows, and the encoded rows where there is one pipeline."""
    with torch.inference_mode():
        return {k: v.numpy() for k, v in outputs_of(predictor, raw.num, raw.cat, raw.time).items()}


def with_strange(frame: pl.DataFrame, lookup: Lookup) -> pl.DataFrame:
    """The rows, and before them one in which everything is missing and one whose text nobody has seen."""
    text = [category.name for category in lookup.cat if not category.boolean]
    first = frame.head(1)
    nothing = first.select(pl.lit(None, dtype=dtype).alias(name) for name, dtype in frame.schema.items())
    unseen = first.with_columns(pl.lit("a text that nobody has written before").alias(name) for name in text)
    return pl.concat([nothing, unseen, frame])


def _batches(n_rows: int) -> Iterator[tuple[int, int]]:
    """Beginning and size of each batch."""
    for size in BATCHES:
        for start in range(0, min(n_rows, size * SHARE), size):
            yield start, size


def difference(
    name: str, found: np.ndarray, right: dict[str, np.ndarray], spec: BatchSpec, tolerance: float
) -> np.ndarray:
    """How far each row is off, ``(N,)``, see :class:`Parity`; infinite where the shapes differ or a number is NaN.

    Args:
        name: of the output.
        found: what the graph gives.
        right: what the Predictor gives, all outputs; classes as indices.
        spec: of the data.
        tolerance: two classes that are no farther apart may change places.
    """
    expected = right[name]
    if name == "label" and spec.classes:
        expected = np.asarray(spec.classes, dtype=object)[expected]
    if found.shape != expected.shape:
        return np.full(max(len(found), 1), np.inf)
    if name == "label":
        error = ((found != expected) & ~_tied(right["probability"], spec, tolerance)).astype(np.float64)
    elif found.dtype.kind in "iu":
        error = (found != expected).astype(np.float64)
    else:
        error = np.abs(found.astype(np.float64) - expected) / _unit(name, expected, spec)
        error = np.nan_to_num(error, nan=np.inf)
    return error.reshape(len(found), -1).max(axis=1, initial=0.0)


def _unit(name: str, expected: np.ndarray, spec: BatchSpec) -> np.ndarray:
    """What differences are counted in."""
    if name == ENCODED[0]:
        return np.maximum(1.0, np.abs(expected))
    if name in ("value", "lower", "upper") or (name == "disagreement" and spec.target_kind == TargetKind.REAL):
        return np.asarray(spec.target_scale)
    return np.asarray(spec.target_scale)[:, None] if name == "quantile" else np.ones(())


def _tied(probability: np.ndarray, spec: BatchSpec, tolerance: float) -> np.ndarray:
    """Where rounding decides the label: ``(N,)`` of classes, ``(N, L)`` of several labels."""
    if not spec.classes:
        return np.abs(probability - 0.5) <= tolerance
    best = np.sort(probability, axis=1)
    return best[:, -1] - best[:, -2] <= 2 * tolerance


def _short(values: np.ndarray, row: int) -> str:
    return np.array2string(values[row], threshold=6, edgeitems=3) if row < len(values) else f"shape {values.shape}"
