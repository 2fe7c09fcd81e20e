"""Rare levels share the unknown code."""

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder

from colonnade.data.steps.rare import Rare

# Levels 0..3 occur 4, 1, 2 and 2 times; one value is missing.
CODES = np.array([2, 2, 2, 2, 3, 4, 4, 5, 5, 0])[:, None]


def test_min_count(fit, of) -> None:
    fitted, given = fit(Rare(min_count=2), cat=CODES)
    assert fitted.layout.levels == (("0", "2", "3"),)
    assert fitted.module(given).cat[0].tolist() == [2, 2, 2, 2, 1, 3, 3, 4, 4, 0]
    assert fitted.module(of(cat=[[1]])).cat.item() == 1
    assert fitted.log == ["column 'k': 1 of 4 levels are rare and share the unknown code"]


def test_max_levels_keeps_the_most_frequent(fit) -> None:
    fitted, given = fit(Rare(min_count=1, max_levels=2), cat=CODES)
    assert fitted.layout.levels == (("0", "2"),)
    assert fitted.module(given).cat[0].tolist() == [2, 2, 2, 2, 1, 3, 3, 1, 1, 0]


def test_groups_as_sklearn_does(fit) -> None:
    codes = np.random.default_rng(0).zipf(1.5, (500, 2)).clip(max=50) + 1
    fitted, given = fit(Rare(min_count=5), cat=codes)
    peer = OneHotEncoder(min_frequency=5).fit(codes)
    rare = [set(values) for values in peer.infrequent_categories_]
    found = fitted.module(given).cat.T.numpy()
    for column in range(2):
        np.testing.assert_array_equal(found[:, column] == 1, np.isin(codes[:, column], list(rare[column])))


def test_several_categories_keep_apart(fit) -> None:
    codes = np.array([[2, 3], [2, 2], [3, 2], [2, 2]])
    fitted, given = fit(Rare(min_count=2), cat=codes)
    assert fitted.module(given).cat.tolist() == [[2, 2, 1, 2], [1, 2, 2, 2]]
    assert fitted.module.recode(given.cat).tolist() == [[2, 2, 1, 2], [1, 2, 2, 2]]


def test_nothing_rare(fit) -> None:
    assert fit(Rare(min_count=1), cat=CODES)[0].module is None


@pytest.mark.parametrize("name", ["min_count", "max_levels"])
def test_ranges(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        Rare(**{name: 0})


def test_counts_go_along(fit) -> None:
    fitted, given = fit(Rare(min_count=2), cat=CODES)
    counted = np.bincount(fitted.module(given).cat[0], minlength=5)
    np.testing.assert_array_equal(fitted.layout.counts[0], counted)
