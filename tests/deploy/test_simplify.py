"""Graphs in fewer operations: the same numbers, and what is left."""

import numpy as np
import onnx_ir as ir
from onnxruntime import InferenceSession

from colonnade.deploy.simplify import simplify


def constant(name, values):
    return ir.val(name, const_value=ir.tensor(np.array(values), name=name))


def merging():
    """As torch writes a step that merges levels: by a look-up of its own, of codes counted through all columns."""
    texts = [ir.val(name, dtype=ir.DataType.STRING, shape=["batch", 1]) for name in "ab"]
    kept = [constant("offset", [[0], [3]]), constant("table", [7, 6, 5, 4, 3, 2]), constant("axis", [-1])]
    nodes = [
        ir.node(
            "LabelEncoder",
            [text],
            {"keys_strings": keys, "values_int64s": [1, 2], "default_int64": 0},
            domain="ai.onnx.ml",
        )
        for text, keys in zip(texts, (["x", "y"], ["y", "z"]))
    ]
    nodes.append(ir.node("Concat", [node.outputs[0] for node in nodes], {"axis": -1}))
    nodes.append(ir.node("Transpose", nodes[-1].outputs, {"perm": [1, 0]}))
    nodes.append(ir.node("Add", [nodes[-1].outputs[0], kept[0]]))
    nodes.append(ir.node("Unsqueeze", [nodes[-1].outputs[0], kept[2]]))
    nodes.append(ir.node("GatherND", [kept[1], nodes[-1].outputs[0]]))
    out = nodes[-1].outputs[0]
    out.name, out.type, out.shape = "codes", ir.TensorType(ir.DataType.INT64), ir.Shape([2, "batch"])
    imports = {"": 20, "ai.onnx.ml": 3}
    graph = ir.Graph(texts, [out], nodes=nodes, initializers=kept, opset_imports=imports, name="merging")
    return ir.Model(graph, ir_version=10)


def found(model):
    session = InferenceSession(ir.to_proto(model).SerializeToString())
    feeds = {"a": [["x"], ["y"], ["z"]], "b": [["x"], ["y"], ["z"]]}
    (codes,) = session.run(None, {name: np.array(texts, dtype=object) for name, texts in feeds.items()})
    return codes.tolist()


def test_codes_come_merged_from_the_look_up_of_texts():
    model = merging()
    assert found(model) == [[6, 5, 7], [4, 3, 2]]
    simplify(model)
    assert found(model) == [[6, 5, 7], [4, 3, 2]]
    assert [node.op_type for node in model.graph] == ["LabelEncoder", "LabelEncoder", "Concat", "Transpose"]


def test_what_comes_before_a_product_goes_into_its_weights():
    rng = np.random.default_rng(0)
    numbers = {name: rng.normal(size=size).astype(np.float32) for name, size in (("w", (2, 3)), ("c", 2), ("r", 3))}
    kept = [constant(name, values) for name, values in numbers.items()] + [constant("axis", [1])]
    weight, bias, row, axis = kept
    x = ir.val("x", dtype=ir.DataType.FLOAT, shape=["batch", 3])
    nodes = [ir.node("Mul", [x, row])]
    nodes.append(ir.node("Sub", [nodes[-1].outputs[0], row]))
    nodes.append(ir.node("Add", [nodes[-1].outputs[0], row]))
    nodes.append(ir.node("Mul", [nodes[-1].outputs[0], row]))
    nodes.append(ir.node("Unsqueeze", [nodes[-1].outputs[0], axis]))
    nodes.append(ir.node("Squeeze", [nodes[-1].outputs[0], axis]))
    nodes.append(ir.node("Sub", [nodes[-1].outputs[0], row]))
    attributes = {"transB": 1, "alpha": 0.5, "beta": 2.0}
    nodes.append(ir.node("Gemm", [nodes[-1].outputs[0], weight, bias], attributes))
    out = nodes[-1].outputs[0]
    out.name, out.type, out.shape = "y", ir.TensorType(ir.DataType.FLOAT), ir.Shape(["batch", 2])
    graph = ir.Graph([x], [out], nodes=nodes, initializers=kept, opset_imports={"": 20}, name="product")
    model = ir.Model(graph, ir_version=10)
    simplify(model)
    assert [node.op_type for node in model.graph] == ["Gemm"]
    rows = rng.normal(size=(5, 3)).astype(np.float32)
    (found,) = InferenceSession(ir.to_proto(model).SerializeToString()).run(None, {"x": rows})
    given = (rows * numbers["r"]) * numbers["r"] - numbers["r"]
    np.testing.assert_allclose(found, 0.5 * given @ numbers["w"].T + 2 * numbers["c"], rtol=1e-5, atol=1e-5)


def test_what_is_taken_apart_is_a_product_for_each_part():
    rng = np.random.default_rng(0)
    sizes = {"w": (6, 3), "u": (3, 6), "c": 6}
    numbers = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    kept = [constant(name, values) for name, values in numbers.items()] + [constant("shape", [-1, 2, 6])]
    w, u, bias, shape = kept
    x = ir.val("x", dtype=ir.DataType.FLOAT, shape=["batch", 3])
    nodes, outs = [], []
    # Both share the shape.
    for weight, attributes, n in ((w, {"transB": 1, "alpha": 0.5}, 3), (u, {"beta": 2.0}, 2)):
        nodes.append(ir.node("Gemm", [x, weight, bias], attributes))
        nodes.append(ir.node("Reshape", [nodes[-1].outputs[0], shape], {"allowzero": 1}))
        nodes.append(ir.node("Split", nodes[-1].outputs, {"axis": 2, "num_outputs": n}, num_outputs=n))
        nodes.append(ir.node("Concat", nodes[-1].outputs[::-1], {"axis": 2}))
        out = nodes[-1].outputs[0]
        out.name, out.type, out.shape = f"y{n}", ir.TensorType(ir.DataType.FLOAT), ir.Shape(["half", 2, 6])
        outs.append(out)
        for i, part in enumerate(nodes[-2].outputs):
            part.name, part.type = f"part{n}/{i}", ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph([x], outs, nodes=nodes, initializers=kept, opset_imports={"": 20}, name="split")
    model = ir.Model(graph, ir_version=10)
    simplify(model)
    kinds = [node.op_type for node in model.graph]
    assert "Split" not in kinds
    assert kinds.count("Gemm") == 5
    rows = rng.normal(size=(4, 3)).astype(np.float32)
    three, two = InferenceSession(ir.to_proto(model).SerializeToString()).run(None, {"x": rows})
    turned = (0.5 * rows @ numbers["w"].T + numbers["c"]).reshape(-1, 2, 3, 2)[:, :, ::-1]
    np.testing.assert_allclose(three, turned.reshape(-1, 2, 6), rtol=1e-5, atol=1e-5)
    turned = (rows @ numbers["u"] + 2 * numbers["c"]).reshape(-1, 2, 2, 3)[:, :, ::-1]
    np.testing.assert_allclose(two, turned.reshape(-1, 2, 6), rtol=1e-5, atol=1e-5)


def test_of_shapes_in_a_row_the_last_counts():
    x = ir.val("x", dtype=ir.DataType.FLOAT, shape=["batch", 6])
    kept = [constant("first", [-1, 2, 3]), constant("second", [-1, 3]), constant("copied", [0, -1])]
    nodes = [ir.node("Reshape", [x, kept[0]])]
    nodes.append(ir.node("Reshape", [nodes[0].outputs[0], kept[1]]))
    # The rows of what comes in, which x alone would have too; but it might not.
    nodes.append(ir.node("Reshape", [nodes[0].outputs[0], kept[2]]))
    for node, name, width in zip(nodes[1:], "yz", (3, 6)):
        out = node.outputs[0]
        out.name, out.type, out.shape = name, ir.TensorType(ir.DataType.FLOAT), ir.Shape(["rows", width])
    outputs = [node.outputs[0] for node in nodes[1:]]
    graph = ir.Graph([x], outputs, nodes=nodes, initializers=kept, opset_imports={"": 20}, name="shapes")
    model = ir.Model(graph, ir_version=10)
    simplify(model)
    assert nodes[1].inputs[0] is x
    assert nodes[2].inputs[0] is nodes[0].outputs[0]
    rows = np.arange(12, dtype=np.float32).reshape(2, 6)
    threes, same = InferenceSession(ir.to_proto(model).SerializeToString()).run(None, {"x": rows})
    assert threes.tolist() == rows.reshape(-1, 3).tolist()
    assert same.tolist() == rows.tolist()
