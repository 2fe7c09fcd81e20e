"""What a data module makes of series that are forecast: windows of each part, and statistics of train steps alone."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.runs.assemble import assemble

WORDS = ("model=nlinear", "data=sequences", "task=forecast", "split=horizon", "data.context=6", "data.horizon=2")


def series(n=(60, 40, 10), seed=0):
    """Series of two values and a category, which begin at other levels."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(n)), n)
    total = len(of)
    return pl.DataFrame(
        {
            "id": of,
            "a": rng.normal(size=total).cumsum() + 10 * of,
            "b": rng.normal(3, 5, total),
            "day": rng.choice(["mon", "sat"], total).tolist(),
        }
    )


def ready(frame, *more, target="[a,b]"):
    cfg = compose([*WORDS, f"data.target={target}", "data.id=id", *more])
    return assemble(cfg, frame).datamodule


def test_windows_targets_and_units():
    frame = series()
    datamodule = ready(frame)
    spec = datamodule.spec
    assert (spec.n_steps, spec.horizon, spec.channels) == (6, 2, (0, 1))
    assert spec.target_names == ("a+1", "b+1", "a+2", "b+2")
    # 42 and 28 train steps; the third series has 7, of which no window is whole.
    assert spec.n_train == (42 - 7) + (28 - 7)
    train = np.r_[0:42, 60:88, 100:107]
    for i, name in enumerate(("a", "b")):
        values = frame[name].to_numpy()
        assert spec.target_mean[i] == spec.target_mean[i + 2] == pytest.approx(values[train].mean())
        assert spec.target_scale[i] == pytest.approx(values[train].std())
    for part in ("train", "val", "test"):
        for batch in datamodule.loader_for(part):
            for origin, num, target in zip(batch.row_id.tolist(), batch.num, batch.target):
                for i, name in enumerate(("a", "b")):
                    z = (frame[name].to_numpy() - spec.target_mean[i]) / spec.target_scale[i]
                    np.testing.assert_allclose(num[:, i], z[origin - 6 : origin], atol=1e-5)
                    np.testing.assert_allclose(target[i::2], z[origin : origin + 2], atol=1e-5)


def test_nothing_is_learned_of_later_steps():
    frame = series()
    later = pl.int_range(pl.len()).over("id") >= (pl.len().over("id") * 0.7 + 1e-9).floor()
    changed = frame.with_columns(
        a=pl.when(later).then(1e6).otherwise("a"),
        day=pl.when(later).then(pl.lit("new")).otherwise("day"),
    )
    one, other = ready(frame), ready(changed)
    assert one.spec.target_mean == other.spec.target_mean
    assert one.spec.target_scale == other.spec.target_scale
    assert one.spec.cardinalities == other.spec.cardinalities
    assert one.spec.num_sample.equal(other.spec.num_sample)
    assert len(one.spec.num_sample) == 77
    for first, second in zip(one.loader_for("train"), other.loader_for("train")):
        assert first.num.equal(second.num)
        assert first.target.equal(second.target)


def test_the_parts_are_written(tmp_path):
    datamodule = ready(series())
    datamodule.save(tmp_path)
    assert json.loads((tmp_path / "split.json").read_text())["ends"] == [[42, 48, 60], [28, 32, 40], [7, 8, 10]]


def test_a_chunk_is_shuffled_windows():
    datamodule = ready(series(), "loader.batch_size=8")
    chunk = next(iter(datamodule.train_dataloader()))
    assert chunk.longest is None
    assert chunk.batch.num.shape[1:] == (6, 2)
    assert sorted(chunk.batch.row_id.tolist()) == [*range(6, 41), *range(66, 87)]
    assert chunk.batch.row_id.tolist() != sorted(chunk.batch.row_id.tolist())


def test_rows_that_are_measured_are_windows():
    dataset = SequenceDataset(target=["a", "b"], id="id", horizon=2, context=6)
    schema = ready(series()).table.schema
    frame = series(n=(9, 4, 12), seed=1)
    table = dataset.read_new(frame, schema, need_target=True)
    assert table.frame["id"].to_list() == ["0"] * 2 + ["2"] * 5
    values = frame["b"].to_list()
    assert table.frame["b"].to_list() == [values[i : i + 6] for i in (0, 1, 13, 14, 15, 16, 17)]
    assert table.frame["b+2"].to_list() == [values[i + 7] for i in (0, 1, 13, 14, 15, 16, 17)]
    with pytest.raises(DataError, match=r"no series has the 6 \+ 2 steps of a window .*; the longest has 4"):
        dataset.read_new(frame.filter(id=1), schema, need_target=True)


@pytest.mark.parametrize(
    ("change", "more", "error", "said"),
    [
        (pl.lit(None).alias("a"), (), DataError, "'a' .*holds|'a' .*missing"),
        (
            pl.when(pl.int_range(pl.len()) == 3).then(None).otherwise("a").alias("a"),
            (),
            DataError,
            r"'a' \(data.target\) is missing in 1 of 110 steps: fill it before",
        ),
        (pl.lit(1.0).alias("a"), (), DataError, "'a' is the same in all 77 train steps: nothing can be learned"),
        (pl.lit(0).alias("c"), ("data.context=50",), DataError, "train has no window of 50 steps"),
        (
            pl.lit(0).alias("c"),
            ("pipeline=default",),
            ConfigError,
            r"the pipeline does more to what is forecast than to scale it \(a, b\): pipeline=sequence",
        ),
    ],
)
def test_what_cannot_be_forecast(change, more, error, said):
    with pytest.raises(error, match=said):
        ready(series().with_columns(change), *more)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"horizon": 3}, "horizon=3 and context=None: a forecast needs both"),
        ({"horizon": 0, "context": 4}, "horizon=0 must be at least 1"),
        ({"horizon": 3, "context": 4, "weight": "w"}, "weight=w: all windows of a forecast weigh the same"),
        ({"id": None, "channels": ["x"]}, "says that each row is a series, and id=null that all are one"),
    ],
)
def test_arguments_that_do_not_go_together(options, said):
    with pytest.raises(ValueError, match=said):
        SequenceDataset(**options)


def test_one_series_has_no_id():
    datamodule = ready(series(n=(60,)).drop("id"), "data.id=null", target="a")
    assert torch.equal(next(iter(datamodule.loader_for("test"))).row_id, torch.arange(48, 59))


def test_the_naive_error_is_that_of_train_steps_of_each_series_and_of_all():
    frame = series()
    datamodule = ready(frame, "data.season=5")
    spec = datamodule.spec
    assert spec.season == 5
    assert spec.counts is False
    ranges = ((0, 42), (60, 88), (100, 107))
    for c, name in enumerate(("a", "b")):
        values = frame[name].to_numpy()
        errors = [np.abs(values[start + 5 : stop] - values[start : stop - 5]) for start, stop in ranges]
        np.testing.assert_allclose(datamodule.naive_errors[:, c], [error.mean() for error in errors])
        assert spec.naive_error[c] == spec.naive_error[c + 2] == pytest.approx(np.concatenate(errors).mean())
    assert datamodule.names == ("0", "1", "2")


def test_a_season_longer_than_all_series_is_told():
    with pytest.raises(DataError, match=r"no series has more train steps than a season \(data.season=50\)"):
        ready(series(), "data.season=50")


def test_counts_are_seen():
    frame = series().with_columns(a=pl.int_range(pl.len()) % 7, b=(pl.int_range(pl.len()) % 4).cast(pl.Float64))
    assert ready(frame).spec.counts
    assert not ready(frame.with_columns(b=pl.col("b") + 0.5)).spec.counts
    assert not ready(frame.with_columns(a=pl.col("a") - 1)).spec.counts
