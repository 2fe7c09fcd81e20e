"""Runs on series that leave as one file: what it predicts, from which files, and what it is held to."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError, ExportError, SchemaError
from colonnade.deploy.runtime import InputError, OnnxModel
from colonnade.explain.options import Explain
from colonnade.nn.backbones.recurrent import Recurrent
from colonnade.runs.ensemble import ensemble
from colonnade.runs.explain import explain
from colonnade.runs.export import export
from colonnade.runs.fit import fit
from colonnade.runs.predict import predict
from colonnade.runs.predict_onnx import predict_onnx
from colonnade.runs.predict_program import predict_program

from . import test_forecasts, test_sequences
from .test_export import same

SMALL = ("model.backbone.d_hidden=6", "model.backbone.n_layers=1", "trainer.max_epochs=1")


def steps(n=60):
    """The steps of the tests of sequences, with columns of every kind, one of which is called like an input."""
    frame = test_sequences.frame(n)
    i = pl.int_range(pl.len())
    return frame.with_columns(
        length=i % 11,
        on=pl.when(i % 7 == 0).then(None).when(i % 2 == 0).then(pl.lit("yes")).otherwise(pl.lit("no")),
        at=pl.format(
            "2024-01-{} {}:30:00", (1 + i % 28).cast(pl.String).str.zfill(2), (i % 24).cast(pl.String).str.zfill(2)
        ),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A calibrated run on series that was exported, and a file of series with a category and a length never seen."""
    folder = tmp_path_factory.mktemp("exported_series")
    steps().write_csv(folder / "steps.csv")
    more = ("export=onnx", "calibration=temperature", "uncertainty=auto", "data.columns.on=boolean", *SMALL)
    fit(compose(test_sequences.words(folder, *more)), folder / "run")
    new = steps(8).drop("rises").with_columns(mode=pl.when(pl.col("t") == 1).then(pl.lit("odd")).otherwise("mode"))
    long = new.filter(run="r0").with_columns(run=pl.lit("long"))
    long = pl.concat([long.with_columns(t=pl.col("t") + 20 * i) for i in range(3)])
    pl.concat([new, long, new.filter(pl.col("run") == "r1").head(1).with_columns(run=pl.lit("one"))]).write_csv(
        folder / "new.csv"
    )
    return folder


def test_it_predicts_what_the_run_predicts(run, tmp_path):
    for name in ("steps.csv", "new.csv"):
        found = predict_onnx(run / "run" / "model.onnx", run / name)
        assert {"row_id", "run", "prediction", "probability/yes", "set/yes"} <= set(found.columns)
        same(found, predict(run / "run", run / name))
    assert found["run"][-2:].to_list() == ["long", "one"]


def test_what_goes_in(run):
    model = OnnxModel(run / "run" / "model.onnx")
    given = {value.name: (value.type, value.shape) for value in model.session.get_inputs()}
    assert given == {
        "x": ("tensor(double)", ["batch", "time"]),
        "column/length": ("tensor(double)", ["batch", "time"]),
        "on": ("tensor(double)", ["batch", "time"]),
        "mode": ("tensor(string)", ["batch", "time"]),
        "at": ("tensor(int64)", ["batch", "time"]),
        "length": ("tensor(int64)", ["batch"]),
    }
    assert model.series == {"length": "length", "context": None, "horizon": None, "values": [], "ahead": 0}
    assert model.facts["reading"]["id"] == "run"
    assert str(run).encode() not in (run / "run" / "model.onnx").read_bytes()


def test_arrays_and_lists_are_enough(run):
    model = OnnxModel(run / "run" / "model.onnx")
    expected = predict(run / "run", run / "steps.csv")
    read = pl.read_csv(run / "steps.csv", infer_schema=False).with_columns(pl.col("t").cast(pl.Int64))
    folded = read.group_by("run", maintain_order=True).agg(pl.all().sort_by("t"))
    # Text, as a CSV file has it; some lists, some arrays.
    columns = {name: folded[name].to_list() for name in model.columns}
    columns["x"] = [np.array([np.nan if v is None else float(v) for v in series]) for series in columns["x"]]
    for rows in (4096, 7, 1):
        found = model.predict(columns, rows=rows)
        np.testing.assert_allclose(found["probability"][:, 1], expected["probability/yes"], atol=1e-6)
        assert found["label"].tolist() == expected["prediction"].to_list()


def test_the_verb_needs_no_torch(run, tmp_path):
    words = ["predict", f"model={run / 'run' / 'model.onnx'}", f"data.path={run / 'new.csv'}", "out=p.parquet"]
    code = f"import sys; from colonnade.cli.commands import main; print(main({words}), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    said, modules = done.stdout.splitlines()
    status, *imported = modules.split()
    assert (said, status) == ("10 rows: p.parquet", "0"), done.stderr
    assert not {"torch", "lightning", "hydra", "omegaconf", "sklearn", "scipy", "onnx"} & set(imported)


def test_what_a_file_of_series_refuses(run):
    model = OnnxModel(run / "run" / "model.onnx")
    columns = {name: [[None, None, None], [None]] for name in model.columns}
    assert len(model.predict(columns)["label"]) == 2
    for changed, said in (
        ({"x": [[1, 2, 3], ["?", "far"][1:]]}, r"column 'x', series 1, step 0: 'far' is no numeric value"),
        ({"x": [[1, 2, "far"], [1]]}, r"column 'x', series 0, step 2: 'far' is no numeric value"),
        ({"x": [[1, 2], [1]]}, r"series 0: '.*' has \d steps, and '.*' \d"),
        ({name: [[], [1]] for name in columns}, "series 0 has 0 steps, and 1 are needed"),
        ({"x": [[1, 2, 3]]}, "columns have different lengths"),
    ):
        with pytest.raises(InputError, match=said):
            model.predict({**columns, **changed})
    with pytest.raises(InputError, match="files of series are read by `colonnade predict model=... data.path=...`"):
        model.read_csv(run / "new.csv")


def test_a_graph_that_sees_some_steps_alone_is_found_out(run, monkeypatch, tmp_path):
    pooled = Recurrent.pooled

    def first_steps(self, x, mask):
        return pooled(self, *((x[:, :4], mask[:, :4]) if torch.compiler.is_exporting() else (x, mask)))

    monkeypatch.setattr(Recurrent, "pooled", first_steps)
    with pytest.raises(ExportError, match="output 'probability' of the graph is off by .* in batches of 1"):
        export(run / "run", tmp_path / "m.onnx")


def test_the_data_of_the_run_must_be_what_they_were(run, tmp_path):
    before = (run / "steps.csv").read_text()
    (run / "steps.csv").write_text(before + "\n")
    try:
        with pytest.raises(ConfigError, match=r"export: series on which .* changed since\): data\.path=<file> names"):
            export(run / "run", tmp_path / "m.onnx")
    finally:
        (run / "steps.csv").write_text(before)


@pytest.fixture(scope="module")
def forecast(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported_forecasts")
    for model in ("dlinear", "seasonal_naive"):
        quick = test_forecasts.QUICK if model == "dlinear" else ("logger=none",)
        cfg = compose(test_forecasts.words(f"model={model}", "export=onnx", *quick))
        fit(cfg, folder / model, test_forecasts.series())
    return folder


@pytest.mark.parametrize("model", ["dlinear", "seasonal_naive"])
def test_forecasts_of_a_file(forecast, model):
    found = predict_onnx(forecast / model / "model.onnx", test_forecasts.series())
    assert found.columns[2:5] == ["prediction/load+1", "prediction/temp+1", "prediction/load+2"]
    same(found, predict(forecast / model, test_forecasts.series()))
    loaded = OnnxModel(forecast / model / "model.onnx")
    assert [value.shape for value in loaded.session.get_outputs()] == [["batch", 6, 2]]
    assert {tuple(value.shape) for value in loaded.session.get_inputs()} == {("batch", 48)}
    assert loaded.series == {"length": None, "context": 48, "horizon": 6, "values": ["load", "temp"], "ahead": 0}
    with pytest.raises(
        DataError, match=r"2 series \(south, north\) have fewer steps than a forecast looks back at: 48"
    ):
        predict_onnx(forecast / model / "model.onnx", test_forecasts.series().filter(pl.col("hour") < 40))
    with pytest.raises(InputError, match="series 0 has 3 steps, and 48 are needed"):
        loaded.predict({name: [[1, 2, 3]] for name in loaded.columns})


def test_a_program_of_torch_takes_series_of_any_length(run, tmp_path):
    export(run / "run", tmp_path / "m.pt2", format="pt2")
    for name in ("steps.csv", "new.csv"):
        same(predict_program(tmp_path / "m.pt2", run / name), predict(run / "run", run / name))


def test_a_program_of_torch_forecasts_too(forecast, tmp_path):
    export(forecast / "dlinear", tmp_path / "m.pt2", data=test_forecasts.series(), format="pt2")
    same(
        predict_program(tmp_path / "m.pt2", test_forecasts.series()),
        predict(forecast / "dlinear", test_forecasts.series()),
    )


def test_several_models_leave_as_one(forecast, tmp_path):
    ensemble([forecast / "dlinear", forecast / "seasonal_naive"], tmp_path / "both")
    export(tmp_path / "both", data=test_forecasts.series())
    found = predict_onnx(tmp_path / "both" / "model.onnx", test_forecasts.series())
    same(found, predict(tmp_path / "both", test_forecasts.series()))


def test_windows_that_begin_before_their_series_and_are_filled(tmp_path):
    words = ("model=naive", "data.short=repeat", "data.fill=forward", "logger=none", "callbacks=none", "export=onnx")
    fit(compose(test_forecasts.words(*words)), tmp_path / "run", test_forecasts.series())
    short = test_forecasts.series().filter((pl.col("hour") < 40) & (pl.col("hour") != 7))
    same(predict_onnx(tmp_path / "run" / "model.onnx", short), predict(tmp_path / "run", short))


def test_times_that_columns_spell_together(tmp_path):
    days = test_forecasts.series().with_columns(
        day=(pl.date(2024, 1, 1) + pl.duration(days=pl.col("hour") // 24)).cast(pl.String), hour=pl.col("hour") % 24
    )
    of_time = ("data.time=[day,hour]", "data.elapsed=hours")
    words = test_forecasts.words("model=naive", *of_time, "logger=none", "callbacks=none", "export=onnx")
    fit(compose(words), tmp_path / "run", days)
    found = predict_onnx(tmp_path / "run" / "model.onnx", days)
    same(found, predict(tmp_path / "run", days))
    fit(
        compose(test_forecasts.words("model=naive", "logger=none", "callbacks=none")),
        tmp_path / "one",
        test_forecasts.series(),
    )
    same(found, predict(tmp_path / "one", test_forecasts.series()))
    with pytest.raises(SchemaError, match=r"data.time=\['day', 'hour'\]: 'day' is no column"):
        predict_onnx(tmp_path / "run" / "model.onnx", days.drop("day"))


def test_steps_that_are_told_by_their_history(tmp_path, monkeypatch):
    frame = test_sequences.frame(40).sort("run", "t").drop("rises")
    frame = frame.with_columns(busy=pl.col("mode").shift(1).over("run").fill_null("idle"))
    frame.write_csv(tmp_path / "steps.csv")
    small = ("model=event_gru", "model.backbone.d_hidden=4", "model.backbone.n_layers=1", "trainer.max_epochs=1")
    place = (f"data.path={tmp_path / 'steps.csv'}", "data.id=run", "data.time=t", "data.target=busy", "data.context=5")
    quiet = ("trainer=cpu", "threads=1", "logger=none", "callbacks=none")
    fit(compose([*small, "data=steps", *place, *quiet, "export=onnx"]), tmp_path / "run")
    found = predict_onnx(tmp_path / "run" / "model.onnx", tmp_path / "steps.csv")
    assert found.height == frame.height
    same(found, predict(tmp_path / "run", tmp_path / "steps.csv"))
    monkeypatch.setattr("colonnade.report.explanation.draw", lambda *of, **how: {})
    explained = explain(tmp_path / "run", options=Explain(rows=5, background=8, steps=4))
    assert explained.views[0].over_time.lengths.max() <= 5


def test_lengths_go_in_where_no_prediction_depends_on_them(run):
    kept = [word for word in test_sequences.words(run) if not word.startswith(("model", "optim", "trainer", "loader"))]
    fit(compose([*kept, "model=dummy", "export=onnx"]), run / "dummy")
    same(predict_onnx(run / "dummy" / "model.onnx", run / "new.csv"), predict(run / "dummy", run / "new.csv"))
