"""Simplify: fewer operations for the same numbers, which a single row waits for one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

ENCODER = "LabelEncoder"


def simplify(model: ir.Model) -> None:
    """Rewrite what torch writes at length; nothing is rounded in another way.

    Args:
        model: complete, from raw columns to labels; it is changed.
    """
    for rewrite in (_gather_of_index, _codes_from_table, _gather_of_gather, _concat_of_concat):
        for node in list(model.graph):
            rewrite(model.graph, node)


def _gather_of_index(graph: ir.Graph, node: ir.Node) -> None:
    """Look-ups by one index as Gather: torch writes ``table[index]`` as GatherND, which takes several times as long."""
    import onnx_ir as ir

    if node.op_type != "GatherND" or node.attributes.get_int("batch_dims", 0) != 0:
        return
    table, places = node.inputs
    index = None if places is None else places.producer()
    if index is None or index.op_type != "Unsqueeze":
        return
    values, axes = index.inputs
    # One index for each element, behind which the rest of the table follows.
    if _constant(axes) == [-1]:
        _replace(graph, node, ir.node("Gather", [table, values], {"axis": 0}))


def _codes_from_table(graph: ir.Graph, node: ir.Node) -> None:
    """Codes that are only looked up in a table come from it at once, as a step does that merges rare levels."""
    if node.op_type != "Gather" or node.attributes.get_int("axis", 0) != 0:
        return
    table, places = node.inputs
    added = _before(places, "Add")
    turned = _before(added.inputs[0], "Transpose") if added is not None else None
    joined = _before(turned.inputs[0], "Concat") if turned is not None else None
    if added is None or turned is None or joined is None:
        return
    encoders = [_before(value, ENCODER) for value in joined.inputs]
    codes, offsets = _array(table), _array(added.inputs[1])
    if codes is None or offsets is None or codes.ndim != 1 or offsets.shape != (len(encoders), 1) or None in encoders:
        return
    for encoder, offset in zip(encoders, offsets[:, 0].tolist(), strict=True):
        assert encoder is not None
        found = [*encoder.attributes.get_ints("values_int64s", ()), encoder.attributes.get_int("default_int64", 0)]
        *values, default = codes[np.array(found) + offset].tolist()
        _set(encoder, values_int64s=values, default_int64=default)
    node.outputs[0].replace_all_uses_with(turned.outputs[0], replace_graph_outputs=True)


def _gather_of_gather(graph: ir.Graph, node: ir.Node) -> None:
    """Columns of columns are columns."""
    import onnx_ir as ir

    if node.op_type != "Gather":
        return
    values, later = node.inputs
    inner = None if values is None else values.producer()
    if inner is None or inner.op_type != "Gather" or inner.attributes.get_int("axis", 0) != -1:
        return
    first, second = _array(inner.inputs[1]), _array(later)
    if node.attributes.get_int("axis", 0) != -1 or first is None or second is None or {first.ndim, second.ndim} != {1}:
        return
    chosen = ir.val(f"{node.outputs[0].name}/columns", const_value=ir.tensor(first[second]))
    graph.register_initializer(chosen)
    _replace(graph, node, ir.node("Gather", [inner.inputs[0], chosen], {"axis": -1}))


def _concat_of_concat(graph: ir.Graph, node: ir.Node) -> None:
    """What is put together twice is put together once."""
    import onnx_ir as ir

    axis = node.attributes.get_int("axis", 0)
    if node.op_type != "Concat" or axis != -1:
        return
    parts: list[ir.Value | None] = []
    for value in node.inputs:
        inner = _before(value, "Concat")
        same = inner is not None and inner.attributes.get_int("axis", 0) == axis
        parts += inner.inputs if inner is not None and same else [value]
    if len(parts) > len(node.inputs):
        _replace(graph, node, ir.node("Concat", parts, {"axis": axis}))


def _before(value: ir.Value | None, kind: str) -> ir.Node | None:
    """The node that makes a value, if it is of a kind, and nothing else takes the value."""
    node = None if value is None else value.producer()
    if value is None or node is None or node.op_type != kind or value.is_graph_output() or len(value.uses()) > 1:
        return None
    return node


def _array(value: ir.Value | None) -> np.ndarray | None:
    """A constant, else None."""
    import onnx_ir as ir

    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def _constant(value: ir.Value | None) -> list[int] | None:
    array = _array(value)
    return None if array is None else array.tolist()


def _set(node: ir.Node, **values: int | list[int]) -> None:
    import onnx_ir as ir

    for name, value in values.items():
        node.attributes[name] = ir.convenience.convert_attribute(name, value)


def _replace(graph: ir.Graph, node: ir.Node, new: ir.Node) -> None:
    import onnx_ir as ir

    new.outputs[0].type, new.outputs[0].shape = node.outputs[0].type, node.outputs[0].shape
    ir.convenience.replace_nodes_and_values(graph, node, [node], [new], node.outputs, new.outputs)
