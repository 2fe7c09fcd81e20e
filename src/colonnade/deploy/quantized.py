"""Quantized: a graph whose matrices are whole numbers of eight bits, and how far its predictions are from a model."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from torch import nn

from colonnade.core.errors import ExportError
from colonnade.core.spec import BatchSpec
from colonnade.data.lookup import Lookup
from colonnade.deploy.inputs import Series
from colonnade.deploy.parity import BATCHES, difference, predictions
from colonnade.deploy.rows import columns_of
from colonnade.deploy.runtime import OnnxModel

# Tables of the pipeline and of categories stay as they are: they are small, and exact.
OPERATIONS = ("MatMul", "Gemm")


def quantize(graph: bytes) -> bytes:
    """The graph with its weight matrices as int8, a scale for each column, and inputs that are rounded as they come.

    Args:
        graph: serialised.

    Raises:
        ExportError: the graph has no matrix of weights.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "model.onnx"
        given = onnx.load_from_string(graph)
        facts, producer, version = given.metadata_props[:], given.producer_name, given.producer_version
        quantize_dynamic(
            given,
            path,
            op_types_to_quantize=list(OPERATIONS),
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        made = onnx.load(path)
    if not any(node.op_type == "MatMulInteger" for node in made.graph.node):
        raise ExportError("export.onnx.quantize=int8: the model has no matrix of weights: leave it out")
    # What the quantizer notes of itself is not what the file says of itself.
    del made.metadata_props[:]
    made.metadata_props.extend(facts)
    made.producer_name, made.producer_version = producer, version
    onnx.checker.check_model(made)
    return made.SerializeToString()


def check_quantized(
    graph: bytes, predictor: nn.Module, lookup: Lookup, spec: BatchSpec, frame: pl.DataFrame, *, tolerance: float
) -> dict[str, float]:
    """How far the predictions of a quantized graph are from those of the model, on average over the rows.

    Args:
        graph: quantized.
        predictor: what is right.
        lookup: the strings' way into it.
        spec: of the data.
        frame: typed rows.
        tolerance: largest mean difference of an output that is allowed: of a probability as it is, of a value in
            standard deviations of its target; of labels and sets the share of the rows that differ.

    Returns:
        The mean difference of each output.

    Raises:
        ExportError: a mean difference is larger.
    """
    model = OnnxModel(graph)
    found = model.predict(columns_of(frame, model.columns), rows=BATCHES[-1])
    expected = predictions(predictor, lookup, frame.select(lookup.names), Series.of(spec))
    means = {name: float(difference(name, values, expected, spec, 0.0).mean()) for name, values in found.items()}
    worst = max(means, key=means.__getitem__)
    if not means[worst] <= tolerance:
        raise ExportError(
            f"export: output '{worst}' of the int8 graph is off by {means[worst]:.3g} on average (allowed "
            f"{tolerance:g}): export.onnx.quantize=null, or a larger export.onnx.quantize_tolerance"
        )
    return means


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantizer's remarks, which it makes to the root logger, and which would set that up."""
    root, nothing = logging.getLogger(), logging.NullHandler()
    level = root.level
    root.addHandler(nothing)
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(nothing)
