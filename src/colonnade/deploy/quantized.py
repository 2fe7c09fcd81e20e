"""Quantized: a graph whose weights have fewer bits, and how far its predictions are from a model."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from torch import nn

from colonnade.core.errors import ExportError
from colonnade.core.spec import BatchSpec
from colonnade.data.lookup import Lookup
from colonnade.deploy.inputs import Series
from colonnade.deploy.kinds import FP16, INT8
from colonnade.deploy.parity import BATCHES, difference, predictions
from colonnade.deploy.rows import columns_of
from colonnade.deploy.runtime import OnnxModel

HIGHEST = 65_504.0
"""The largest number that fp16 has."""
# Tables of the pipeline and of categories stay as they are: they are small, and exact.
OPERATIONS = ("MatMul", "Gemm")
COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal")
"""What stands in them stays as it is, whatever its size: a question of a tree has another answer beside it."""


def quantize(graph: bytes, kind: str) -> bytes:
    """The graph with weights of fewer bits.

    Args:
        graph: serialised.
        kind: ``int8``: matrices as whole numbers, a scale for each column, and inputs that are rounded as they come;
            ``fp16`` or ``bf16``: all tables of weights in 16 bits, which are made float32 when the file is loaded.

    Raises:
        ExportError: there is nothing in the graph for it.
    """
    return _int8(graph) if kind == INT8 else _in_16_bits(graph, kind)


def _in_16_bits(graph: bytes, kind: str) -> bytes:
    import ml_dtypes
    import onnx
    import onnx_ir as ir

    model = ir.from_proto(onnx.load_from_string(graph))
    made = 0
    for value in list(model.graph.initializers.values()):
        tensor = value.const_value
        if tensor is None or tensor.dtype != ir.DataType.FLOAT or len(tensor.shape) < 2:
            continue
        weights = tensor.numpy()
        compared = any(node.op_type in COMPARISONS for node, _ in value.uses())
        # Rather whole than infinite.
        if compared or _whole(weights) or (kind == FP16 and not np.abs(weights).max() <= HIGHEST):
            continue
        stored = ir.tensor(weights.astype(np.float16 if kind == FP16 else ml_dtypes.bfloat16))
        short = ir.val(f"{value.name}/{kind}", const_value=stored)
        cast = ir.node("Cast", [short], {"to": int(ir.DataType.FLOAT)})
        cast.outputs[0].type, cast.outputs[0].shape = value.type, value.shape
        value.replace_all_uses_with(cast.outputs[0])
        model.graph.initializers.pop(str(value.name))
        model.graph.register_initializer(short)
        model.graph.insert_before(model.graph[0], cast)
        made += 1
    if not made:
        raise ExportError(f"export.onnx.quantize={kind}: the model has no table of weights: leave it out")
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    return proto.SerializeToString()


def _int8(graph: bytes) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "model.onnx"
        given = onnx.load_from_string(graph)
        exact = {t.name for t in given.graph.initializer if len(t.dims) > 1 and _whole(onnx.numpy_helper.to_array(t))}
        facts, producer, version = given.metadata_props[:], given.producer_name, given.producer_version
        quantize_dynamic(
            given,
            path,
            op_types_to_quantize=list(OPERATIONS),
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in given.graph.node if exact & {*node.input}],
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


def _whole(weights: np.ndarray) -> bool:
    """Whether a table is none of weights: such as one of zeros and ones, by which columns are taken."""
    return weights.dtype.kind == "f" and weights.size > 0 and bool((weights == np.round(weights)).all())


def check_quantized(
    graph: bytes,
    predictor: nn.Module,
    lookup: Lookup,
    spec: BatchSpec,
    frame: pl.DataFrame,
    *,
    kind: str,
    key: str,
    tolerance: float,
) -> dict[str, float]:
    """How far the predictions of a quantized graph are from those of the model, on average over the rows.

    Args:
        graph: quantized.
        predictor: what is right.
        lookup: the strings' way into it.
        spec: of the data.
        frame: typed rows.
        kind: of weights, for the message.
        key: see :func:`check_near`.
        tolerance: see :func:`check_near`.

    Returns:
        The mean difference of each output.

    Raises:
        ExportError: a mean difference is larger.
    """
    model = OnnxModel(graph)
    found = model.predict(columns_of(frame, model.columns), rows=BATCHES[-1])
    expected = predictions(predictor, lookup, frame.select(lookup.names), Series.of(spec))
    return check_near(found, expected, spec, what=f"the {kind} graph", key=key, tolerance=tolerance)


def check_near(
    found: Mapping[str, np.ndarray],
    expected: dict[str, np.ndarray],
    spec: BatchSpec,
    *,
    what: str,
    key: str,
    tolerance: float,
) -> dict[str, float]:
    """The gate of all that is rounded: how far predictions are from those of the model, on average over the rows.

    Args:
        found: what it gives.
        expected: what the Predictor gives; classes as indices.
        spec: of the data.
        what: it is, for the message.
        key: of the configuration that asked for it, for the message.
        tolerance: largest mean difference of an output that is allowed: of a probability as it is, of a value in
            standard deviations of its target; of labels and sets the share of the rows that differ.

    Returns:
        The mean difference of each output.

    Raises:
        ExportError: a mean difference is larger.
    """
    means = {name: float(difference(name, values, expected, spec, 0.0).mean()) for name, values in found.items()}
    worst = max(means, key=means.__getitem__)
    if not means[worst] <= tolerance:
        raise ExportError(
            f"export: output '{worst}' of {what} is off by {means[worst]:.3g} on average (allowed {tolerance:g}): "
            f"{key}=null, or a larger {key.rpartition('.')[0]}.quantize_tolerance"
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
