"""Pipeline: order, seeds, blocks, storage and what it refuses."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.core.errors import ConfigError, RunFolderError
from colonnade.core.schema import Column, Kind, Schema
from colonnade.data.pipeline import FittedPipeline, Pipeline
from colonnade.data.steps.calendar import Calendar
from colonnade.data.steps.drop import Drop
from colonnade.data.steps.impute import Impute
from colonnade.data.steps.onehot import OneHot
from colonnade.data.steps.quantile import QuantileNormal
from colonnade.data.steps.rare import Rare
from colonnade.data.steps.scale import Standard
from colonnade.data.steps.target_encode import TargetEncode
from colonnade.testing.steps import N_ROWS, example, example_target


def fit(steps: dict, rows: np.ndarray | None = None, **options) -> FittedPipeline:
    frame, schema = example()
    rows = np.arange(N_ROWS) if rows is None else rows
    return Pipeline(steps=steps, **options).fit(frame, schema, example_target()[rows], rows, seed=1)


def test_steps_act_in_order_on_what_the_ones_before_gave() -> None:
    fitted = fit({"drop": Drop(), "impute": Impute(), "scale": Standard()})
    frame, _ = example()
    num, _ = fitted.encode(frame)
    filled = frame["skewed"].fill_null(frame["skewed"].median()).to_numpy()
    column = fitted.num_names.index("skewed")
    np.testing.assert_allclose(num[:, column], (filled - filled.mean()) / filled.std(), rtol=1e-5)
    flag = fitted.num_names.index("skewed.missing")
    np.testing.assert_array_equal(num[:, flag], frame["skewed"].is_null())
    assert fitted.describe()["skewed"].startswith("skewed, or ")
    assert "; then (skewed - " in fitted.describe()["skewed"]
    assert fitted.describe()["colour"] == "as read"


def test_a_step_left_out_leaves_the_others_as_they_are() -> None:
    with_rare = fit({"rare": Rare(), "impute": Impute(), "scale": QuantileNormal(noise=0.1)})
    without = fit({"rare": None, "impute": Impute(), "scale": QuantileNormal(noise=0.1)})
    assert without.module.names == ("impute", "scale")
    assert torch.equal(with_rare.module.state_dict()["steps.2.knots"], without.module.state_dict()["steps.1.knots"])


def test_sample_of_the_train_rows() -> None:
    whole = fit({"impute": Impute(), "scale": Standard()})
    sampled = fit({"rare": Rare(min_count=6), "impute": Impute(), "scale": Standard()}, sample_rows=100)
    assert not torch.equal(whole.module.state_dict()["steps.1.center"], sampled.module.state_dict()["steps.2.center"])
    # Categories are counted over all train rows, whatever the sample.
    all_rows = fit({"rare": Rare(min_count=6), "impute": Impute()})
    assert sampled.cardinalities == all_rows.cardinalities
    drop = fit({"drop": Drop(), "impute": Impute()}, sample_rows=100)
    assert f"drop: numbers and datetimes were looked at in 100 of {N_ROWS} train rows" in drop.log


def test_outputs_are_written_in_place() -> None:
    frame, _ = example()
    fitted = fit({"impute": Impute()})
    num = torch.full((50, len(fitted.num_names)), -1.0)
    cat = torch.full((50, len(fitted.cat_names)), -1, dtype=torch.int32)
    rows = np.arange(100, 150)[::-1].copy()
    returned = fitted.encode(frame, rows=rows, num_out=num, cat_out=cat, block=16)
    assert returned[0] is num
    assert returned[1] is cat
    expected = fitted.encode(frame)
    assert torch.equal(num, expected[0][rows])
    assert torch.equal(cat.long(), expected[1][rows])
    # A tensor made in inference mode could not be trained on.
    assert not expected[0].is_inference()


def test_train_rows_are_cross_fitted() -> None:
    frame, _ = example()
    rows = np.random.default_rng(0).permutation(N_ROWS)[:100]
    fitted = fit({"target": TargetEncode(min_levels=5), "impute": Impute()}, rows)
    honest, _ = fitted.encode_train(frame, rows=rows, block=17)
    plain, _ = fitted.encode(frame, rows=rows)
    encoded = [i for i, name in enumerate(fitted.num_names) if ".target" in name]
    others = [i for i in range(len(fitted.num_names)) if i not in encoded]
    assert len(encoded) == 6
    assert not torch.isclose(honest[:, encoded], plain[:, encoded]).any(0).all()
    assert torch.equal(honest[:, others], plain[:, others])
    assert torch.equal(fitted.encode_train(frame[rows])[0], honest)


def test_loaded_pipelines_cannot_encode_train_rows(tmp_path: Path) -> None:
    frame, _ = example()
    fit({"target": TargetEncode(min_levels=5), "impute": Impute()}).save(tmp_path)
    with pytest.raises(RuntimeError, match="known only where the pipeline was fitted"):
        FittedPipeline.load(tmp_path).encode_train(frame)


def test_unknown_levels_are_counted() -> None:
    frame, _ = example()
    fitted = fit({"impute": Impute()}, np.arange(60))
    changed = frame.head(5).with_columns(colour=pl.Series(["new", "red", None, "newer", "green"]))
    assert fitted.unknown_counts(changed) == {"colour": 2}


def test_names_that_are_taken_get_a_number() -> None:
    frame = pl.DataFrame({"x": [1.0, None, 3.0], "x.missing": [1.0, 2.0, 4.0]})
    schema = Schema({name: Column(name, Kind.NUMERIC) for name in frame.columns})
    fitted = Pipeline(steps={"impute": Impute()}).fit(frame, schema, torch.zeros(3), np.arange(3), 0)
    assert fitted.num_names == ("x", "x.missing", "x.missing.2")


def test_datetimes_without_a_calendar_are_said() -> None:
    assert "column 'when' left out: no step makes numbers of datetimes (calendar)" in fit({"impute": Impute()}).log


def test_numbers_beyond_float32_become_its_largest() -> None:
    frame = pl.DataFrame({"x": [1e300, -1e300, 1.0]})
    schema = Schema({"x": Column("x", Kind.NUMERIC)})
    fitted = Pipeline(steps={"impute": Impute()}).fit(frame, schema, torch.zeros(3), np.arange(3), 0)
    largest = torch.finfo(torch.float32).max
    assert fitted.encode(frame)[0][:, 0].tolist() == [largest, -largest, 1.0]


def test_the_module_is_what_encodes() -> None:
    frame, _ = example()
    fitted = fit({"calendar": Calendar(), "onehot": OneHot(), "impute": Impute(), "scale": QuantileNormal()})
    raw = fitted.lookup(frame)
    num, cat = fitted.module(raw.num, raw.cat, raw.time)
    assert num.is_contiguous()
    assert torch.equal(num, fitted.encode(frame)[0])
    assert torch.equal(cat, fitted.encode(frame)[1])


def test_missing_numbers_must_be_filled() -> None:
    text = (
        "steps must hold one that fills missing numbers, or they would reach the network: "
        r"add impute: \{_target_: colonnade.data.steps.impute.Impute\}"
    )
    with pytest.raises(ValueError, match=text):
        Pipeline(steps={"scale": Standard()})
    with pytest.raises(ValueError, match=r"steps must have 'impute' after 'calendar', which may make missing numbers"):
        Pipeline(steps={"impute": Impute(), "calendar": Calendar()})


def test_what_is_refused(tmp_path: Path) -> None:
    frame, schema = example()
    with pytest.raises(ValueError, match="sample_rows must be at least 100, got 5"):
        Pipeline(steps={"impute": Impute()}, sample_rows=5)
    with pytest.raises(ValueError, match="target must have an entry for each of 10 train rows, has 240"):
        Pipeline(steps={"impute": Impute()}).fit(frame, schema, example_target(), np.arange(10), 0)
    constant = pl.DataFrame({"x": [1.0, 1.0]})
    with pytest.raises(
        ConfigError, match=r"the pipeline leaves no column:\n  - drop: column 'x' dropped: constant \(1\)"
    ):
        Pipeline(steps={"drop": Drop(), "impute": Impute()}).fit(
            constant, Schema({"x": Column("x", Kind.NUMERIC)}), torch.zeros(2), np.arange(2), 0
        )


def test_other_formats_are_refused(tmp_path: Path) -> None:
    fit({"impute": Impute()}).save(tmp_path)
    path = tmp_path / "pipeline.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(RunFolderError, match="has format 99, this version reads format 1"):
        FittedPipeline.load(tmp_path)
