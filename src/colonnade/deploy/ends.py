"""Ends: what stands before and behind the part of a graph that torch exports: raw columns, strings, labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from colonnade.data.columns import FIRST_LEVEL, MISSING, UNKNOWN
from colonnade.data.lookup import Lookup
from colonnade.deploy.inputs import INTERNAL, LENGTH, NUMBERS, TEXTS, TIMES, Input, Series
from colonnade.deploy.trees import ML

if TYPE_CHECKING:
    import onnx_ir as ir

OPSET_ML = 3
BATCH, TIME = "batch", "time"
LABEL = "label"


def put_columns(model: ir.Model, lookup: Lookup, inputs: Sequence[Input], series: Series | None) -> None:
    """Put the raw columns before the blocks that were exported; strings become codes here."""
    import onnx_ir as ir

    graph = model.graph
    blocks = {str(value.name).removeprefix(INTERNAL): value for value in graph.inputs}
    types = {NUMBERS: ir.DataType.DOUBLE, TEXTS: ir.DataType.STRING, TIMES: ir.DataType.INT64}
    levels = {category.name: category.levels for category in lookup.cat}
    length = blocks.pop(LENGTH, None)
    steps = [] if series is None else [series.steps or TIME]
    graph.inputs.clear()
    nodes: list[ir.Node] = []
    for block, exported in blocks.items():
        columns = [given for given in inputs if given.block == block]
        wide = columns[0].place is not None
        names = [block] if wide else [given.name for given in columns]
        width = len(columns) if wide else 1
        # Of series, a column has a value for each step, and a matrix is behind the steps.
        shape = [BATCH, *steps, width] if wide or series is None else [BATCH, *steps]
        values = [ir.val(name, dtype=types[block], shape=shape) for name in names]
        graph.inputs.extend(values)
        if block == TEXTS:
            if wide and width > 1:
                split = _node("Split", values, {"axis": -1, "num_outputs": width}, [f"text/{i}" for i in range(width)])
                nodes.append(split)
                values = list(split.outputs)
            encoders = [_encoder(value, given, levels[given.column]) for value, given in zip(values, columns)]
            nodes += encoders
            values = [encoder.outputs[0] for encoder in encoders]
        if series is not None and not wide:
            axis = _node("Constant", [], {"value_ints": [-1]}, [f"axis/{block}"])
            unsqueezed = [_node("Unsqueeze", [v, axis.outputs[0]], {}, [f"steps/{v.name}"]) for v in values]
            nodes += [axis, *unsqueezed]
            values = [node.outputs[0] for node in unsqueezed]
        if len(values) > 1:
            nodes.append(_node("Concat", values, {"axis": -1}, [f"all/{block}"]))
            values = list(nodes[-1].outputs)
        exported.replace_all_uses_with(values[0], replace_graph_outputs=True)
    if length is not None and series is not None:
        graph.inputs.append(ir.val(str(series.length), dtype=ir.DataType.INT64, shape=[BATCH]))
        length.replace_all_uses_with(graph.inputs[-1], replace_graph_outputs=True)
    first = next(iter(graph), None)
    if nodes and first is not None:
        graph.insert_before(first, nodes)
    model.opset_imports[ML] = OPSET_ML


def _encoder(value: ir.Value, given: Input, levels: Sequence[str]) -> ir.Node:
    """Texts of a column to its codes; what is neither a level nor a word for missing is unknown."""
    codes = dict.fromkeys(given.missing, MISSING) | {level: FIRST_LEVEL + i for i, level in enumerate(levels)}
    attributes = {"keys_strings": list(codes), "values_int64s": list(codes.values()), "default_int64": UNKNOWN}
    return _node("LabelEncoder", [value], attributes, [f"code/{given.column}"], domain=ML)


def put_labels(model: ir.Model, classes: Sequence[str]) -> None:
    """Index of the class to its label."""
    import onnx_ir as ir

    graph = model.graph
    index = next(value for value in graph.outputs if value.name == LABEL)
    index.name = f"{INTERNAL}class"
    attributes = {"keys_int64s": list(range(len(classes))), "values_strings": list(classes)}
    node = _node("LabelEncoder", [index], attributes, ["label"], domain=ML)
    label = node.outputs[0]
    label.name, label.shape = LABEL, ir.Shape([BATCH])
    label.type = ir.TensorType(ir.DataType.STRING)
    graph.append(node)
    graph.outputs[list(graph.outputs).index(index)] = label


def _node(op: str, values: Sequence[ir.Value], attributes: dict, names: Sequence[str], *, domain: str = "") -> ir.Node:
    import onnx_ir as ir

    outputs = [ir.val(f"{INTERNAL}{name}") for name in names]
    return ir.node(op, list(values), attributes, domain=domain, outputs=outputs)
