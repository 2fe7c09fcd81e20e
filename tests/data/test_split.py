"""Splits: disjoint, complete, repeatable; groups and ties never cross; every refusal says why."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.errors import DataError, RunFolderError
from colonnade.core.schema import TargetKind
from colonnade.data.infer import cast, infer_schema
from colonnade.data.split import Auto, Group, KFold, Official, Predefined, Random, Split, Stratified, Time
from colonnade.data.split.allocate import allocate_sized, allocate_strata, counts_of
from colonnade.data.table import Table

CLASS, REAL = TargetKind.CLASS, TargetKind.REAL


def table(n: int = 100, y: list | None = None, **columns: list) -> Table:
    frame = pl.DataFrame({"x": np.arange(n) * 1.5, "y": y or [i % 2 for i in range(n)], **columns})
    roles = {k: k for k in ("group", "time") if k in columns}
    exclude = {"part": "split"} if "part" in columns else {}
    schema, _ = infer_schema(frame, target="y", exclude=exclude, **roles)
    return Table(frame=cast(frame, schema, where="f"), schema=schema)


def sizes(split: Split) -> tuple[int, int, int]:
    return len(split.train), len(split.val), len(split.test)


def is_partition(split: Split, n: int) -> bool:
    return np.array_equal(np.sort(np.concatenate(list(split.parts().values()))), np.arange(n))


# Allocation


@settings(deadline=None)
@given(st.integers(0, 500), st.lists(st.floats(0.01, 1), min_size=2, max_size=6))
def test_counts_add_up_and_are_near(n, shares):
    counts = counts_of(n, shares)
    assert counts.sum() == n
    if n >= len(shares):
        assert counts.min() >= 1
    exact = np.array(shares) / sum(shares) * n
    assert np.abs(counts - exact).max() <= len(shares)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=3, max_size=200), st.integers(0, 99))
def test_strata_are_divided_alike(strata, seed):
    strata = np.array(strata)
    labels = allocate_strata(strata, (0.64, 0.16, 0.2), np.random.default_rng(seed))
    assert set(labels) <= {0, 1, 2}
    for stratum in np.unique(strata):
        inside = labels[strata == stratum]
        assert 0 in inside, "train has every class"
        if len(inside) >= 3:
            assert set(inside) == {0, 1, 2}
            assert abs((inside == 2).sum() - 0.2 * len(inside)) <= 2.5


def test_strata_sizes_match_the_whole():
    strata = np.random.default_rng(0).integers(0, 40, 10_000)
    counts = np.bincount(allocate_strata(strata, (0.64, 0.16, 0.2), np.random.default_rng(0)))
    assert np.abs(counts - [6400, 1600, 2000]).max() <= 2


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=3, max_size=400), st.integers(0, 99))
def test_groups_fill_every_share(group_sizes, seed):
    group_sizes = np.array(group_sizes)
    labels = allocate_sized(group_sizes, (0.64, 0.16, 0.2), np.random.default_rng(seed))
    rows = np.bincount(labels, group_sizes, minlength=3)
    assert (rows > 0).all()
    assert np.abs(rows - np.array([0.64, 0.16, 0.2]) * group_sizes.sum()).max() <= 2 * group_sizes.max()


# Properties of whole splits


@settings(max_examples=50, deadline=None)
@given(st.integers(30, 300), st.integers(0, 9), st.booleans())
def test_shuffled_splits_are_partitions_and_repeatable(n, seed, together):
    data = table(n, x2=[i % 20 for i in range(n)])
    for splitter in (Random(group_duplicates=together), Stratified(group_duplicates=together), Auto()):
        split = splitter.split(data, CLASS, seed)
        again = splitter.split(data, CLASS, seed)
        assert is_partition(split, n)
        assert all(np.array_equal(a, b) for a, b in zip(split.parts().values(), again.parts().values(), strict=True))


def test_default_shares_and_seeds():
    data = table(1000)
    for splitter in (Random(), Stratified(), Auto()):
        assert sizes(splitter.split(data, CLASS, 0)) == (640, 160, 200)
    assert not np.array_equal(Random().split(data, CLASS, 0).test, Random().split(data, CLASS, 1).test)
    assert sizes(Random(val=0.1, test=0.3).split(data, CLASS, 0)) == (600, 100, 300)


@pytest.mark.parametrize(
    "splitter", [Auto, Random, Stratified, partial(Group, column="g"), KFold, partial(Predefined, column="part")]
)
def test_a_seed_of_its_own_keeps_the_parts_where_that_of_the_run_changes(splitter):
    """Of predefined parts it is val that is drawn, of train."""
    data = table(200, g=[f"g{i // 5}" for i in range(200)], part=["train"] * 150 + ["test"] * 50)
    drawn = [splitter().split(data, CLASS, seed).val.tolist() for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    assert [splitter(seed=1).split(data, CLASS, seed).val.tolist() for seed in (0, 1)] == [drawn[1]] * 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=20, max_size=200).filter(lambda g: len(set(g)) >= 3), st.integers(0, 9))
def test_groups_never_cross(groups, seed):
    data = table(len(groups), group=[f"g{g}" for g in groups])
    split = Group().split(data, REAL, seed)
    assert is_partition(split, len(groups))
    names = [{groups[i] for i in rows} for rows in split.parts().values()]
    assert sum(map(len, names)) == len(set(groups))


def test_rows_without_a_group_are_alone():
    data = table(40, group=[None] * 20 + ["a"] * 10 + ["b"] * 10)
    split = Group().split(data, REAL, 0)
    assert is_partition(split, 40)
    assert all(len(set(data.frame["group"][rows.tolist()].drop_nulls())) <= 1 for rows in (split.val, split.test))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=10, max_size=200).filter(lambda t: len(set(t)) >= 3))
def test_time_goes_forward_and_ties_never_cross(times):
    data = table(len(times), time=[datetime(2024, 1, 1) + timedelta(days=t) for t in times])
    split = Time().split(data, REAL, 0)
    assert is_partition(split, len(times))
    train, val, test = ([times[i] for i in rows] for rows in split.parts().values())
    assert max(train) < min(val)
    assert max(val) < min(test)


def test_time_says_what_it_did():
    data = table(10, time=list(range(9, -1, -1)))
    split = Time().split(data, REAL, 0)
    assert split.how == "by time 'time', 0 to 9 (the file was not in order)"
    assert split.test.tolist() == [0, 1]


def test_equal_rows_stay_together():
    n = 200
    frame = pl.DataFrame({"x": [i % 50 for i in range(n)], "y": [(i % 50) % 2 for i in range(n)]})
    schema, _ = infer_schema(frame, target="y")
    data = Table(frame=frame, schema=schema)
    for splitter in (Random(group_duplicates=True), Stratified(group_duplicates=True), Auto(group_duplicates=True)):
        split = splitter.split(data, CLASS, 3)
        parts = [set(frame["x"][rows.tolist()]) for rows in split.parts().values()]
        assert sum(map(len, parts)) == 50
        assert "equal rows together" in split.how


# Folds


@pytest.mark.parametrize("inner", [None, Random(), Stratified()])
def test_test_folds_cover_every_row_once(inner):
    data = table(53)
    tests = []
    for fold in range(5):
        split = KFold(inner=inner, folds=5, fold=fold).split(data, CLASS, 7)
        assert is_partition(split, 53)
        tests.append(split.test)
    assert np.array_equal(np.sort(np.concatenate(tests)), np.arange(53))
    assert split.how.startswith("fold 4 of 5, ")


def test_group_folds_keep_groups():
    groups = [f"g{i % 11}" for i in range(110)]
    data = table(110, group=groups)
    tests = [KFold(fold=f).split(data, CLASS, 0) for f in range(5)]
    for split in tests:
        assert not {groups[i] for i in split.test} & {groups[i] for i in np.concatenate([split.train, split.val])}
    assert sum(len(s.test) for s in tests) == 110


def test_time_folds_learn_from_the_past_only():
    data = table(60, time=list(range(60)))
    for fold in range(5):
        split = KFold(fold=fold).split(data, REAL, 0)
        assert split.train.max() < split.val.min()
        assert split.val.max() < split.test.min()
        assert split.test.tolist() == list(range(10 * (fold + 1), 10 * (fold + 2)))


def test_stratified_folds_against_sklearn_proportions():
    y = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    data = table(100, y=y)
    for fold in range(5):
        test = KFold(fold=fold).split(data, CLASS, 0).test
        assert [sum(y[i] == c for i in test) for c in "abc"] == [12, 6, 2]


# Declared splits


def test_official_parts():
    data = table(100)
    data.parts = {"train": (0, 80), "test": (80, 100)}
    split = Official().split(data, CLASS, 0)
    assert split.test.tolist() == list(range(80, 100))
    assert sizes(split) == (64, 16, 20)
    assert split.how == "official parts; val is 20% of train, stratified by 'y'"
    assert np.array_equal(Auto().split(data, CLASS, 0).val, split.val)
    data.parts["val"] = (70, 80)
    data.parts["train"] = (0, 70)
    assert Official().split(data, CLASS, 0).val.tolist() == list(range(70, 80))
    with pytest.raises(DataError, match="no official train and test part"):
        Official().split(table(100), CLASS, 0)


def test_predefined_column():
    part = ["fit"] * 60 + ["dev"] * 20 + ["test"] * 15 + ["old"] * 5
    data = table(100, part=part)
    split = Predefined(column="part", train="fit", val="dev", unused=["old"]).split(data, CLASS, 0)
    assert [r.tolist() for r in split.parts().values()] == [
        list(range(60)),
        list(range(60, 80)),
        list(range(80, 95)),
    ]
    with pytest.raises(
        DataError, match=r"values that name no part: 'fit' \(60 rows\), 'dev' \(20 rows\), 'old' \(5 rows\)"
    ):
        Predefined(column="part").split(data, CLASS, 0)
    with pytest.raises(DataError, match="split.column=parts is no column; did you mean 'part'"):
        Predefined(column="parts").split(data, CLASS, 0)
    with pytest.raises(DataError, match="is also a feature: data.exclude.x=split"):
        Predefined(column="x").split(data, CLASS, 0)


def test_predefined_rows_follow_the_source():
    data = table(100)
    ranges = {"train": [0, 50], "val": [50, 60], "test": [60, 100]}
    assert sizes(Predefined(rows=ranges).split(data, CLASS, 0)) == (50, 10, 40)
    kept = data.keep(pl.Series([i % 3 == 0 or i >= 50 for i in range(100)]))
    split = Predefined(rows=ranges).split(kept, CLASS, 0)
    assert kept.row_ids[split.val].tolist() == list(range(50, 60))
    with pytest.raises(DataError, match=r"split.rows.test=\[60, 101\] is beyond the 100 rows"):
        Predefined(rows={"train": [0, 50], "test": [60, 101]}).split(data, CLASS, 0)


# Refusals


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Random(val=0), "split.val=0 must be between 0 and 1"),
        (lambda: Stratified(test=1.2), "split.test=1.2 must be between 0 and 1"),
        (lambda: Auto(val=0.5, test=0.5), "leave no rows to train on"),
        (lambda: Auto(rare="drop"), "split.rare='drop' must be 'error' or 'train'"),
        (lambda: KFold(folds=1), "split.folds=1 must be at least 2"),
        (
            lambda: KFold(inner=Predefined(column="c")),
            "split.inner=Predefined cannot make folds: Random, Stratified, Group, Time or null",
        ),
        (lambda: KFold(folds=5, fold=5), "split.fold=5 must be between 0 and 4"),
        (lambda: Auto(seed=-1), "split.seed=-1 must be 0 or more, or null"),
        (lambda: Predefined(), "either split.column or split.rows"),
        (lambda: Predefined(rows={"trian": [0, 1]}), "split.rows.trian is no part; did you mean 'train'"),
        (lambda: Predefined(rows={"train": [5, 5]}), "0 <= start < stop"),
        (lambda: Predefined(rows={"train": [0, 5], "test": [4, 9]}), "split.rows.train and split.rows.test overlap"),
    ],
)
def test_constructors_check_ranges(build, text):
    with pytest.raises(ValueError, match=text.replace("[", r"\[")):
        build()


def test_rare_classes():
    data = table(60, y=["a"] * 40 + ["b"] * 18 + ["lone", "single"])
    with pytest.raises(DataError) as error:
        Auto().split(data, CLASS, 0)
    text = str(error.value)
    assert text.startswith("2 classes of 'y' have a single row and cannot be in every part: ")
    assert "'lone'" in text
    assert "split.rare=train keeps such rows in train" in text
    split = Auto(rare="train").split(data, CLASS, 0)
    assert {58, 59} <= set(split.train.tolist())


def test_a_class_that_train_lacks_is_named():
    data = table(30, y=["a", "b"] * 12 + ["late"] * 6, time=list(range(30)))
    with pytest.raises(DataError, match=r"test holds classes of 'y' that train lacks: 'late' \(6 rows\)"):
        Auto().split(data, CLASS, 0)


def test_too_few_units():
    with pytest.raises(DataError, match="2 rows cannot fill 3 parts: fewer folds, or more rows"):
        Random().split(table(2), REAL, 0)
    with pytest.raises(DataError, match="2 groups of 'group' cannot fill 3 parts"):
        Group().split(table(20, group=["a", "b"] * 10), REAL, 0)
    with pytest.raises(DataError, match="4 groups of 'group' cannot fill 5 parts"):
        KFold().split(table(20, group=list("abcd") * 5), REAL, 0)
    with pytest.raises(DataError, match="6 rows cannot fill 10 parts"):
        KFold(folds=10).split(table(6), REAL, 0)
    with pytest.raises(DataError, match="2 different times of 'time' cannot fill 3 parts"):
        Time().split(table(20, time=[1, 2] * 10), REAL, 0)


def test_unplaceable_rows_and_absent_roles():
    with pytest.raises(DataError, match=r"time column 'time' is missing in 2 rows \(first rows 3, 7\)"):
        Time().split(table(10, time=[None if i in (3, 7) else i for i in range(10)]), REAL, 0)
    with pytest.raises(DataError, match="data.time=<column> or split.column=<column>"):
        Time().split(table(), REAL, 0)
    with pytest.raises(DataError, match="data.group=<column> or split.column=<column>"):
        Group().split(table(), REAL, 0)
    with pytest.raises(DataError, match="column 'part' is text, not a time"):
        Time(column="part").split(table(10, part=list("abcdefghij")), REAL, 0)
    with pytest.raises(DataError, match="needs a class target, this one is real: split=random"):
        Stratified().split(table(), REAL, 0)


def test_an_empty_part_is_refused():
    data = table(100)
    data.parts = {"train": (0, 80), "val": (80, 100), "test": (100, 100)}
    with pytest.raises(DataError, match=r"\(official parts\) leaves test empty: train 80, val 20, test 0 of 100 rows"):
        Official().split(data, CLASS, 0)


# The record


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=300))
def test_the_record_restores_the_same_arrays(tmp_path_factory, labels):
    split = Split.from_labels(np.array(labels), "by hand")
    path = tmp_path_factory.mktemp("split") / "split.json"
    split.save(path)
    again = Split.load(path)
    assert again.how == "by hand"
    for before, after in zip(split.parts().values(), again.parts().values(), strict=True):
        assert after.dtype == np.int64
        assert np.array_equal(before, after)


def test_the_record_is_small_and_checked(tmp_path):
    path = tmp_path / "split.json"
    rng = np.random.default_rng(0)
    Split.from_labels(rng.choice(3, size=100_000, p=(0.64, 0.16, 0.2)), "random").save(path)
    assert path.stat().st_size < 32_000, "about a third of a byte a row"
    record = json.loads(path.read_text())
    record["sha256"]["val"] = "0" * 64
    path.write_text(json.dumps(record))
    with pytest.raises(RunFolderError, match="the val rows do not match their SHA-256"):
        Split.load(path)
    path.write_text("{")
    with pytest.raises(RunFolderError, match="is damaged"):
        Split.load(path)


def test_a_row_in_two_parts_is_refused():
    with pytest.raises(ValueError, match="a row stands in two parts"):
        Split(np.array([0, 1]), np.array([1]), np.array([2]), "")
