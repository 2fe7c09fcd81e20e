from __future__ import annotations

import json
import logging

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.core.errors import DataError
from colonnade.data import mapped as mapped_module
from colonnade.data.mapped import Part, fingerprint, mapped_parts
from colonnade.data.store import Store, allocate, encoded_bytes, sample_weight


def example(n: int = 20) -> Store:
    generator = torch.Generator().manual_seed(0)
    return Store(
        num=torch.randn(n, 3, generator=generator),
        cat=torch.randint(0, 9, (n, 2), generator=generator, dtype=torch.int32),
        row_id=torch.arange(100, 100 + n),
        target=torch.arange(n) % 2,
        weight=torch.rand(n, generator=generator),
    )


def test_gather_and_rows_agree_with_indexing():
    store = example()
    index = torch.tensor([3, 3, 0, 19])
    batch, part = store.gather(index), store.rows(5, 9)
    assert len(store) == 20
    for field in ("num", "target", "weight", "row_id"):
        assert torch.equal(getattr(batch, field), getattr(store, field)[index])
        assert torch.equal(getattr(part, field), getattr(store, field)[5:9])
    assert batch.cat.dtype == part.cat.dtype == torch.int64
    assert torch.equal(batch.cat, store.cat[index].long())
    assert part.num.data_ptr() == store.num[5:].data_ptr()


def test_without_target_and_weight():
    num, cat = allocate(4, 2, 0)
    store = Store(num=num, cat=cat, row_id=torch.arange(4))
    batch = store.gather(torch.tensor([1]))
    assert batch.target is None
    assert batch.weight is None
    assert batch.cat.shape == (1, 0)
    assert store.nbytes == 4 * 2 * 4 + 4 * 8
    assert encoded_bytes(4, 2, 3) == 4 * (2 + 3) * 4


def test_to_device_takes_it_out_of_the_files():
    moved = Store(**{**example().__dict__, "mapped": True}).to("meta")
    assert moved.device.type == "meta"
    assert not moved.mapped
    assert moved.weight is not None
    assert moved.weight.device.type == "meta"


def test_weights():
    frame = pl.DataFrame({"w": [1, 2, 0]})
    assert sample_weight(frame, "w").tolist() == [1.0, 2.0, 0.0]
    assert sample_weight(frame, "w").dtype == torch.float32


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.0, -1.0, None], r"negative in 1 of 3 rows \(from 0: 11\); weights are finite and >= 0"),
        ([1.0, -1.0, None], r"missing or infinite in 1 of 3 rows \(from 0: 12\)"),
        ([1.0, float("inf"), 1.0], "missing or infinite in 1 of 3 rows"),
        ([0.0, 0.0, 0.0], r"'w' \(data.weight\): is zero in all rows"),
        (["a", "b", "c"], "holds String, but weights are numbers"),
    ],
)
def test_bad_weights(values, text):
    with pytest.raises(DataError, match=text):
        sample_weight(pl.DataFrame({"w": values}), "w", row_ids=np.array([10, 11, 12]))


class Plan:
    """Parts whose filling is counted."""

    def __init__(self, sizes: dict[str, int], n_num: int = 3, n_cat: int = 2) -> None:
        self.calls = 0
        generator = torch.Generator().manual_seed(1)
        self.expected = {
            name: (
                torch.randn(n, n_num, generator=generator),
                torch.randint(0, 5, (n, n_cat), generator=generator, dtype=torch.int32),
            )
            for name, n in sizes.items()
        }
        self.parts = {name: Part(n, self._filler(name)) for name, n in sizes.items()}
        self.columns = {"n_num": n_num, "n_cat": n_cat}

    def _filler(self, name):
        def fill(num, cat):
            self.calls += 1
            num.copy_(self.expected[name][0])
            cat.copy_(self.expected[name][1])

        return fill

    def check(self, found) -> None:
        for name, (num, cat) in self.expected.items():
            assert torch.equal(found[name][0], num)
            assert torch.equal(found[name][1], cat)


def test_mapped_parts_are_written_once(tmp_path):
    plan = Plan({"train": 50, "val": 0, "test": 7})
    first = mapped_parts(tmp_path / "cache", "k", plan.parts, **plan.columns)
    plan.check(first)
    assert plan.calls == 3
    plan.check(mapped_parts(tmp_path / "cache", "k", plan.parts, **plan.columns))
    assert plan.calls == 3
    mapped_parts(tmp_path / "cache", "other", plan.parts, **plan.columns)
    assert plan.calls == 6
    # Nothing but whole stores and their locks is left.
    assert sorted(p.name for p in (tmp_path / "cache").iterdir() if p.is_dir()) == ["k", "other"]


def test_writing_to_a_mapped_store_leaves_the_files_alone(tmp_path):
    plan = Plan({"train": 5})
    mapped_parts(tmp_path, "k", plan.parts, **plan.columns)["train"][0].zero_()
    plan.check(mapped_parts(tmp_path, "k", plan.parts, **plan.columns))


def test_without_columns_of_one_type(tmp_path):
    plan = Plan({"train": 5}, n_cat=0)
    plan.check(mapped_parts(tmp_path, "k", plan.parts, **plan.columns))


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_store_is_written_anew(tmp_path, caplog, damage):
    plan = Plan({"train": 50})
    mapped_parts(tmp_path, "k", plan.parts, **plan.columns)
    path = tmp_path / "k" / "train.num"
    data = bytearray(path.read_bytes())
    match damage:
        case "flip":
            data[100] ^= 1
            path.write_bytes(data)
        case "cut":
            path.write_bytes(data[:-1])
        case "remove":
            path.unlink()
    with caplog.at_level(logging.WARNING):
        plan.check(mapped_parts(tmp_path, "k", plan.parts, **plan.columns))
    assert "'train.num' of the encoded data" in caplog.text
    assert plan.calls == 2


def test_an_interrupted_write_leaves_nothing(tmp_path):
    plan = Plan({"train": 50})

    def fail(num, cat):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mapped_parts(tmp_path, "k", {"train": Part(50, fail)}, **plan.columns)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []
    plan.check(mapped_parts(tmp_path, "k", plan.parts, **plan.columns))


def test_a_full_disk_is_an_error_before_writing(tmp_path, monkeypatch):
    plan = Plan({"train": 50})
    usage = mapped_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(mapped_module.shutil, "disk_usage", lambda _: usage._replace(free=2**20))
    with pytest.raises(DataError, match=r"loader\.cache_dir=, or raise loader\.memory_limit="):
        mapped_parts(tmp_path, "k", plan.parts, **plan.columns)
    assert plan.calls == 0


def test_fingerprint_hangs_on_all_that_decides_the_rows(tmp_path):
    (tmp_path / "pipeline.json").write_text(json.dumps({"a": 1}))
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "y"]})
    rows = {"train": np.array([0, 1]), "val": np.array([2])}
    key = fingerprint(tmp_path, frame, rows, 0)
    assert key == fingerprint(tmp_path, frame.clone(), {n: r.copy() for n, r in rows.items()}, 0)
    others = {
        fingerprint(tmp_path, frame, rows, 1),
        fingerprint(tmp_path, frame, {"train": np.array([0]), "val": np.array([1, 2])}, 0),
        fingerprint(tmp_path, frame.reverse(), rows, 0),
        fingerprint(tmp_path, frame.rename({"a": "c"}), rows, 0),
        fingerprint(tmp_path, frame.with_columns(pl.col("b").fill_null("")), rows, 0),
    }
    (tmp_path / "pipeline.json").write_text(json.dumps({"a": 2}))
    others.add(fingerprint(tmp_path, frame, rows, 0))
    assert key not in others
    assert len(others) == 6
