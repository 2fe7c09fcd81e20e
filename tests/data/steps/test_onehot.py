"""One-hot against sklearn."""

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder

from colonnade.core.errors import ConfigError
from colonnade.data.steps.onehot import OneHot

CODES = np.column_stack([np.arange(30) % 3 + 2, np.arange(30) % 2 + 2, np.arange(30) % 5 * (np.arange(30) % 7 > 0)])


@pytest.mark.parametrize("drop_binary", [True, False])
def test_values_are_those_of_sklearn(fit, of, drop_binary: bool) -> None:
    fitted, given = fit(OneHot(drop_binary=drop_binary), cat=CODES)
    peer = OneHotEncoder(sparse_output=False, handle_unknown="ignore", drop="if_binary" if drop_binary else None).fit(
        CODES
    )
    np.testing.assert_array_equal(fitted.module(given).flag.T, peer.transform(CODES))
    new = np.array([[2, 3, 4], [3, 2, 0]])
    np.testing.assert_array_equal(fitted.module(of(cat=new)).flag.T, peer.transform(new))
    assert fitted.module(given).cat.shape == (0, 30)


def test_names_and_unseen_levels(fit, of) -> None:
    fitted, _ = fit(OneHot(), cat=CODES)
    assert fitted.layout.flag == ("k=0", "k=1", "k=2", "l=1", "m=missing", "m=unknown", "m=0", "m=1", "m=2")
    assert fitted.module(of(cat=[[1, 1, 1]])).flag[:, 0].tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 0]
    assert fitted.module.describe()["k=0"] == "1 if k=0"


def test_many_levels_stay_codes(fit) -> None:
    fitted, given = fit(OneHot(max_levels=2), cat=CODES)
    assert fitted.layout.cat == ("k", "m")
    assert fitted.layout.flag == ("l=1",)
    np.testing.assert_array_equal(fitted.module(given).cat.T, CODES[:, [0, 2]])


def test_chosen_columns(fit) -> None:
    assert fit(OneHot(columns=["k"]), cat=CODES)[0].layout.cat == ("l", "m")
    with pytest.raises(ConfigError, match="pipeline step OneHot: there is no column 'z' here; known: k, l, m"):
        fit(OneHot(columns=["z"]), cat=CODES)


def test_ranges() -> None:
    with pytest.raises(ValueError, match="max_levels must be at least 1, got 0"):
        OneHot(max_levels=0)
