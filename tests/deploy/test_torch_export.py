"""Programs of torch.export: what they give, what they say of themselves, and what has none."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from colonnade.core.errors import ConfigError, ExportError
from colonnade.data.lookup import Lookup
from colonnade.deploy.onnx_export import Exportable
from colonnade.deploy.program_parity import check_program
from colonnade.deploy.torch_export import TorchExport, load_program

from .kit import made


def exportable(of) -> Exportable:
    return Exportable(of.predictor, of.lookup, of.schema, of.spec, of.task, "abc", {})


@pytest.mark.parametrize(("model", "task"), [("mlp", "multiclass"), ("tabm", "quantile")])
def test_the_program_gives_what_the_predictor_gives(model, task, tmp_path):
    of = made(model, task, ["plain", "count", "colour", "when"])
    parity = TorchExport()(exportable(of), of.frame, tmp_path / "model.pt2")
    assert parity.worst < 1e-6
    program, facts = load_program(tmp_path / "model.pt2")
    assert facts["config_hash"] == "abc"
    lookup = Lookup.from_dict(facts["lookup"])
    raw = lookup(of.frame)
    with torch.inference_mode():
        found, expected = program(*raw.inputs), of.predictor(*raw.inputs)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]


def test_weights_that_were_read_from_a_file_may_be_empty(tmp_path):
    of = made("linear", "regression", ["plain"])
    of.predictor.register_buffer("none", torch.empty(0))
    save_file(of.predictor.state_dict(), tmp_path / "weights.safetensors")
    weights = load_file(tmp_path / "weights.safetensors")
    of.predictor.load_state_dict(weights, assign=True)
    assert sum(not weight.numel() for weight in weights.values()) > 1
    assert TorchExport()(exportable(of), of.frame, tmp_path / "model.pt2").worst < 1e-6


def test_what_torch_notes_of_a_compiled_program_is_not_ours(tmp_path, monkeypatch):
    class Compiled:
        def get_metadata(self):
            return {"task": "binary", "lookup": '{"num": []}', "AOTI_DEVICE_KEY": "cpu", **more}

    more = {}
    monkeypatch.setattr("torch._inductor.aoti_load_package", lambda path: Compiled())
    (tmp_path / "model.pt2").write_bytes(b"machine code")
    program, facts = load_program(tmp_path / "model.pt2")
    assert isinstance(program, Compiled)
    assert facts == {"task": "binary", "lookup": {"num": []}}
    more["device"] = "cuda"
    with pytest.raises(ExportError, match="the program was compiled for cuda, and is to run on cpu"):
        load_program(tmp_path / "model.pt2")


def test_another_model_is_found_out(tmp_path):
    of = made("linear", "regression", ["plain"])
    TorchExport()(exportable(of), of.frame, tmp_path / "model.pt2")
    program, _ = load_program(tmp_path / "model.pt2")
    with torch.no_grad():
        of.predictor.network.head.linear.bias += 0.1
    with pytest.raises(ExportError, match=r"output 'value' of the program is off by .* in batches of 1"):
        check_program(program, of.predictor, of.lookup, of.spec, of.frame, tolerance=1e-5)


def test_trees_are_refused(tmp_path):
    of = made("forest", "binary", ["plain"])
    with pytest.raises(ConfigError, match="trees are no operations of torch; export=onnx takes them"):
        TorchExport()(exportable(of), of.frame, tmp_path / "model.pt2")


def test_ranges(monkeypatch):
    with pytest.raises(ValueError, match="rows must be 1 or more, got 0"):
        TorchExport(rows=0)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"compile=true needs a C\+\+ compiler"):
        TorchExport(compile=True)
