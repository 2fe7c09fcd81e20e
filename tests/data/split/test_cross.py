"""Folds: every row is left out once, by a training that neither learned from it nor stopped by it."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from colonnade.core.errors import DataError
from colonnade.core.schema import TargetKind
from colonnade.data.infer import cast, infer_schema
from colonnade.data.split import Fold, Folds, Group, KFold, Official, Predefined, Random, Stratified, Time, TimeFolds
from colonnade.data.table import Table

CLASS, REAL = TargetKind.CLASS, TargetKind.REAL
N = 120


def table(parts=None, **columns):
    frame = pl.DataFrame({"x": np.arange(N) * 1.5, "y": [i % 3 % 2 for i in range(N)], **columns})
    roles = {k: k for k in ("group", "time") if k in columns}
    exclude = {"part": "split"} if "part" in columns else {}
    schema, _ = infer_schema(frame, target="y", exclude=exclude, **roles)
    return Table(frame=cast(frame, schema, where="f"), schema=schema, parts=parts or {})


def splits(cross, data, base=None, kind=CLASS, seed=0):
    base = base or Random()
    return [Fold(cross=cross, base=base, fold=i).split(data, kind, seed) for i in range(len(cross))]


@pytest.mark.parametrize("by", [None, Random(), Stratified(), Random(group_duplicates=True)])
def test_every_row_is_left_out_once_in_each_repeat(by):
    found = splits(Folds(by=by, folds=4, repeats=2), table())
    for repeat in (found[:4], found[4:]):
        assert np.sort(np.concatenate([s.test for s in repeat])).tolist() == list(range(N))
    for split in found:
        assert len(np.union1d(split.train, split.val)) == N - len(split.test)
    first, again = ({tuple(s.test) for s in repeat} for repeat in (found[:4], found[4:]))
    assert first.isdisjoint(again), "a repeat cuts the rows anew"


def test_the_first_repeat_is_that_of_split_kfold():
    data = table()
    for i, split in enumerate(splits(Folds(folds=3), data)):
        other = KFold(folds=3, fold=i).split(data, CLASS, 0)
        assert all(np.array_equal(a, b) for a, b in zip(split.parts().values(), other.parts().values()))


def test_groups_stay_together_in_train_val_and_fold():
    groups = np.arange(N) // 5
    for split in splits(Folds(by=Group(), folds=4), table(group=[f"g{g}" for g in groups])):
        held = [set(groups[rows]) for rows in split.parts().values()]
        assert sum(map(len, held)) == len(set.union(*held)) == len(set(groups))


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("dated", [True, False])
def test_no_train_row_overlaps_a_fold_in_time(forward, dated):
    """By brute force over pairs: a target looks 3 days ahead, features of later rows 2 days back."""
    days = np.random.default_rng(0).integers(0, 60, N)
    time = [datetime(2024, 1, 1) + timedelta(days=int(d)) for d in days] if dated else days.tolist()
    spans = {"purge": "3d", "embargo": "48h"} if dated else {"purge": 3, "embargo": 2}
    found = splits(TimeFolds(folds=4, forward=forward, **spans), table(time=time))
    for split in found:
        for near, rows in ((split.train, split.test), (split.train, split.val), (split.val, split.test)):
            for t in days[near]:
                overlap = (t <= days[rows].max() + 3) and (t + 3 >= days[rows].min())
                embargoed = days[rows].max() < t <= days[rows].max() + 5
                assert not overlap
                assert not embargoed
        assert not forward or days[split.train].max() < days[split.val].min()
        assert not forward or days[split.val].max() < days[split.test].min()
    assert len(np.unique(np.concatenate([s.test for s in found]))) == sum(len(s.test) for s in found)
    if not forward:
        assert sum(len(s.test) for s in found) == N
        assert any(days[s.train].max() > days[s.test].max() for s in found), "learns from later rows too"
    # As many as can be: a row more in train would be too near.
    last = found[-1]
    near = np.setdiff1d(np.flatnonzero(days < days[last.test].min() - 3), [*last.train, *last.val])
    assert all(t + 3 >= days[last.val].min() for t in days[near])


def test_official_test_rows_are_in_no_fold():
    parts = {"train": (0, 60), "val": (60, 80), "test": (80, 120)}
    for base in (Official(), Predefined(rows={k: list(v) for k, v in parts.items()})):
        for hold_out, pool in (("declared", 80), ("split", 80), ("none", 120)):
            found = splits(Folds(folds=4, hold_out=hold_out), table(parts), base)
            assert np.sort(np.concatenate([s.test for s in found])).tolist() == list(range(pool))
            assert max(max(s.train.max(), s.val.max()) for s in found) < pool


def test_the_test_rows_of_a_random_split_are_held_out_where_that_is_asked_for():
    data = table()
    test = Random().split(data, CLASS, 7).test
    seen = [np.concatenate(list(s.parts().values())) for s in splits(Folds(folds=4, hold_out="split"), data, seed=7)]
    assert all(np.array_equal(np.sort(rows), np.setdiff1d(np.arange(N), test)) for rows in seen)


def test_inner_folds_cut_the_rows_outside_of_the_outer_one():
    outer = Folds(folds=3, inner=Folds(folds=2))
    data = table()
    for i, split in enumerate(splits(outer, data)):
        inner = splits(outer.inner, data, Fold(cross=outer, base=Random(), fold=i))
        assert np.sort(np.concatenate([s.test for s in inner])).tolist() == np.setdiff1d(range(N), split.test).tolist()
        assert all(np.intersect1d([*s.train, *s.val], split.test).size == 0 for s in inner)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Folds(folds=1), "cv.folds=1 must be at least 2"),
        (lambda: Folds(repeats=0), "cv.repeats=0 must be at least 1"),
        (lambda: Folds(val=1.0), "cv.val=1.0 must be between 0 and 1"),
        (lambda: Folds(hold_out="all"), "cv.hold_out='all' must be declared, split or none"),
        (lambda: Folds(by=KFold()), "cv.by=KFold cannot make folds: Random, Stratified, Group, Time or null"),
        (lambda: Folds(inner=Random()), "cv.inner=Random makes no folds"),
        (lambda: TimeFolds(purge="week"), "cv.purge='week' must be a number from 0, or a duration such as 12h"),
        (lambda: TimeFolds(embargo=-1), "cv.embargo=-1 must be a number from 0"),
        (lambda: Fold(cross=Folds(), base=Random(), fold=5), "split.fold=5 must be between 0 and 4"),
        (lambda: Fold(cross=Random(), base=Random(), fold=0), "split.cross=Random makes no folds"),
    ],
)
def test_constructors_check_ranges(make, text):
    with pytest.raises(ValueError) as error:
        make()
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("cross", "text"),
    [
        (TimeFolds(purge="3d"), "cv.purge=3d: the time column 'time' holds numbers: give a number in its units"),
        # None is left; one, which would have to stop the training; two, which are too near to each other.
        *(
            (
                TimeFolds(purge=purge),
                "fold 0: no rows are left to train on beside those that stop the training, "
                f"cv.purge={purge} cv.embargo=0 take the others",
            )
            for purge in (1000, 19, 18)
        ),
        (Folds(by=Time(), repeats=2), "cv.repeats=2: folds by time come out the same each time"),
    ],
)
def test_refusals(cross, text):
    with pytest.raises(DataError) as error:
        splits(cross, table(time=list(range(N))))
    assert text in str(error.value)
