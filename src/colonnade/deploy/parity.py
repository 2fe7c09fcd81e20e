"""Parity: whether a graph gives what the torch Predictor gives, on real rows, in batches of several sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import nn

from colonnade.core.errors import DataError, ExportError
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.data.columns import RawColumns
from colonnade.data.lookup import Lookup
from colonnade.data.sequences.raw import raw_series
from colonnade.deploy.graph import ENCODED, Graph, outputs_of
from colonnade.deploy.inputs import Series
from colonnade.deploy.rows import columns_of, longest, with_strange
from colonnade.deploy.runtime import InputError, OnnxModel, at_once

BATCHES = (1, 2, 7, 1000)
"""Rows of a batch; of long series fewer, see :func:`~colonnade.deploy.runtime.at_once`."""
SHARE = 30
"""Batches of each size, at the most."""


@dataclass(frozen=True)
class Parity:
    """What was compared, and how far apart it was.

    Args:
        rows: that were compared.
        tolerance: largest difference that is allowed.
        errors: of each output, the largest difference: of probabilities as it is, of values in standard deviations of
            their target, of encoded numbers relative to those beyond 1; of labels and codes 1 where a row differs.
        quantized: of the same graph with weights of fewer bits, the mean difference of each output; None: it was not
            asked for.
    """

    rows: int
    tolerance: float
    errors: dict[str, float] = field(default_factory=dict)
    quantized: dict[str, float] | None = None

    @property
    def worst(self) -> float:
        """The largest difference of any output."""
        return max(self.errors.values(), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


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
        frame: typed rows, to which strange ones are added, see :func:`~colonnade.deploy.rows.with_strange`.
        tolerance: see :class:`Parity`.
        row_ids: what the rows are called in messages; None: their positions.

    Raises:
        ExportError: a difference is larger; names the output, the worst row and the size of the batch.
        DataError: there are no rows.
    """
    if frame.is_empty():
        raise DataError("export: no rows to compare the graph with the model on: give some, data.path=...")
    series = Series.of(spec)
    free = series is not None and series.length is not None
    rows, names = with_strange(frame.select(lookup.names), lookup, free=free)
    names += [f"row {i}" for i in (range(frame.height) if row_ids is None else row_ids)]
    expected = predictions(predictor, lookup, rows, series)
    columns = columns_of(rows, lookup.names)
    largest = BATCHES[-1] if series is None else at_once(longest(rows))
    errors: dict[str, float] = {}
    # First what comes first: an output is off where its rows are.
    for form in (graph.checked, graph.shipped):
        try:
            model = OnnxModel(form)
        except InputError as failed:
            raise ExportError(f"export: {failed}") from failed
        feeds = model.feeds(columns)
        for start, size in batches(rows.height, largest):
            try:
                found = model.session.run(None, model.cut(feeds, start, size))
            except Exception as failed:  # its classes are those of a C++ library, and without a common base
                reason = str(failed).splitlines()[0]
                raise ExportError(
                    f"export: the graph does not run on {names[start]}, in batches of {size}: {reason}"
                ) from failed
            right = {name: values[start : start + size] for name, values in expected.items()}
            for name, values in reversed(list(zip(model.outputs, found))):
                if series is not None and name in ENCODED:
                    right[name] = right[name][:, : values.shape[1]]
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


def predictions(
    predictor: nn.Module, lookup: Lookup, rows: pl.DataFrame, series: Series | None
) -> dict[str, np.ndarray]:
    """What a model says of typed rows, and the encoded rows where there is one pipeline."""
    with torch.inference_mode():
        if series is None:
            return {k: v.numpy() for k, v in outputs_of(predictor, lookup(rows), None).items()}
        raw = raw_series(lookup, rows, lookup.names)
        assert raw.mask is not None
        blocks = (raw.num, raw.cat, raw.time, raw.mask)
        pieces = [
            outputs_of(predictor, RawColumns(*piece), series)
            for piece in zip(*(block.split(at_once(longest(rows))) for block in blocks))
        ]
        return {name: torch.cat([piece[name] for piece in pieces]).numpy() for name in pieces[0]}


def batches(n_rows: int, largest: int) -> Iterator[tuple[int, int]]:
    """Beginning and size of each batch."""
    for size in dict.fromkeys(min(size, largest) for size in BATCHES):
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
    if name in ("value", "quantile") and spec.target_kind == TargetKind.EVENT:
        # Exponentials of what the network gives, which is rounded in proportion to them.
        return np.maximum(spec.target_scale[0], np.abs(expected))
    if name in ("value", "lower", "upper") or (name == "disagreement" and spec.target_kind == TargetKind.REAL):
        return np.asarray(spec.target_scale).reshape(expected.shape[1:])
    return np.asarray(spec.target_scale).reshape((*expected.shape[1:-1], 1)) if name == "quantile" else np.ones(())


def _tied(probability: np.ndarray, spec: BatchSpec, tolerance: float) -> np.ndarray:
    """Where rounding decides the label: ``(N,)`` of classes, ``(N, L)`` of several labels."""
    if not spec.classes:
        return np.abs(probability - 0.5) <= tolerance
    best = np.sort(probability, axis=1)
    return best[:, -1] - best[:, -2] <= 2 * tolerance


def _short(values: np.ndarray, row: int) -> str:
    return np.array2string(values[row], threshold=6, edgeitems=3) if row < len(values) else f"shape {values.shape}"
