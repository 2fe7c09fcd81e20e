"""Simplify: fewer operations for the same numbers, which a single row waits for one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

ENCODER = "LabelEncoder"


def simplify(model: ir.Model) -> None:
    """Rewrite what torch writes at length; but for products, nothing is rounded in another way.

    Args:
        model: complete, from raw columns to labels; it is changed.
    """
    from onnx_ir.passes.common import RemoveUnusedNodesPass

    for rewrite in (
        _gather_of_index,
        _squeeze_of_unsqueeze,
        _reshape_of_reshape,
        _codes_from_table,
        _gather_of_gather,
        _concat_of_concat,
        _product_of_scaled,
        _split_of_product,
    ):
        for node in list(model.graph):
            rewrite(model.graph, node)
        # Otherwise what came before would count as a use of what is still needed.
        RemoveUnusedNodesPass()(model)


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


def _squeeze_of_unsqueeze(graph: ir.Graph, node: ir.Node) -> None:
    """An axis that is put in and taken out again, as one of members is where there is a single one."""
    inner = node.inputs[0].producer() if node.op_type == "Squeeze" and node.inputs[0] is not None else None
    if inner is None or inner.op_type != "Unsqueeze" or len(node.inputs) < 2 or node.outputs[0].is_graph_output():
        return
    before, axes = inner.inputs[0], _constant(node.inputs[1])
    if before is not None and axes is not None and axes == _constant(inner.inputs[1]):
        node.outputs[0].replace_all_uses_with(before)


def _reshape_of_reshape(graph: ir.Graph, node: ir.Node) -> None:
    """Of two shapes in a row the second counts, as between layers that each take tokens for rows."""
    inner = node.inputs[0].producer() if node.op_type == "Reshape" and node.inputs[0] is not None else None
    # A zero may stand for what the first had there.
    if inner is not None and inner.op_type == "Reshape" and 0 not in (_constant(node.inputs[1]) or ()):
        node.replace_input_with(0, inner.inputs[0])


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
    chosen = _new(graph, f"{node.outputs[0].name}/columns", first[second])
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


def _product_of_scaled(graph: ir.Graph, node: ir.Node) -> None:
    """Columns that are multiplied, or moved, before a product with constant weights: the weights are, and the bias."""
    import onnx_ir as ir

    if node.op_type != "Gemm" or node.attributes.get_int("transA", 0) != 0 or len(node.inputs) < 3:
        return
    given, weight, bias = node.inputs[0], _array(node.inputs[1]), _array(node.inputs[2])
    if weight is None or bias is None or bias.ndim != 1:
        return
    transposed = bool(node.attributes.get_int("transB", 0))
    alpha, beta = (node.attributes.get_float(name, 1.0) for name in ("alpha", "beta"))
    rows = (weight.T if transposed else weight).astype(np.float64)
    moved = beta * bias.astype(np.float64)
    found = given
    while (inner := next((of for kind in ("Mul", "Add", "Sub") if (of := _before(found, kind))), None)) is not None:
        column = _array(inner.inputs[1])
        if column is None or column.shape != rows.shape[:1]:
            break
        found = inner.inputs[0]
        if inner.op_type == "Mul":
            rows = column.astype(np.float64)[:, None] * rows
        else:
            moved += alpha * (column.astype(np.float64) @ rows) * (1 if inner.op_type == "Add" else -1)
    if found is given:
        return
    new = []
    for name, values, like in (("weight", rows.T if transposed else rows, weight), ("bias", moved, bias)):
        new.append(_new(graph, f"{node.outputs[0].name}/{name}", values.astype(like.dtype)))
    attributes = {"alpha": alpha, "beta": 1.0, "transB": int(transposed)}
    _replace(graph, node, ir.node("Gemm", [found, *new], attributes))


def _split_of_product(graph: ir.Graph, node: ir.Node) -> None:
    """What a product gives and is taken apart at once, as gates are, is a product for each part."""
    import onnx_ir as ir

    shaped = _before(node.inputs[0], "Reshape") if node.op_type == "Split" and len(node.inputs) == 1 else None
    product = _before(shaped.inputs[0], "Gemm") if shaped is not None else None
    if shaped is None or product is None or len(product.inputs) < 3:
        return
    weight, bias, shape = (_array(value) for value in (product.inputs[1], product.inputs[2], shaped.inputs[1]))
    if (
        weight is None
        or bias is None
        or shape is None
        or node.attributes.get_int("axis", 0) not in (-1, len(shape) - 1)
    ):
        return
    transposed, n = product.attributes.get_int("transB", 0), len(node.outputs)
    if bias.ndim != 1 or shape[-1] != len(bias) or len(bias) % n:
        return
    name = node.outputs[0].name
    to = _new(graph, f"{name}/shape", np.append(shape[:-1], shape[-1] // n))
    weights = np.split(weight, n, axis=0 if transposed else 1)
    for place, (out, *parts) in enumerate(zip(node.outputs, weights, np.split(bias, n))):
        given = [_new(graph, f"{name}/{kind}/{place}", part) for kind, part in zip(("weight", "bias"), parts)]
        one = ir.node("Gemm", [product.inputs[0], *given], dict(product.attributes))
        back = ir.node("Reshape", [one.outputs[0], to], dict(shaped.attributes))
        one.outputs[0].type = back.outputs[0].type = out.type
        back.outputs[0].shape = out.shape
        graph.insert_before(node, [one, back])
        out.replace_all_uses_with(back.outputs[0])


def _new(graph: ir.Graph, name: str, values: np.ndarray) -> ir.Value:
    """A constant that the graph had not."""
    import onnx_ir as ir

    value = ir.val(name, const_value=ir.tensor(np.ascontiguousarray(values)))
    graph.register_initializer(value)
    return value


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
