"""Expressions: values against numpy, what is missing, and what is refused when the columns are known."""

import numpy as np
import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.data.columns import MISSING_TIME
from colonnade.data.steps.expressions import Expressions

NAN = np.nan
RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 50))
B[3] = 0.0
A[5] = NAN
DAY = 86_400_000_000


def value(fit, text: str, **columns) -> np.ndarray:
    """Values of one formula over the given columns."""
    fitted, given = fit(Expressions(columns={"x": text}), **columns)
    return fitted.module(given).num[-1].numpy()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b - 2 * a", A + B - 2 * A),
        ("a / b", np.where(B == 0, NAN, A / np.where(B == 0, 1, B))),
        ("a ** 2 + 2 ** a", A**2 + 2**A),
        ("-(+a)", -A),
        ("log(a)", np.log(np.where(A > 0, A, NAN))),
        ("log1p(a * a)", np.log1p(A * A)),
        ("sqrt(b)", np.sqrt(np.where(B >= 0, B, NAN))),
        ("exp(a) + sin(a) * cos(b)", np.exp(A) + np.sin(A) * np.cos(B)),
        ("floor(3 * a) + ceil(3 * b) + abs(a) + sign(b)", np.floor(3 * A) + np.ceil(3 * B) + abs(A) + np.sign(B)),
        ("max(a, b)", np.maximum(A, B)),
        ("min(b, a)", np.minimum(A, B)),
        ("where(b > 0, a, -1)", np.where(B > 0, A, -1)),
        ("missing(a)", np.isnan(A) * 1.0),
    ],
)
def test_values(fit, text: str, expected: np.ndarray) -> None:
    np.testing.assert_allclose(value(fit, text, num=np.stack([A, B], 1)), expected, rtol=1e-12)


def test_what_has_no_value_is_missing(fit) -> None:
    num = [[1.0, 0.0], [0.0, 0.0], [NAN, 1.0], [1e300, -1.0], [-8.0, 1 / 3]]
    assert np.isnan(value(fit, "a / b", num=num)).tolist() == [True, True, True, False, False]
    assert np.isnan(value(fit, "1 / (a / b)", num=num)).tolist() == [True, True, True, False, False]
    assert np.isnan(value(fit, "a * a", num=num)).tolist() == [False, False, True, True, False]
    assert np.isnan(value(fit, "a ** b", num=num)).tolist() == [False, False, True, False, True]
    assert np.isnan(value(fit, "b ** -1", num=num)).tolist() == [True, True, False, False, False]


def test_truths(fit) -> None:
    num = [[1.0, 2.0], [2.0, 2.0], [NAN, 2.0]]
    for text, expected in {
        "a < b": [1, 0, NAN],
        "a >= b": [0, 1, NAN],
        "a == b": [0, 1, NAN],
        "a != b": [1, 0, NAN],
        "not a == b": [1, 0, NAN],
        "a < b and b > 1": [1, 0, NAN],
        "a < b or a == b": [1, 1, NAN],
    }.items():
        np.testing.assert_array_equal(value(fit, text, num=num), expected, err_msg=text)


def test_categories_are_compared_with_levels(fit) -> None:
    cat = np.array([[2], [3], [1], [0]])
    assert value(fit, "k == '1'", cat=cat).tolist()[:3] == [0, 1, 0]
    assert value(fit, "k != '1'", cat=cat).tolist()[:3] == [1, 0, 1]
    assert np.isnan(value(fit, "k == '1'", cat=cat)[3])
    assert value(fit, "missing(k)", cat=cat).tolist() == [0, 0, 0, 1]
    fitted, given = fit(Expressions(columns={"x": "k == '7'"}), cat=cat)
    assert fitted.module(given).num[0, :3].tolist() == [0, 0, 0]
    assert fitted.log == ["column 'x': no train row has k '7'; known: 0, 1"]


def test_datetimes(fit) -> None:
    time = np.array([[DAY, 0], [0, 3 * DAY // 2], [MISSING_TIME, 0]])
    np.testing.assert_array_equal(value(fit, "t - u", time=time), [1, -1.5, NAN])
    np.testing.assert_array_equal(value(fit, "hour(u) + 10 * weekday(t)", time=time), [40, 42, NAN])
    np.testing.assert_array_equal(value(fit, "missing(t)", time=time), [0, 0, 1])


def test_later_columns_use_earlier_ones(fit) -> None:
    fitted, given = fit(Expressions(columns={"half": "a / 2", "quarter": "half / 2"}), num=[[8.0], [4.0]])
    assert fitted.module(given).num.tolist() == [[8, 4], [4, 2], [2, 1]]
    assert fitted.layout.num == ("a", "half", "quarter")
    told = {feature.name: (feature.formula, feature.inputs) for feature in fitted.module.features()}
    assert told == {"half": ("a / 2", ("a",)), "quarter": ("half / 2", ("half",))}


def test_a_row_alone(fit, of) -> None:
    fitted, _ = fit(Expressions(columns={"x": "a / b"}), num=[[1.0, 2.0], [3.0, 4.0]])
    assert torch.equal(fitted.module(of([[3.0, 4.0]])).num[-1], torch.tensor([0.75], dtype=torch.float64))


def test_faults_are_told_together(fit) -> None:
    wrong = {"x": "a + aa", "y": "t * k", "a": "b", "z": "hour(a) + (b == 'red')"}
    with pytest.raises(ConfigError) as caught:
        fit(Expressions(columns=wrong), num=[[1.0, 2.0]], cat=[[2]], time=[[0]])
    assert str(caught.value).splitlines()[1:] == [
        "  - expression x='a + aa': there is no column 'aa' here; did you mean 'a'?",
        "  - expression y='t * k': 't' is a datetime: take the difference of two, or year, month, day, weekday, "
        "dayofyear, hour, minute of one",
        "  - expression y='t * k': 'k' is a category: compare it with a level, k == '...'",
        "  - expression a='b': there is a column of that name: call it otherwise",
        "  - expression z='hour(a) + (b == 'red')': hour takes a datetime, and 'a' is a number",
        "  - expression z='hour(a) + (b == 'red')': 'b' is a number, which has no levels to compare with",
    ]


def test_formulas_are_read_before_any_data() -> None:
    with pytest.raises(ValueError, match=r"\Ax: 'a \+' is no formula.*\ny: 'sqr\(a\)': there is no function 'sqr'"):
        Expressions(columns={"x": "a +", "y": "sqr(a)", "z": "a"})


def test_nothing_to_do(fit) -> None:
    assert fit(Expressions(columns={}), num=[[1.0]])[0].module is None
