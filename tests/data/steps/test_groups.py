"""Groups: statistics by level against polars."""

import numpy as np
import polars as pl
import pytest
import torch

from colonnade.data.steps.groups import Groups

NAN = np.nan
RNG = np.random.default_rng(0)
NUM = RNG.normal(10, 3, (300, 2))
NUM[::9, 0] = NAN
CAT = RNG.integers(2, 7, (300, 1))


@pytest.mark.parametrize("statistic", ["mean", "std", "min", "median", "max", "count"])
def test_statistics_are_those_of_polars(fit, statistic: str) -> None:
    fitted, given = fit(Groups(statistics=[statistic]), NUM, CAT)
    assert fitted.layout.num[2:] == (f"a.{statistic}.k", f"b.{statistic}.k")
    frame = pl.DataFrame({"a": NUM[:, 0], "b": NUM[:, 1], "k": CAT[:, 0]}).with_columns(pl.col("a").fill_nan(None))
    value = {"std": lambda c: c.std(ddof=0)}.get(statistic, lambda c: getattr(c, statistic)())
    expected = frame.select(value(pl.col(name)).over("k").cast(pl.Float64) for name in "ab")
    np.testing.assert_allclose(fitted.module(given).num[2:].T, expected.to_numpy(), rtol=1e-12)


def test_relations(fit) -> None:
    fitted, given = fit(Groups(columns=["b"], relations=["value", "difference", "ratio"]), NUM, CAT)
    usual, difference, ratio = fitted.module(given).num[2:].numpy()
    assert fitted.layout.num[2:] == ("b.mean.k", "b.mean.k.difference", "b.mean.k.ratio")
    np.testing.assert_allclose(difference, NUM[:, 1] - usual)
    np.testing.assert_allclose(ratio, NUM[:, 1] / usual)
    told = {feature.name: feature.formula for feature in fitted.module.features()}
    assert told["b.mean.k.ratio"] == "b / mean of b over the train rows with this k"
    assert fitted.module.features()[0].inputs == ("b", "k")


@pytest.mark.parametrize("statistic", ["mean", "std", "min", "median", "max", "count"])
def test_a_train_row_is_compared_with_other_folds(fit, of, statistic: str) -> None:
    """Each fold by brute force; its own value moves nothing that a row is given, and ``count`` is that of all."""
    fitted, given = fit(Groups(columns=["b"], statistics=[statistic], folds=3, min_count=1), NUM, CAT)
    rows = torch.arange(300)
    found = fitted.module.encode_train(given, rows).num[2].numpy()
    value = {"std": np.std, "count": len, "mean": np.mean, "min": np.min, "median": np.median, "max": np.max}[statistic]
    fold = fitted.module._fold.numpy()
    assert sorted(np.bincount(fold)) == [100, 100, 100]
    for i in range(300):
        others = (CAT[:, 0] == CAT[i, 0]) & ((fold != fold[i]) | (statistic == "count"))
        np.testing.assert_allclose(found[i], value(NUM[others, 1]), rtol=1e-12)
    part = torch.tensor([7, 3, 250])
    again = fitted.module.encode_train(of(NUM[part], CAT[part]), part).num[2]
    np.testing.assert_array_equal(again.numpy(), found[part])


def test_a_row_that_no_other_fold_has_a_level_for_has_what_all_rows_have(fit) -> None:
    num, cat = np.array([[9.0], [1.0], [2.0], [3.0]]), np.array([[2], [3], [3], [3]])
    fitted, given = fit(Groups(min_count=1, folds=4), num, cat)
    assert fitted.module(given).num[1].tolist() == [9.0, 2.0, 2.0, 2.0]
    assert fitted.module.encode_train(given, torch.arange(4)).num[1].tolist() == [3.75, 2.5, 2.0, 1.5]


def test_small_and_unseen_levels_have_what_all_rows_have(fit, of) -> None:
    num = np.arange(12.0)[:, None]
    cat = np.array([2] * 10 + [3] * 2)[:, None]
    fitted, given = fit(Groups(min_count=3), num, cat)
    assert fitted.module(given).num[1].tolist() == [4.5] * 10 + [5.5] * 2
    assert fitted.module(of(num[:2], [[1], [0]])).num[1].tolist() == [5.5, 5.5]


def test_several_categories_of_different_size(fit) -> None:
    cat = np.stack([CAT[:, 0], RNG.integers(2, 4, 300)], 1)
    fitted, given = fit(Groups(columns=["b"], min_count=1), NUM, cat)
    found = fitted.module(given).num[2:].numpy()
    for i in range(2):
        for code in np.unique(cat[:, i]):
            rows = cat[:, i] == code
            np.testing.assert_allclose(found[i, rows], NUM[rows, 1].mean())


def test_a_ratio_to_nothing_is_missing(fit) -> None:
    fitted, given = fit(Groups(relations=["ratio"], min_count=1), [[1.0], [-1.0]], [[2], [2]])
    assert bool(torch.isnan(fitted.module(given).num[1]).all())


def test_nothing_to_do(fit) -> None:
    assert fit(Groups(), NUM)[0].module is None
    assert fit(Groups(max_levels=2), NUM, CAT)[0].module is None


def test_ranges() -> None:
    with pytest.raises(ValueError, match="statistics must be some of mean, std, min, median, max, count, got mode"):
        Groups(statistics=["mode"])
    with pytest.raises(ValueError, match="relations must be some of value, difference, ratio, got none"):
        Groups(relations=[])
    with pytest.raises(ValueError, match="min_count must be at least 1, got 0"):
        Groups(min_count=0)
    with pytest.raises(ValueError, match="folds must be at least 2, got 1"):
        Groups(folds=1)
