"""What a data module makes of a table: parts, targets, codes, specification, notes, files."""

from __future__ import annotations

import json
import logging

import numpy as np
import polars as pl
import pytest
import torch
from fakes import build, example, ready, rows

from colonnade.core.errors import DataError, LeakageError
from colonnade.core.schema import Schema, TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.data.split import Split
from colonnade.data.target import TargetCoder


def test_rows_targets_and_codes_stay_together():
    table = example()
    datamodule = ready(table)
    parts = {part: rows(datamodule.loader_for(part)) for part in ("train", "val", "test")}
    assert sorted(sum(parts.values(), [])) == list(range(1000, 1200))
    assert {part: len(ids) for part, ids in parts.items()} == {"train": 128, "val": 32, "test": 40}
    for part, ids in parts.items():
        (batch,) = datamodule.loader_for(part)
        frame = table.frame[[i - 1000 for i in ids]]
        assert [datamodule.spec.classes[i] for i in batch.target] == frame["y"].to_list()
        mean = datamodule.pipeline.mean
        np.testing.assert_allclose(batch.num, frame.select("a", "b").to_numpy() - mean, rtol=1e-5, atol=1e-5)
        assert batch.cat[:, 0].tolist() == [2 + "xyz".index(c) for c in frame["c"]]
        assert batch.weight is None


def test_the_pipeline_is_fitted_on_the_train_rows():
    datamodule = ready(example())
    (train,) = datamodule.loader_for("train")
    fitted = datamodule._unfitted
    assert (fitted.rows + 1000).tolist() == train.row_id.tolist()
    assert torch.equal(fitted.target, train.target)
    assert train.num.mean(0).abs().max() < 1e-6


def test_spec():
    datamodule = ready(example())
    (train,) = datamodule.loader_for("train")
    spec = datamodule.spec
    assert (spec.num_names, spec.cat_names, spec.cardinalities) == (("a", "b"), ("c",), (5,))
    assert (spec.target_kind, spec.target_names, spec.classes) == ("class", ("y",), ("no", "yes"))
    assert spec.class_counts == tuple(torch.bincount(train.target).tolist())
    assert spec.n_train == 128
    assert torch.equal(spec.num_sample, train.num)


def test_the_sample_is_limited(monkeypatch):
    monkeypatch.setattr("colonnade.data.datamodule.SAMPLE_ROWS", 50)
    first, second = ready(example()), ready(example())
    assert first.spec.num_sample.shape == (50, 2)
    assert torch.equal(first.spec.num_sample, second.spec.num_sample)
    (train,) = first.loader_for("train")
    assert len(np.unique(first.spec.num_sample.numpy(), axis=0)) == 50
    assert np.isin(first.spec.num_sample[:, 0], train.num[:, 0]).all()


def test_real_target_scale():
    table = example(kind=TargetKind.REAL)
    datamodule = ready(table, kind=TargetKind.REAL)
    (batch,) = datamodule.loader_for("train")
    values = table.frame["y"].to_numpy()[batch.row_id - 1000]
    np.testing.assert_allclose(datamodule.spec.target_mean, [values.mean()])
    np.testing.assert_allclose(datamodule.spec.target_scale, [values.std()])
    np.testing.assert_allclose(batch.target[:, 0], (values - values.mean()) / values.std(), atol=1e-6)
    (raw,) = ready(table, kind=TargetKind.REAL, standardise_target=False).loader_for("train")
    np.testing.assert_allclose(raw.target[:, 0], values, rtol=1e-6)


def test_setup_is_idempotent_and_reads_once():
    datamodule = build(example())
    for stage in ("fit", "fit", "test"):
        datamodule.setup(stage)
    assert datamodule._dataset.reads == datamodule._unfitted.fits == 1
    given = ready(example(), given=True)
    assert given._dataset.reads == 0


def test_a_table_is_looked_at_for_leaks_once(monkeypatch):
    table = example()
    first = ready(table)
    monkeypatch.setattr("colonnade.data.datamodule.check_leaks", None)
    assert ready(table).notes == first.notes


def test_a_copy_of_the_target_is_a_leak():
    table = example(2000)
    copied = example(2000, copy=table.frame["y"])
    with pytest.raises(LeakageError, match="column 'copy' alone foretells the target 'y'"):
        ready(copied)
    notes = ready(copied, waive=("copy",)).notes
    assert notes[0] == "read with care"
    assert any("'copy'" in note and "waived" in note for note in notes)
    assert notes[-1] == "nothing dropped"


def test_rows_in_two_parts_are_reported(caplog):
    table = example(100)
    table.frame = pl.concat([table.frame] * 2)
    table.row_ids = None
    with caplog.at_level(logging.WARNING):
        datamodule = ready(table)
    text = "of test have the same features as a row of train"
    assert any(text in note for note in datamodule.notes)
    assert text in caplog.text
    assert "split.group_duplicates=true" in caplog.text


def test_missing_targets_are_named_by_their_row_in_the_source():
    values = ["no", "yes"] * 100
    values[7] = None
    with pytest.raises(
        DataError, match=r"'y' is missing or infinite in 1 of 200 rows \(from 0: 1007\).*data\.drop_missing"
    ):
        ready(example(y=values))


def test_weights_reach_batches_and_norms():
    weights = np.random.default_rng(1).random(200)
    table = example(w=weights)
    datamodule = ready(table)
    chunk = next(iter(datamodule.train_dataloader()))
    np.testing.assert_allclose(chunk.batch.weight, weights[chunk.batch.row_id - 1000], rtol=1e-6)
    for _, batch, norm in chunk.steps():
        torch.testing.assert_close(norm, batch.weight.sum())
    assert "w" not in datamodule.spec.num_names


def test_no_weight_in_train():
    weights = np.ones(200)
    datamodule = build(example(w=weights))
    train = datamodule._splitter.split(example(), TargetKind.CLASS, 0).train
    weights[train] = 0
    with pytest.raises(DataError, match=r"weight column 'w' \(data\.weight\) is zero in all train rows"):
        ready(example(w=weights))


def test_saved_files_restore(tmp_path):
    datamodule = ready(example())
    datamodule.save(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "schema.json",
        "split.json",
        "pipeline.json",
        "features.md",
        "spec.json",
        "target.json",
    }
    assert Schema.load(tmp_path / "schema.json") == datamodule.table.schema
    assert BatchSpec.from_dict(json.loads((tmp_path / "spec.json").read_text())) == datamodule.spec
    assert TargetCoder.from_dict(json.loads((tmp_path / "target.json").read_text())) == datamodule.target
    assert (Split.load(tmp_path / "split.json").val == datamodule.split.val).all()
