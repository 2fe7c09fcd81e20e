"""What a data module makes of series that are forecast: windows of each part, and statistics of train steps alone."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.config.compose import compose
from colonnade.core.errors import ConfigError, DataError, SchemaError
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
            r"'a' \(data.target\) is missing in 1 of 110 steps: with data.fill=forward the last value stands for it",
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
        ({"fill": "forward"}, "frequency=None and fill=forward are of series that are forecast: set horizon"),
        ({"horizon": 3, "context": 4, "fill": "back"}, "fill='back': forward or null"),
        ({"horizon": 3, "context": 4, "short": "pad"}, "short='pad': skip or repeat"),
        ({"horizon": 3, "context": 4, "frequency": "1h"}, "frequency=1h is of the column `time`, which is not set"),
        ({"horizon": 3, "context": 4, "time": "t", "frequency": "1x"}, "frequency=1x: a time such as 30m, 1h, 1d"),
        ({"id": ["a"]}, r"id=\['a'\]: a column, or several that name a series together"),
        ({"id": None, "channels": ["x"]}, "says that each row is a series, and id=null that all are one"),
    ],
)
def test_arguments_that_do_not_go_together(options, said):
    with pytest.raises(ValueError, match=said):
        SequenceDataset(**options)


def test_targets_have_the_units_of_a_pipeline_that_saw_a_sample():
    datamodule = ready(series(n=(200, 150)), "pipeline.sample_rows=100")
    spec = datamodule.spec
    num, target = datamodule._stores["train"].num, datamodule._stores["train"].target
    torch.testing.assert_close(num[:, list(spec.channels)], target, rtol=1e-4, atol=1e-5)
    values = torch.from_numpy(series(n=(200, 150)).select("a", "b").to_numpy())
    units = torch.tensor([spec.target_mean[:2], spec.target_scale[:2]], dtype=torch.float64)
    torch.testing.assert_close(target.double() * units[1] + units[0], values, rtol=1e-4, atol=1e-4)


def origins(datamodule, part):
    return [origin for batch in datamodule.loader_for(part) for origin in batch.row_id.tolist()]


def test_missing_targets_are_filled_to_look_back_at_and_not_forecast():
    frame = series(n=(60, 40)).with_columns(
        a=pl.when(pl.int_range(pl.len()).is_in([20, 21, 50, 60, 61])).then(None).otherwise("a"),
        b=pl.when(pl.int_range(pl.len()) == 30).then(None).otherwise("b"),
    )
    datamodule = ready(frame, "data.fill=forward")
    # What stands before a first value was taken from it.
    unknown = {"a": {20, 21, 50, 60, 61, 62}, "b": {30}}
    whole = {"train": [*range(6, 41), *range(66, 87)], "test": [*range(48, 59), *range(92, 99)]}
    for part, every in whole.items():
        assert origins(datamodule, part) == every
    spec = datamodule.spec
    values = frame["a"].to_numpy().copy()
    values[[20, 21, 50, 60, 61]] = values[[19, 19, 49, 62, 62]]
    learned = np.r_[0:42, 62:88]
    assert spec.target_mean[0] == pytest.approx(values[learned].mean())
    assert spec.target_scale[0] == pytest.approx(values[learned].std())
    z = (values - spec.target_mean[0]) / spec.target_scale[0]
    for part in ("train", "val", "test"):
        for batch in datamodule.loader_for(part):
            for origin, num, target in zip(batch.row_id.tolist(), batch.num, batch.target):
                np.testing.assert_allclose(num[:, 0], z[origin - 6 : origin], atol=1e-5)
                for i, name in enumerate("ab"):
                    there = [step not in unknown[name] for step in (origin, origin + 1)]
                    assert (~target[i::2].isnan()).tolist() == there
                    if i == 0:
                        np.testing.assert_allclose(target[::2][there], z[origin : origin + 2][there], atol=1e-5)
    assert not any("left out" in note for note in datamodule.notes)


def test_a_window_that_would_forecast_nothing_is_left_out():
    at = pl.int_range(pl.len())
    frame = series(n=(60, 40)).with_columns(
        pl.when(at.is_in([20, 21, 22])).then(None).otherwise(c).alias(c) for c in "ab"
    )
    datamodule = ready(frame, "data.fill=forward")
    assert origins(datamodule, "train") == [o for o in [*range(6, 41), *range(66, 87)] if o not in (20, 21)]
    assert "train: 2 of 56 windows would forecast missing values alone: left out" in datamodule.notes
    spec = datamodule.spec
    values = frame.with_columns(pl.col("a", "b").forward_fill()).select("a", "b").to_numpy()
    steps = [i for i in [*range(1, 42), *range(61, 88)] if not {i, i - 1} & {20, 21, 22}]
    error = np.abs(values[steps] - values[np.array(steps) - 1]).mean(0)
    assert spec.naive_error == pytest.approx((*error, *error))


def test_a_series_without_any_value_is_named():
    frame = series(n=(60, 40)).with_columns(a=pl.when(pl.col("id") == 1).then(None).otherwise("a"))
    with pytest.raises(
        DataError, match=r"'a' \(data.target\) is missing in every step of 1 series \(from 0: 1\): leave"
    ):
        ready(frame, "data.fill=forward")


def test_series_that_are_too_short_are_counted_or_begin_earlier():
    frame = series()
    note = "train: 1 of 3 series have no window of 6 + 2 steps: left out; data.short=repeat repeats the first step"
    assert any(text.startswith(note) for text in ready(frame).notes)
    datamodule = ready(frame, "data.short=repeat")
    assert origins(datamodule, "train") == [*range(1, 41), *range(61, 87), *range(101, 106)]
    assert not any("no window" in text and text.startswith("train") for text in datamodule.notes)
    z = (frame["a"].to_numpy() - datamodule.spec.target_mean[0]) / datamodule.spec.target_scale[0]
    for batch in datamodule.loader_for("train"):
        for origin, num in zip(batch.row_id.tolist(), batch.num):
            begin = max(first for first in (0, 60, 100) if first <= origin)
            seen = np.maximum(np.arange(origin - 6, origin), begin)
            np.testing.assert_allclose(num[:, 0], z[seen], atol=1e-5)


def test_val_and_test_may_be_measured_at_every_so_many_steps():
    datamodule = ready(series(), "split.stride=4")
    assert origins(datamodule, "train") == [*range(6, 41), *range(66, 87)]
    assert origins(datamodule, "test") == [48, 52, 56, 92, 96, 108]


def hours(n=100, *, without=()):
    frame = series(n=(n,)).with_columns(
        at=pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 1) + pl.duration(hours=n - 1), "1h")
    )
    return frame.filter(~pl.int_range(pl.len()).is_in(list(without)))


def test_gaps_in_time_are_told_or_filled():
    frame = hours(without=(20, 21, 50))
    told = ready(frame, "data.time=at").notes
    assert any(
        "times have gaps: a step is 1h, and 3 steps in 2 gaps are missing (the longest 2); rows are taken as" in note
        for note in told
    )
    datamodule = ready(frame, "data.time=at", "data.fill=forward")
    assert "3 missing steps of 1h were put in (data.fill=forward)" in datamodule.notes
    # Both steps ahead of the window at step 20 are missing.
    assert origins(datamodule, "train") == [o for o in range(6, 69) if o != 20]
    a = hours()["a"].to_numpy().copy()
    a[[20, 21, 50]] = a[[19, 19, 49]]
    batch = next(iter(datamodule.loader_for("train")))
    row = batch.row_id.tolist().index(22)
    z = (a - datamodule.spec.target_mean[0]) / datamodule.spec.target_scale[0]
    np.testing.assert_allclose(batch.num[row, :, 0], z[16:22], atol=1e-5)


def test_a_file_to_measure_is_filled_as_well():
    schema = ready(series()).table.schema
    dataset = SequenceDataset(target=["a", "b"], id="id", horizon=2, context=6, fill="forward", short="repeat")
    frame = series(n=(9, 4), seed=1).with_columns(
        a=pl.when(pl.int_range(pl.len()).is_in([4, 9])).then(None).otherwise("a")
    )
    table = dataset.read_new(frame, schema, need_target=True)
    a = frame["a"].to_list()
    # Origins 1 to 7, and 1 and 2; the first step of the other series was taken from the second.
    assert table.frame["a+1"].to_list() == [a[1], a[2], a[3], None, a[5], a[6], a[7], None, a[11]]
    assert table.frame["b+1"].null_count() == 0
    assert table.frame["a"].to_list()[4] == [a[0], a[0], a[1], a[2], a[3], a[3]]
    new = dataset.read_new(frame, schema, need_target=False)
    seen = dataset.raw(ready(series()).pipeline.lookup, new.frame)
    assert seen.mask.all()
    np.testing.assert_allclose(seen.num[1, :, 0], [a[10], a[10], a[10], a[10], a[11], a[12]], rtol=1e-6)


def test_several_columns_name_a_series():
    frame = series(n=(30, 30, 30)).with_columns(
        region=pl.Series(np.repeat(["n", "n", "s"], 30)), kind=pl.Series(np.repeat(["x", "y", "x"], 30))
    )
    datamodule = ready(frame.drop("id"), "data.id=[region,kind]")
    assert datamodule.borders.ends.shape == (3, 3)
    assert datamodule.table.schema.row_id == "region/kind"
    with pytest.raises(SchemaError, match=r"data.id=\['region', 'kinds'\]: 'kinds' is no column; did you mean 'kind'"):
        ready(frame, "data.id=[region,kinds]")


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


def test_a_chunk_of_long_windows_has_fewer_steps(monkeypatch):
    datamodule = ready(series(), "loader.batch_size=8", "loader.chunk=64")
    # Context 6 of two numbers and a category, horizon 2 of two values, and the origin.
    assert datamodule._stores["train"].bytes_of_window == 6 * (2 * 4 + 8) + 2 * 2 * 4 + 8
    whole = list(datamodule.train_dataloader())
    monkeypatch.setattr("colonnade.data.sequences.forecast.CHUNK_BYTES", 8 * 120 * 3)
    pieces = list(datamodule.train_dataloader())
    assert [len(chunk) for chunk in whole] == [7]
    assert [len(chunk) for chunk in pieces] == [3, 3, 1]
    assert torch.cat([chunk.batch.num for chunk in pieces]).equal(whole[0].batch.num)


@pytest.mark.parametrize("horizon", [["data.context=6", "data.horizon=2", "task=forecast", "split=horizon"], None])
def test_a_filter_takes_no_steps_out_of_the_middle(horizon):
    frame = series().with_columns(y=pl.col("id") % 2)
    if horizon is None:
        words = ["model=gru", "data=sequences", "data.id=id", "data.target=y", "task=binary"]
    else:
        words = ["model=nlinear", "data=sequences", "data.id=id", "data.target=a", *horizon]
    with pytest.raises(DataError, match=r"data.filter takes steps out of the middle of 3 series \(0, 1, 2\)"):
        assemble(compose([*words, "data.filter=\"day = 'mon'\""]), frame)
    if horizon is not None:
        assert assemble(compose([*words, "data.filter=\"id <> '2'\""]), frame).datamodule.spec.n_train == 35 + 21


def test_a_covariate_is_not_known_before_its_first_value():
    """Whatever the first value of a covariate is, windows that end before it are encoded alike."""
    frame = series(n=(60,)).with_columns(day=pl.lit("mon"))
    late = frame.with_columns(b=pl.when(pl.int_range(pl.len()) < 20).then(None).otherwise("b"))
    other = late.with_columns(b=pl.when(pl.int_range(pl.len()) == 20).then(pl.col("b") + 1).otherwise("b"))
    early = []
    for given in (late, other):
        datamodule = ready(given, "data.fill=forward", "data.time=null", target="a")
        store = datamodule.loader_for("train").store
        early.append([store.num[:20], datamodule.spec.num_names])
    (one, names), (two, _) = early
    flag = [i for i, name in enumerate(names) if name.startswith("b") and name != "b"]
    assert flag
    assert (one[:, flag] > one[:, flag].mean() - 1e-6).all()
    value = names.index("b")
    assert one[:, value].unique().numel() == two[:, value].unique().numel() == 1
