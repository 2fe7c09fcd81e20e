"""Impute against sklearn."""

import numpy as np
import pytest
from sklearn.impute import SimpleImputer

from colonnade.data.steps.impute import Impute

VALUES = np.array([[1.0, np.nan, 5.0], [2.0, 3.0, 6.0], [np.nan, 4.0, 7.0], [10.0, 5.0, 9.0]])


@pytest.mark.parametrize("strategy", ["median", "mean", "constant"])
def test_values_are_those_of_sklearn(fit, strategy: str) -> None:
    fitted, given = fit(Impute(strategy=strategy, fill=-3.5), VALUES)
    found = fitted.module(given)
    expected = SimpleImputer(strategy=strategy, fill_value=-3.5, add_indicator=True).fit_transform(VALUES)
    np.testing.assert_allclose(found.num.T, expected[:, :3], rtol=1e-15)
    np.testing.assert_array_equal(found.flag.T, expected[:, 3:])
    assert fitted.layout.num == ("a", "b", "c")
    assert fitted.layout.flag == ("a.missing", "b.missing")


def test_without_flags(fit) -> None:
    fitted, given = fit(Impute(flag=False), VALUES)
    assert fitted.layout.flag == ()
    assert fitted.module(given).flag.shape == (0, 4)


def test_fills_where_train_rows_missed_nothing(fit, of) -> None:
    fitted, _ = fit(Impute(), VALUES)
    found = fitted.module(of(np.full((1, 3), np.nan)))
    assert found.num[:, 0].tolist() == [2.0, 4.0, 6.5]


def test_flags_come_behind_those_there_are(fit) -> None:
    fitted, given = fit(Impute(), VALUES, flags=np.ones((4, 1)))
    assert fitted.layout.flag == ("flag0", "a.missing", "b.missing")
    assert fitted.module(given).flag[0].tolist() == [1.0] * 4


def test_a_column_without_values_is_filled_and_logged(fit) -> None:
    fitted, given = fit(Impute(fill=2.0), np.full((3, 1), np.nan))
    assert fitted.module(given).num.tolist() == [[2.0] * 3]
    assert fitted.log == ["column 'a' has no value in the train rows: filled with 2"]


def test_nothing_to_do(fit) -> None:
    assert fit(Impute(), cat=[[2], [3]])[0].module is None


def test_unknown_strategy() -> None:
    with pytest.raises(ValueError, match="strategy must be median, mean or constant, got 'mode'"):
        Impute(strategy="mode")


def test_describe(fit) -> None:
    texts = fit(Impute(), VALUES)[0].module.describe()
    assert texts["a"] == "a, or 2 if missing"
    assert texts["b.missing"] == "1 if b is missing"
    assert len(texts) == 5
