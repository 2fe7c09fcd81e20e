"""Frequencies against counts."""

import numpy as np
import pytest

from colonnade.data.steps.frequency import Frequency

CODES = np.array([[2, 2], [2, 3], [3, 4], [0, 2]])


def test_shares_of_the_train_rows(fit, of) -> None:
    fitted, given = fit(Frequency(min_levels=1), cat=CODES)
    found = fitted.module(given)
    np.testing.assert_allclose(found.num.T, [[0.5, 0.5], [0.5, 0.25], [0.25, 0.25], [0.25, 0.5]])
    np.testing.assert_array_equal(found.cat.T, CODES)
    assert fitted.layout.num == ("k.frequency", "l.frequency")
    assert fitted.module(of(cat=[[1, 1]])).num.tolist() == [[0.0], [0.0]]
    assert fitted.module.describe()["k.frequency"] == "share of train rows with this k"


def test_choice_by_levels_and_without_codes(fit) -> None:
    fitted, given = fit(Frequency(min_levels=3, keep=False), cat=CODES)
    assert (fitted.layout.num, fitted.layout.cat) == (("l.frequency",), ("k",))
    np.testing.assert_array_equal(fitted.module(given).cat.T, CODES[:, :1])


def test_nothing_to_do(fit) -> None:
    assert fit(Frequency(), cat=CODES)[0].module is None


def test_ranges() -> None:
    with pytest.raises(ValueError, match="min_levels must be at least 1, got 0"):
        Frequency(min_levels=0)
