"""What a data module makes of sequences: parts, statistics of train steps alone, padded batches."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.config.build import build
from colonnade.config.compose import compose
from colonnade.core.errors import DataError
from colonnade.core.schema import TargetKind
from colonnade.data.sequences.dataset import SequenceDataset
from colonnade.data.sources.frame import Frame


@pytest.fixture(scope="module")
def long():
    """A hundred series of one to nine steps; a number that is sometimes missing, and a category."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 10, 100)
    n = lengths.sum()
    x = rng.normal(5, 2, n)
    x[rng.random(n) < 0.1] = np.nan
    return pl.DataFrame(
        {
            "id": np.repeat(np.arange(100), lengths),
            "x": x,
            "c": rng.choice(["u", "v", "w"], n).tolist(),
            "y": np.repeat(np.arange(100) % 2, lengths),
        }
    ).with_columns(pl.col("x").fill_nan(None), pl.col("y").replace_strict({0: "no", 1: "yes"}))


def ready(frame, *words):
    cfg = compose(["model=gru", "data=sequences", "loader.batch_size=8", *words])
    dataset = SequenceDataset(source=Frame(frame), target="y", id="id")
    module = dataset.datamodule()(
        dataset=dataset,
        splitter=build(cfg.split),
        pipeline=build(cfg.pipeline),
        target_kind=TargetKind.CLASS,
        loader=build(cfg.loader),
        seed=0,
    )
    module.setup()
    return module


def test_series_stay_whole_and_statistics_are_those_of_train_steps(long):
    module = ready(long)
    ids = {part: [] for part in ("train", "val", "test")}
    for part, found in ids.items():
        for batch in module.loader_for(part):
            for row, mask, label, number in zip(batch.row_id.tolist(), batch.mask, batch.target, batch.num):
                steps = long.filter(pl.col("id") == row)
                assert int(mask.sum()) == steps.height
                assert module.spec.classes[label] == steps["y"][0]
                known = steps["x"].is_not_null().to_numpy()
                train = long.filter(pl.col("id").is_in(module.split.train.tolist()))["x"]
                expected = (steps["x"].to_numpy() - train.fill_null(train.median()).mean()) / (
                    train.fill_null(train.median()).std(ddof=0)
                )
                np.testing.assert_allclose(number[mask][known, 0], expected[known], rtol=1e-4, atol=1e-5)
                assert number[mask][:, 1].tolist() == (~known).tolist()
                found.append(row)
    assert sorted(sum(ids.values(), [])) == list(range(100))


def test_what_a_network_may_know(long):
    spec = ready(long).spec
    assert (spec.num_names, spec.cat_names, spec.cardinalities) == (("x", "x.missing"), ("c",), (5,))
    assert (spec.n_train, spec.n_steps, spec.classes) == (64, 9, ("no", "yes"))
    assert spec.num_sample.shape[1] == 2
    assert spec.train_rows is None


def test_a_balanced_order_is_that_of_tables(long):
    chunk = next(iter(ready(long, "loader=balanced").train_dataloader()))
    assert len(chunk.longest) == len(chunk)


def test_more_than_the_memory_limit_is_refused(long):
    with pytest.raises(DataError, match=r"encoded steps need 0.00 GiB of memory: raise loader.memory_limit="):
        ready(long, "loader.memory_limit=1KiB")


def test_digits_are_as_long_as_each_other():
    cfg = compose(["model=gru", "data=digits_rows"])
    from colonnade.runs.assemble import assemble

    datamodule = assemble(cfg).datamodule
    chunk = next(iter(datamodule.train_dataloader()))
    assert chunk.longest is None
    assert chunk.batch.mask is None
    assert chunk.batch.num.shape[1] == datamodule.spec.n_steps == 8
    # Two pixels of the frame are never drawn on.
    assert torch.equal(datamodule.spec.num_sample.std(0, correction=0) > 0.99, torch.ones(8, dtype=torch.bool))
