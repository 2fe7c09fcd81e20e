"""Joined: the union of train and val, the test rows untouched, and never others without a word."""

import json

import numpy as np
import polars as pl
import pytest

from colonnade.core.errors import DataError
from colonnade.core.schema import TargetKind
from colonnade.data.infer import cast, infer_schema
from colonnade.data.split import Auto, Group, Joined, KFold, Official, Random, Split, Stratified, Time
from colonnade.data.table import Table

CLASS = TargetKind.CLASS


def table(n=120):
    frame = pl.DataFrame(
        {
            "x": np.arange(n) * 1.5,
            "y": [i % 3 % 2 for i in range(n)],
            "group": [f"g{i % 17}" for i in range(n)],
            "time": [i * 7 % n for i in range(n)],
        }
    )
    schema, _ = infer_schema(frame, target="y", group="group", time="time")
    parts = {"train": (0, 90), "test": (90, n)}
    return Table(frame=cast(frame, schema, where="f"), schema=schema, parts=parts)


@pytest.mark.parametrize(
    "base",
    [
        Auto(),
        Random(),
        Stratified(group_duplicates=True),
        Group(),
        Time(),
        Official(),
        KFold(fold=2),
        KFold(inner=Time(), fold=1),
    ],
)
def test_train_is_the_union_and_the_test_rows_stay(base):
    data = table()
    apart, joined = base.split(data, CLASS, 3), Joined(base=base).split(data, CLASS, 3)
    assert len(apart.val) > 0
    assert joined.train.tolist() == sorted([*apart.train, *apart.val])
    assert joined.val.tolist() == []
    assert joined.test.tolist() == apart.test.tolist()
    assert joined.how == f"{apart.how}; val joined to train"


def test_its_own_seed_goes_before_that_of_the_run():
    data = table()
    apart = Random().split(data, CLASS, 3)
    assert Joined(base=Random(), seed=3).split(data, CLASS, 8).test.tolist() == apart.test.tolist()
    assert Joined(base=Random()).split(data, CLASS, 8).test.tolist() != apart.test.tolist()


def test_the_record_is_read_back(tmp_path):
    split = Joined(base=Random()).split(table(), CLASS, 0)
    split.save(tmp_path / "split.json")
    again = Split.load(tmp_path / "split.json")
    assert all(np.array_equal(a, b) for a, b in zip(split.parts().values(), again.parts().values(), strict=True))
    assert json.loads((tmp_path / "split.json").read_text())["counts"] == {"train": 96, "val": 0, "test": 24}


def test_other_test_rows_than_those_that_are_known_are_refused(tmp_path):
    data = table()
    Random().split(data, CLASS, 3).save(tmp_path / "split.json")
    known = json.loads((tmp_path / "split.json").read_text())["sha256"]["test"]
    assert len(Joined(base=Random(), seed=3, test_sha256=known).split(data, CLASS, 0).test) == 24
    for other in (Joined(base=Random(), seed=4, test_sha256=known), Joined(base=Time(), test_sha256=known)):
        with pytest.raises(DataError, match=r"the test rows \(24, .*\) are not those of the split.json"):
            other.split(data, CLASS, 0)
    with pytest.raises(DataError, match=r"the test rows \(23, random\) are not those"):
        Joined(base=Random(), seed=3, test_sha256=known).split(table(115), CLASS, 0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"base": {"val": 0.1}}, "split.base={'val': 0.1} is no splitter"),
        ({"base": Random(), "seed": -1}, "split.seed=-1 must be 0 or more, or null"),
    ],
)
def test_ranges(options, text):
    with pytest.raises(ValueError) as error:
        Joined(**options)
    assert text in str(error.value)
