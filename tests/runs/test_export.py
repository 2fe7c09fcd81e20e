"""Runs that leave as one file: what it predicts, what it needs, and when it is refused."""

import csv
import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.cli.commands import main
from colonnade.cli.export import OPTIONS
from colonnade.config.check import check
from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, RunFolderError
from colonnade.deploy import runtime
from colonnade.deploy.onnx_export import OnnxExport
from colonnade.deploy.parity import Parity
from colonnade.deploy.runtime import OnnxModel
from colonnade.deploy.torch_export import TorchExport
from colonnade.runs.export import export
from colonnade.runs.fit import fit
from colonnade.runs.folder import RunFolder
from colonnade.runs.predict import predict
from colonnade.runs.predict_onnx import predict_onnx
from colonnade.runs.predict_program import predict_program

EXAMPLE = Path(__file__).parents[2] / "examples" / "predict_onnx.py"
QUICK = (
    "model=linear",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "threads=1",
    "logger=none",
    "callbacks=none",
    "export=onnx",
    "pipeline.steps.calendar.parts=[hour,elapsed]",
)
# A process in which nothing but numpy and onnxruntime can be imported.
ALONE = """
import runpy, sys
ALLOWED = {{*sys.stdlib_module_names, "numpy", "onnxruntime", "flatbuffers", "google", "packaging"}}
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED and not name.startswith("_"):
            raise ModuleNotFoundError(f"no {{name}} here", name=name)
sys.meta_path.insert(0, Nothing())
sys.argv = ["runtime.py", {model!r}, {rows!r}]
runpy.run_path({script!r}, run_name="__main__")
"""


def table(n_rows=120):
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "key": [f"K{i}" for i in range(n_rows)],
            "label": rng.normal(50, 10, n_rows).round(3),
            "colour": [("red", "blue", None, "grün")[i] for i in rng.integers(0, 4, n_rows)],
            "yes": [("Yes", "false", None)[i] for i in rng.integers(0, 3, n_rows)],
            "when": [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d} {i % 24:02d}:30:00" for i in range(n_rows)],
            "count": [None if i % 9 == 0 else i % 7 for i in range(n_rows)],
            "y": [("no", "yes")[i] for i in rng.integers(0, 2, n_rows)],
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that was exported, in a folder beside the file it was trained on and one with an unseen category."""
    folder = tmp_path_factory.mktemp("exported")
    frame = table()
    frame.write_csv(folder / "rows.csv")
    new = frame.head(5).drop("y").with_columns(colour=pl.Series(["pink", "red", None, "blue", "grün"]))
    new.write_csv(folder / "new.csv")
    fit(configuration(folder), folder / "run")
    return folder


def configuration(folder):
    words = [f"data.path={folder / 'rows.csv'}", "data.target=y", "data.row_id=key", "data.columns.yes=boolean"]
    return compose([*QUICK, *words])


def test_the_file_lies_in_the_run_folder(run):
    folder = RunFolder(run / "run")
    folder.verify("model.onnx", "export.json")
    (told,) = json.loads((folder / "export.json").read_text()).items()
    assert told[0] == "model.onnx"
    assert (told[1]["rows"], told[1]["tolerance"], told[1]["quantized"]) == (122, 1e-5, None)
    assert {*told[1]["errors"]} == {"label", "probability", "/encoded/num", "/encoded/cat"}
    assert max(told[1]["errors"].values()) <= 1e-5
    facts = OnnxModel(folder / "model.onnx").facts
    assert facts["config_hash"] == folder.state["config_hash"]
    assert [(g["column"], g["name"]) for g in facts["inputs"]][0] == ("label", "column/label")
    assert {g["column"]: g["kind"] for g in facts["inputs"]} == {
        "label": "numeric",
        "count": "integer",
        "yes": "boolean",
        "colour": "categorical",
        "when": "datetime",
    }
    assert str(run).encode() not in (folder / "model.onnx").read_bytes()


def same(found, expected):
    assert found.columns == expected.columns
    numbers = pl.selectors.float()
    assert found.select(~numbers).equals(expected.select(~numbers))
    np.testing.assert_allclose(found.select(numbers).to_numpy(), expected.select(numbers).to_numpy(), atol=1e-6)


def test_it_predicts_what_the_run_predicts(run, tmp_path):
    for name in ("rows.csv", "new.csv"):
        found = predict_onnx(run / "run" / "model.onnx", run / name, tmp_path / "out.csv")
        assert found.columns[:3] == ["row_id", "key", "prediction"]
        same(found, predict(run / "run", run / name))
    assert pl.read_csv(tmp_path / "out.csv").height == 5


def test_a_program_predicts_what_the_run_predicts(run, tmp_path, capsys):
    model = tmp_path / "m.pt2"
    export(run / "run", model, format="pt2")
    for name in ("rows.csv", "new.csv"):
        assert main(["predict", f"model={model}", f"data.path={run / name}", f"out={tmp_path / 'p.parquet'}"]) == 0
        same(pl.read_parquet(tmp_path / "p.parquet"), predict(run / "run", run / name))
    assert capsys.readouterr().out.endswith("5 rows: " + str(tmp_path / "p.parquet") + "\n")
    with pytest.raises(ConfigError, match=r"trainer\.accelerator=tpu: cpu, gpu, cuda"):
        predict_program(model, run / "new.csv", accelerator="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=r"trainer\.accelerator=gpu: torch finds no GPU here"):
            predict_program(model, run / "new.csv", accelerator="gpu")


def test_eight_bits(run, tmp_path, capsys):
    words = ["export", f"run={run / 'run'}", f"out={tmp_path / 'm.onnx'}"]
    assert main([*words, "quantize=int8"]) == 0
    assert "in fewer bits, mean difference\n  label" in capsys.readouterr().out
    exact, small = (predict_onnx(path, run / "rows.csv") for path in (run / "run" / "model.onnx", tmp_path / "m.onnx"))
    assert 0 < (exact["probability/yes"] - small["probability/yes"]).abs().max() < 0.05
    assert main([*words, "quantize=int4"]) != 0
    assert "export: quantize must be one of int8, fp16, bf16, or null, got int4" in capsys.readouterr().err
    assert main([*words, "compute=int8"]) != 0
    assert "export: compute must be fp16, or null, got int8" in capsys.readouterr().err
    assert main([*words, "quantize=int8", "quantize_tolerance=1e-9"]) != 0
    said = capsys.readouterr().err
    assert "(allowed 1e-09): quantize=null, or a larger quantize_tolerance" in said


def test_the_verb_takes_the_words_of_a_configuration(run, monkeypatch, tmp_path, capsys):
    made = []

    def pretend(self, trained, frame, out):
        made.append(vars(self))
        out.write_bytes(b"graph")
        return Parity(rows=frame.height, tolerance=1e-5, errors={"probability": 6e-8})

    monkeypatch.setattr(OnnxExport, "__call__", pretend)
    words = ["export", f"run={run / 'run'}", f"out={tmp_path / 'm.onnx'}"]
    told = {"tolerance": 1e-4, "rows": 20, "matrix_above": 2, "quantize": "fp16", "quantize_tolerance": 0.5}
    assert main([*words, *(f"{name}={value}" for name, value in told.items())]) == 0
    assert made == [told | {"compute": None}]
    assert main([*words, "quantize=null"]) == 0
    assert made[-1] == {**vars(OnnxExport())}
    # What the exporters take is what the verb takes.
    assert {*OPTIONS} == {*vars(OnnxExport()), *vars(TorchExport())}
    capsys.readouterr()
    assert main([*words, "rows=some"]) == 2
    assert "colonnade export: rows=some: expected a whole number" in capsys.readouterr().err
    assert main([*words, "compile=true"]) == 2
    assert "export: compile= is not for format=onnx, which takes " in capsys.readouterr().err
    assert main([*words, "rows=0"]) == 2
    assert "export: rows must be 1 or more, got 0" in capsys.readouterr().err


def test_the_verb_needs_no_torch(run, tmp_path):
    words = ["predict", f"model={run / 'run' / 'model.onnx'}", f"data.path={run / 'new.csv'}", "out=p.parquet"]
    code = f"import sys; from colonnade.cli.commands import main; print(main({words}), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    said, modules = done.stdout.splitlines()
    status, *imported = modules.split()
    assert (said, status) == ("5 rows: p.parquet", "0"), done.stderr
    assert "onnxruntime" in imported
    assert not {"torch", "lightning", "hydra", "omegaconf", "sklearn", "scipy", "onnx"} & set(imported)
    same(pl.read_parquet(tmp_path / "p.parquet"), predict(run / "run", run / "new.csv"))


def test_the_runtime_and_the_example_need_numpy_and_onnxruntime_alone(run, tmp_path):
    shutil.copy(runtime.__file__, tmp_path / "copied.py")
    expected = predict(run / "run", run / "new.csv")
    outputs = []
    for script in (tmp_path / "copied.py", EXAMPLE):
        code = ALONE.format(model=str(run / "run" / "model.onnx"), rows=str(run / "new.csv"), script=str(script))
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    same(pl.read_csv(outputs[0].encode()), expected.drop("row_id", "key"))
    label, probability = (json.loads(line.partition(" ")[2].replace("'", '"')) for line in outputs[1].splitlines())
    assert label == expected["prediction"].to_list()
    np.testing.assert_allclose(probability, expected.select(pl.col("^probability/.*$")).to_numpy(), atol=1e-6)


def test_what_is_exported_stays_and_what_is_missing_is_made(run, monkeypatch, tmp_path):
    folder = RunFolder(shutil.copytree(run / "run", tmp_path / "run"))
    calls = []

    def pretend(self, trained, frame, out):
        calls.append((frame.height, out.name))
        out.write_bytes(b"graph")
        return Parity(rows=frame.height, tolerance=self.tolerance)

    monkeypatch.setattr(OnnxExport, "__call__", pretend)
    fit(configuration(run), folder.path)
    assert calls == []
    (folder / "model.onnx").unlink()
    fit(configuration(run), folder.path)
    assert calls == [(120, "model.onnx")]
    folder.verify("model.onnx", "network.safetensors")


def test_the_verb_says_how_near_it_is(run, monkeypatch, tmp_path, capsys):
    def pretend(self, trained, frame, out):
        out.write_bytes(b"graph")
        return Parity(rows=frame.height, tolerance=1e-5, errors={"probability": 6e-8})

    monkeypatch.setattr(OnnxExport, "__call__", pretend)
    out = tmp_path / "other.onnx"
    words = [f"run={run / 'run'}", f"out={out}", f"data.path={run / 'new.csv'}"]
    assert main(["export", *words]) == 0
    assert capsys.readouterr().out == (
        f"{out}: 5 bytes, compared with the run on 5 rows; largest difference\n  probability  6.0e-08\n"
    )
    assert "other.onnx" not in (run / "run" / "manifest.json").read_text()
    assert main(["export", f"run={run / 'run'}", "out=model.pt"]) == 2
    assert "unknown ending '.pt'; use .onnx" in capsys.readouterr().err


def test_rows_that_are_gone(run, tmp_path):
    folder = shutil.copytree(run / "run", tmp_path / "run")
    text = (folder / "config.yaml").read_text().replace("rows.csv", "gone.csv")
    (folder / "config.yaml").write_text(text)
    RunFolder(folder).write_manifest()
    with pytest.raises(ConfigError, match=r"cannot be read: .*gone\.csv.*; data\.path=<file> names others"):
        export(folder)
    with pytest.raises(RunFolderError, match="holds no finished run"):
        export(tmp_path)


def test_a_file_that_is_none_of_ours(run, tmp_path):
    with pytest.raises(
        ConfigError, match=r"model='none\.onnx': there is no such file; `colonnade export run=...` makes"
    ):
        predict_onnx("none.onnx", run / "new.csv")
    (tmp_path / "x.onnx").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"x\.onnx' is no model that onnxruntime can load"):
        predict_onnx(tmp_path / "x.onnx", run / "new.csv")
    (tmp_path / "x.pt2").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"x\.pt2': it is no program that torch can load"):
        predict_program(tmp_path / "x.pt2", run / "new.csv")
    program = torch.export.export(torch.nn.Identity(), (torch.zeros(2),))
    torch.export.save(program, tmp_path / "other.pt2")
    with pytest.raises(ConfigError, match=r"other\.pt2': the program was not exported by colonnade"):
        predict_program(tmp_path / "other.pt2", run / "new.csv")


def test_what_cannot_be_exported_is_told_before_it_is_trained(tmp_path, monkeypatch):
    words = ["data.path=x.csv", "data.target=y", "task=binary", "export=onnx"]
    check(compose([*words, "model=catboost"]))
    with pytest.raises(ConfigError, match=r"export\.onnx: tolerance must be above 0, got -1"):
        check(compose([*words, "export.onnx.tolerance=-1"]))
    table().write_csv(tmp_path / "rows.csv")
    monkeypatch.setattr("colonnade.data.steps.scale.Affine.exportable", False)
    words = [*QUICK, f"data.path={tmp_path / 'rows.csv'}", "data.target=y"]
    with pytest.raises(ConfigError, match="step 'scale' is not made for it"):
        fit(compose(words), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "result.json").read_text())["epochs"] is None


@pytest.mark.slow
def test_raw_rows_of_adult_give_the_predictions_of_the_run(real_data, tmp_path):
    fit(compose([*QUICK[:-1], "data=adult"]), tmp_path / "run")
    model = OnnxModel(tmp_path / "run" / "model.onnx", threads=1)
    reading = model.facts["reading"]
    with gzip.open(real_data / "adult.test.gz", "rt", newline="") as file:
        lines = (line for line in file if line.strip() and not line.startswith(reading["comment"]))
        rows = list(csv.reader(lines))
    columns = dict(zip(reading["header"], zip(*rows), strict=True))
    found = model.predict(columns)
    expected = pl.read_parquet(tmp_path / "run" / "predictions.parquet").filter(split="test").sort("row_id")
    assert len(rows) == expected.height == 16281
    np.testing.assert_allclose(
        found["probability"], expected.select("probability/<=50K", "probability/>50K").to_numpy(), atol=1e-5
    )
    assert (found["label"] == expected["prediction"].to_numpy()).mean() > 0.9999
    again = model.predict(model.read_csv(real_data / "adult.test.gz"))
    np.testing.assert_array_equal(again["probability"], found["probability"])
