"""Tests of significance, held to scipy, closed forms and published numbers."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from colonnade.report.significance import (
    Comparison,
    compare_labels,
    compare_losses,
    holm,
    probability,
    sentence,
    table,
)


def labels(only_first: int, only_second: int, both: int = 0, neither: int = 0) -> tuple[np.ndarray, np.ndarray]:
    counts = (only_first, only_second, both, neither)
    return np.repeat([True, False, True, False], counts), np.repeat([False, True, True, False], counts)


def test_mcnemar_is_the_binomial_of_the_discordant_rows() -> None:
    found = compare_labels(*labels(5, 1, both=10, neither=84))
    # Both tails of a binomial of 6: 2 (C(6,0) + C(6,1)) / 2^6.
    assert found.p == pytest.approx(14 / 64)
    assert (found.n, found.difference) == (100, 0.04)


def test_mcnemar_on_published_counts() -> None:
    """Agresti, Categorical Data Analysis (2nd ed.), table 10.1: of those who changed, 86 and 150; exact p 3.7e-5."""
    assert compare_labels(*labels(150, 86, both=794, neither=570)).p == pytest.approx(3.7e-5, rel=0.02)


def test_the_same_errors_give_no_difference() -> None:
    found = compare_labels(*labels(0, 0, both=3, neither=7))
    assert (found.p, found.difference, found.low, found.high) == (1.0, 0.0, 0.0, 0.0)
    assert found.verdict == "no difference shown"


def test_interval_of_labels_agrees_with_the_normal_one() -> None:
    found = compare_labels(*labels(300, 200, both=500, neither=9000))
    half = 1.96 * np.sqrt((0.05 - 0.01**2) / 10_000)
    assert (found.low, found.high) == pytest.approx((0.01 - half, 0.01 + half), abs=2e-4)


def test_few_rows_are_tried_with_every_sign() -> None:
    first, second = np.array([1.0, 2, 3, 4, 5, 6]), np.array([0.5, 2.1, 2.9, 3, 4, 5.5])
    exact = stats.permutation_test(
        (first - second,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert compare_losses(first, second).p == pytest.approx(exact.pvalue)
    # All signs alike is the most extreme of 2^8, with its mirror image.
    assert compare_losses(np.arange(1.0, 9.0), np.zeros(8)).p == pytest.approx(2 / 2**8)


def test_rows_without_a_difference_do_not_count() -> None:
    first, second = np.arange(40.0), np.arange(40.0)
    first[:5] += 1
    found = compare_losses(first, second)
    assert found.p == pytest.approx(2 / 2**5)
    assert (found.n, found.difference) == (40, 5 / 40)
    assert compare_losses(second, second).p == 1.0


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.05])
def test_many_rows_agree_with_the_t_test_where_it_holds(shift: float) -> None:
    rng = np.random.default_rng(3)
    first = rng.normal(size=4000)
    second = first + 0.8 * rng.normal(size=4000) - shift
    found, t = compare_losses(first, second), stats.ttest_rel(first, second)
    assert found.p == pytest.approx(t.pvalue, abs=0.015)
    assert (found.low, found.high) == pytest.approx(tuple(t.confidence_interval(0.95)), abs=2e-3)


def test_p_values_are_uniform_without_a_difference() -> None:
    rng = np.random.default_rng(0)
    # Heavy tails, as squared errors have them.
    found = [compare_losses(*(rng.standard_normal((2, 30)) ** 2)).p for _ in range(200)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_the_mean_counts_not_the_ranks() -> None:
    """Nine rows a little worse, one much better: the mean is better, and Wilcoxon's test would say worse."""
    first, second = np.full(100, 1.1), np.ones(100)
    first[:10], second[:10] = 1.0, 4.0
    assert compare_losses(first, second).verdict == "better"
    assert stats.wilcoxon(first, second, alternative="greater").pvalue < 1e-4


def test_the_seed_decides() -> None:
    first, second = np.random.default_rng(0).random((2, 50))
    assert compare_losses(first, second, seed=1) == compare_losses(first, second, seed=1)
    assert compare_losses(first, second, seed=1) != compare_losses(first, second, seed=2)


def test_units_do_not_matter() -> None:
    first, second = np.random.default_rng(0).random((2, 50))
    assert compare_losses(1e12 * first, 1e12 * second).p == compare_losses(1e-12 * first, 1e-12 * second).p


def test_p_is_never_zero() -> None:
    assert compare_losses(np.full(500, 2.0), np.ones(500)).p == pytest.approx(1e-4)


@pytest.mark.parametrize(("first", "second"), [([1.0], [1.0, 2.0]), ([], []), ([np.nan], [1.0])])
def test_what_cannot_be_compared(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="two vectors of the same rows|finite"):
        compare_losses(np.array(first), np.array(second))


def test_holm_on_published_numbers() -> None:
    """R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") gives 0.03 0.06 0.06 0.02."""
    blank = Comparison(1, 0.0, 0.0, 0.0, 1.0, "")
    found = holm([replace(blank, p=p) for p in (0.01, 0.04, 0.03, 0.005)])
    assert [c.p_holm for c in found] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [c.p_holm for c in holm([replace(blank, p=0.7), replace(blank, p=0.6)])] == [1.0, 1.0]
    assert holm([]) == []


def test_the_adjusted_p_value_decides_the_verdict() -> None:
    found = Comparison(10, 0.5, 0.1, 0.9, 0.03, "")
    assert found.verdict == "worse"
    assert replace(found, p_holm=0.06).verdict == "no difference shown"
    assert replace(found, difference=-0.5).verdict == "better"


def test_words() -> None:
    found = Comparison(160, 0.0125, -0.001, 0.026, 0.0712, "", 0.1424)
    assert sentence("b", "a", found) == (
        "b against a: +0.0125 (95 % interval -0.001 to +0.026), p = 0.071, adjusted for all comparisons (Holm) 0.14: "
        "no difference shown."
    )
    console = Console(width=100, record=True, file=io.StringIO(), color_system=None)
    console.print(table([("model=[b]", found)]))
    rows = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "model=[b] +0.0125 -0.001 to +0.026 0.071 0.14 no difference shown" in rows


@pytest.mark.parametrize(
    ("p", "text"), [(0.0499, "0.050"), (0.00123, "0.0012"), (1e-5, "1.0e-05"), (0.999, "1"), (0.5, "0.50")]
)
def test_probability(p: float, text: str) -> None:
    assert probability(p) == text


def test_rows_of_a_block_count_once():
    # Six rows that are three times two alike say as much as three.
    loss = np.array([1.0, 2.0, 3.0])
    found = compare_losses(np.repeat(loss, 2), np.zeros(6), block=np.repeat(np.arange(3), 2))
    alone = compare_losses(loss, np.zeros(3))
    assert (found.p, found.difference, found.low, found.high) == (0.25, 2.0, alone.low, alone.high)
    assert found.n == 6
    # Blocks of other sizes: the mean is still that of rows.
    assert compare_losses(np.arange(4.0), np.zeros(4), block=np.array([0, 1, 1, 1])).difference == 1.5
