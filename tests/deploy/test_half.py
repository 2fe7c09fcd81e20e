"""Networks that compute in 16 bits: what is rounded and what is not, in graphs and in programs of torch."""

import numpy as np
import onnx
import pytest
import torch

from colonnade.core.errors import ConfigError, ExportError
from colonnade.deploy.half import with_half
from colonnade.deploy.onnx_export import Exportable, OnnxExport
from colonnade.deploy.runtime import OnnxModel
from colonnade.deploy.torch_export import TorchExport, load_program

from .kit import made

DIGITS = {"fp16": 11, "bf16": 8}


def exportable(of):
    return Exportable(of.predictor, of.lookup, of.schema, of.spec, of.task, "abc", {})


def both(of, half, name):
    """What is right, and what is computed in 16 bits."""
    with torch.inference_mode():
        raw = of.lookup(of.frame).inputs
        return of.predictor(*raw)[name].double().numpy(), half(*raw)[name].double().numpy()


@pytest.mark.parametrize("kind", DIGITS)
@pytest.mark.parametrize("model", ["mlp", "ft_transformer", "tabm", "tabnet"])
def test_backbone_and_head_are_computed_in_16_bits_and_nothing_else(model, kind):
    of = made(model, "regression")
    before = {name: values.clone() for name, values in of.predictor.state_dict().items()}
    half = with_half(of.predictor, kind)
    dtype = torch.float16 if kind == "fp16" else torch.bfloat16
    for name, values in half.state_dict().items():
        rounded = name.startswith(("network.backbone.", "network.head.")) and values.is_floating_point()
        assert values.dtype == (dtype if rounded else before[name].dtype), name
        torch.testing.assert_close(values, before[name].to(values.dtype), rtol=0, atol=0)
    # The model itself stays.
    assert all(torch.equal(values, before[name]) for name, values in of.predictor.state_dict().items())
    expected, found = both(of, half, "value")
    apart = np.abs(found - expected).mean() / of.spec.target_scale[0]
    spread = expected.std() / of.spec.target_scale[0]
    assert 0 < apart < 2.0 ** (3 - DIGITS[kind]) * spread


def test_a_graph_computes_in_16_bits_between_float32_inputs_and_outputs(tmp_path):
    of = made("mlp", "multiclass", ["plain", "skewed", "colour", "when"])
    parity = OnnxExport(compute="fp16")(exportable(of), of.frame, tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    weights = {w.name: w.data_type for w in graph.initializer}
    products = [weights[node.input[1]] for node in graph.node if node.op_type == "Gemm"]
    assert products == [onnx.TensorProto.FLOAT16] * 2
    loaded = OnnxModel(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    found = loaded.predict({name: of.frame[name].to_numpy() for name in loaded.columns})["probability"]
    assert found.dtype == np.float32
    # onnxruntime has no such operators for processors, and rounds to 16 bits before and behind those it has.
    expected, half = both(of, with_half(of.predictor, "fp16"), "probability")
    assert np.abs(found - half).max() < 4e-3
    assert parity.quantized["probability"] == pytest.approx(np.abs(found - expected).max(1).mean(), rel=1e-3)
    assert parity.worst < 1e-5


@pytest.mark.parametrize("kind", DIGITS)
def test_a_program_computes_in_16_bits(kind, tmp_path):
    of = made("tabm", "quantile", ["plain", "count", "colour", "when"])
    parity = TorchExport(compute=kind)(exportable(of), of.frame, tmp_path / "model.pt2")
    program, _ = load_program(tmp_path / "model.pt2")
    expected, half = both(of, with_half(of.predictor, kind), "value")
    with torch.inference_mode():
        found = program(*of.lookup(of.frame).inputs)["value"]
    torch.testing.assert_close(found, torch.from_numpy(half))
    scale = np.asarray(of.spec.target_scale)
    assert parity.quantized["value"] == pytest.approx((np.abs(half - expected) / scale).max(1).mean(), rel=1e-4)
    assert parity.worst < 1e-6


def test_what_is_too_far_off_is_not_written(tmp_path):
    of = made("mlp", "regression", ["plain", "skewed"])
    for export, key in ((OnnxExport, "onnx"), (TorchExport, "torch")):
        with pytest.raises(ExportError, match=rf"the fp16 .* is off by .*: export\.{key}\.compute=null"):
            export(compute="fp16", quantize_tolerance=1e-9)(exportable(of), of.frame, tmp_path / f"model.{key}")
    assert not list(tmp_path.iterdir())


def test_a_forest_is_no_network():
    of = made("forest", "binary", ["plain"])
    for export in (OnnxExport, TorchExport):
        with pytest.raises(ConfigError, match="compute=fp16 is for networks, and this model is none: leave it out"):
            export(compute="fp16").check(of.predictor.network)
        # The pipeline is asked by itself.
        export(compute="fp16").check(of.predictor.pipeline)


def test_ranges():
    with pytest.raises(ValueError, match=r"compute must be fp16, or null, got bf16; export\.torch takes bf16 too"):
        OnnxExport(compute="bf16")
    with pytest.raises(ValueError, match="quantize=int8 and compute=fp16 exclude each other"):
        OnnxExport(compute="fp16", quantize="int8")
    with pytest.raises(ValueError, match="compute must be one of fp16, bf16, or null, got int8"):
        TorchExport(compute="int8")
    with pytest.raises(ValueError, match="device must be cpu or cuda, got gpu"):
        TorchExport(device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=r"export\.torch\.device=cuda: torch finds no GPU here"):
            TorchExport(device="cuda")
