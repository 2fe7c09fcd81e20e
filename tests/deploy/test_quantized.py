"""Graphs with weights of fewer bits: smaller, near to the model on average, and refused where they are not."""

import logging

import numpy as np
import onnx
import pytest
import torch

from colonnade.core.errors import ExportError
from colonnade.deploy.onnx_export import Exportable, OnnxExport
from colonnade.deploy.runtime import OnnxModel

from .kit import made


def exported(model, task, columns, path, quantize="int8", **options):
    of = made(model, task, columns)
    trained = Exportable(of.predictor, of.lookup, of.schema, of.spec, of.task, "abc", {})
    return of, OnnxExport(quantize=quantize, **options)(trained, of.frame, path)


def test_the_graph_is_near_to_the_model(tmp_path):
    before = logging.getLogger().handlers[:], logging.getLogger().level
    of, parity = exported("mlp", "multiclass", ["plain", "skewed", "colour"], tmp_path / "model.onnx")
    assert (logging.getLogger().handlers, logging.getLogger().level) == before
    made_of = onnx.load(tmp_path / "model.onnx")
    kinds = [node.op_type for node in made_of.graph.node]
    assert kinds.count("MatMulInteger") == 2
    assert "Gemm" not in kinds
    # One-hot columns are taken by a matrix of zeros and ones, which stays.
    (left,) = (node for node in made_of.graph.node if node.op_type == "MatMul")
    (chosen,) = (onnx.numpy_helper.to_array(w) for w in made_of.graph.initializer if w.name == left.input[1])
    assert set(chosen.flat) <= {0, 1}
    assert made_of.producer_name == "colonnade"
    loaded = OnnxModel(tmp_path / "model.onnx")
    assert loaded.facts["config_hash"] == "abc"
    found = loaded.predict({name: of.frame[name].to_numpy() for name in loaded.columns})
    raw = of.lookup(of.frame)
    with torch.inference_mode():
        expected = of.predictor(raw.num, raw.cat, raw.time)
    apart = np.abs(found["probability"] - expected["probability"].numpy()).max(1)
    assert parity.quantized["probability"] == pytest.approx(apart.mean(), rel=1e-3)
    assert 1e-6 < apart.mean() < 0.01
    labels = np.array(of.spec.classes)[expected["label"].numpy()]
    assert parity.quantized["label"] == pytest.approx((found["label"] != labels).mean())
    # What was exported has been compared as ever.
    assert parity.worst < 1e-5


@pytest.mark.parametrize(("kind", "stored", "digits"), [("fp16", 10, 11), ("bf16", 16, 8)])
def test_weights_in_16_bits_are_rounded_and_nothing_else(kind, stored, digits, tmp_path):
    of, parity = exported("tabm", "regression", ["plain", "skewed"], tmp_path / "model.onnx", quantize=kind)
    graph = onnx.load(tmp_path / "model.onnx").graph
    kinds = {weight.data_type for weight in graph.initializer if len(weight.dims) > 1}
    # What the pipeline computes with stays in float64.
    assert stored in kinds
    assert onnx.TensorProto.FLOAT not in kinds
    columns = {name: of.frame[name].to_numpy() for name in of.frame.columns}
    found = OnnxModel(tmp_path / "model.onnx").predict(columns)["value"]
    # As the model with rounded weights.
    with torch.inference_mode():
        for weight in of.predictor.network.parameters():
            if weight.dim() > 1:
                weight.copy_(weight.to(torch.float16 if kind == "fp16" else torch.bfloat16))
        raw = of.lookup(of.frame)
        expected = of.predictor(raw.num, raw.cat, raw.time)["value"].numpy()
    scale = of.spec.target_scale[0]
    assert np.abs(found - expected).max() / scale < 1e-5
    assert 0 < parity.quantized["value"] < 2.0 ** (2 - digits)


def test_what_has_no_weights_is_not_stored_in_16_bits(tmp_path):
    with pytest.raises(ExportError, match="quantize=fp16: the model has no table of weights: leave it out"):
        exported("forest", "binary", ["plain"], tmp_path / "model.onnx", quantize="fp16")


def test_a_graph_that_is_too_far_off_is_not_written(tmp_path):
    with pytest.raises(
        ExportError, match=r"of the int8 graph is off by .* on average \(allowed 1e-09\): .*quantize=null"
    ):
        exported("linear", "regression", ["plain", "skewed"], tmp_path / "model.onnx", quantize_tolerance=1e-9)
    assert not list(tmp_path.iterdir())


def test_a_forest_has_no_matrices(tmp_path):
    with pytest.raises(ExportError, match="quantize=int8: the model has no matrix of weights: leave it out"):
        exported("forest", "binary", ["plain", "count"], tmp_path / "model.onnx")


@pytest.mark.parametrize("argument", [{"quantize": "int4"}, {"quantize_tolerance": 0.0}])
def test_ranges(argument):
    (name,) = argument
    with pytest.raises(ValueError, match=f"{name} must be"):
        OnnxExport(**argument)
