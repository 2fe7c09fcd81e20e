"""Folds of rolling origin: what is learned from lies before what is forecast, of each series, whatever the options."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.model_selection import TimeSeriesSplit

from colonnade.core.errors import ConfigError
from colonnade.data.sequences.horizon import Borders, Horizon
from colonnade.data.sequences.rolling import Origin, RollingOrigin

CONTEXT, HORIZON = 4, 3
LENGTHS = np.array([60, 41, 17, 2])


def borders(cross, base=None, lengths=LENGTHS):
    base = Horizon() if base is None else base
    return [Origin(cross=cross, base=base, fold=k).borders(lengths) for k in range(len(cross))]


def windows(fold, part, series):
    """Origins of a part in a series, one by one."""
    first, count = fold.origins(part, context=CONTEXT, horizon=HORIZON)
    return range(int(first[series]), int(first[series] + count[series]))


def steps(fold, part, series, *, seen=False):
    """Steps that the windows of a part forecast, and, if they are to be ``seen``, look back at."""
    back = CONTEXT if seen else 0
    return {s for origin in windows(fold, part, series) for s in range(origin - back, origin + HORIZON)}


@pytest.mark.parametrize("test", [3, 7])
@pytest.mark.parametrize("step", [None, 5, 9])
@pytest.mark.parametrize("val", [0.2, 6])
@pytest.mark.parametrize("window", [None, 12])
@pytest.mark.parametrize("hold_out", ["none", "split"])
def test_no_step_of_a_fold_is_known_to_its_model(test, step, val, window, hold_out):
    cross = RollingOrigin(folds=3, test=test, step=step, val=val, window=window, hold_out=hold_out)
    cross.check(HORIZON)
    folds = borders(cross)
    held = steps(Horizon().borders(LENGTHS), "test", 0) if hold_out == "split" else set()
    for series in range(len(LENGTHS)):
        seen = []
        for fold in folds:
            (begin, end), (_, _, stop) = fold.train[series], fold.ends[series]
            learned = steps(fold, "train", series, seen=True) | set(range(begin, end))
            chosen, forecast = steps(fold, "val", series), steps(fold, "test", series)
            assert not (learned | steps(fold, "val", series, seen=True)) & forecast
            assert not learned & chosen
            assert not forecast or max(learned | chosen, default=-1) < min(forecast)
            assert window is None or end - begin <= window
            assert stop <= LENGTHS[series]
            assert series or not (learned | chosen | forecast) & held
            seen.append(set(windows(fold, "test", series)))
        assert not any(a & b for a, b in itertools.combinations(seen, 2))


@pytest.mark.parametrize("window", [None, 20])
def test_one_series_is_cut_as_scikit_learn_cuts_rows(window):
    cross = RollingOrigin(folds=4, test=6, val=6, window=window)
    splitter = TimeSeriesSplit(n_splits=4, test_size=6, max_train_size=None if window is None else window + 6)
    for fold, (train, test) in zip(borders(cross), splitter.split(np.arange(60)), strict=True):
        learned = np.r_[fold.train[0, 0] : fold.ends[0, 1]]
        np.testing.assert_array_equal(learned, train)
        np.testing.assert_array_equal(np.r_[fold.ends[0, 1] : fold.ends[0, 2]], test)


def test_every_step_is_forecast_once_and_the_last_fold_ends_with_the_series():
    folds = borders(RollingOrigin(folds=3, test=HORIZON))
    assert [sorted(steps(fold, "test", 0)) for fold in folds] == [[51, 52, 53], [54, 55, 56], [57, 58, 59]]
    assert folds[0].counts() == {"train": 46 + 29 + 5, "val": 5 + 3 + 3, "test": 9}
    assert folds[1].how == "fold 1 of 3, 3 steps each, 3 from one to the next, learned from all steps before"


def test_a_declared_test_part_is_in_no_fold():
    base = Horizon(steps=[40, 10, 6])
    assert borders(RollingOrigin(folds=2, test=4), base)[-1].ends[0].tolist() == [42, 46, 50]
    assert borders(RollingOrigin(folds=2, test=4, hold_out="none"), base)[-1].ends[0].tolist() == [47, 52, 56]


def test_the_record_keeps_where_training_begins(tmp_path):
    fold = borders(RollingOrigin(folds=2, test=4, window=9))[0]
    fold.save(tmp_path / "split.json")
    found = Borders.load(tmp_path / "split.json")
    np.testing.assert_array_equal(found.train, fold.train)
    assert (found.train[0] == [38, 47]).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"test": 0}, "cv.test=0 must be at least 1"),
        ({"test": 3, "step": 0}, "cv.step=0 must be at least 1"),
        ({"test": 3, "window": 0}, "cv.window=0 must be at least 1"),
        ({"test": 3, "val": 1.5}, "cv.val=1.5: a share between 0 and 1, or a whole number of steps"),
        ({"test": 3, "folds": 1}, "cv.folds=1 must be at least 2"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        RollingOrigin(**options)


def test_folds_without_a_forecast_or_with_one_twice_are_refused():
    with pytest.raises(ConfigError, match=r"cv.test=2 steps hold no forecast of data.horizon=3"):
        RollingOrigin(test=2).check(3)
    with pytest.raises(ConfigError, match=r"cv.step=2 puts the same forecasts into two folds.*at least 5"):
        RollingOrigin(test=7, step=2).check(3)
    RollingOrigin(test=3, step=1).check(3)
