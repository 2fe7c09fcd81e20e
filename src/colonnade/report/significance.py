"""Significance: whether two sets of predictions of the same rows differ by more than the choice of the rows explains.

What is compared is what two trainings gave. That another seed would give other weights is not part of it: for that,
several seeds are trained, and their spread is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

RESAMPLES = 9999
FEWEST = 999
# Random numbers that one comparison may draw.
MOST_DRAWS = 1_000_000_000
# Of these fit in memory at a time.
BLOCK = 4_000_000
# Up to so many rows that differ, every assignment of signs is tried.
EXHAUSTIVE = 13
LEVEL = 0.95
MCNEMAR = "exact McNemar test"
SIGN_FLIP = "sign-flip permutation test"


@dataclass(frozen=True)
class Comparison:
    """What a test says about two sets of predictions.

    Args:
        n: number of rows.
        difference: mean loss of the first minus that of the second; above 0 the first is worse.
        low, high: 95 % bootstrap interval of the difference.
        p: p-value, two-sided.
        test: name of the test.
        p_holm: p-value adjusted for all comparisons that were made.
    """

    n: int
    difference: float
    low: float
    high: float
    p: float
    test: str
    p_holm: float | None = None

    @property
    def verdict(self) -> str:
        """In one word, at 5 %, the adjusted p-value counting where there is one."""
        p = self.p if self.p_holm is None else self.p_holm
        if p >= 1 - LEVEL:
            return "no difference shown"
        return "worse" if self.difference > 0 else "better"


def compare_labels(wrong: np.ndarray, other_wrong: np.ndarray, *, seed: int = 0) -> Comparison:
    """Compare classifications by the rows that only one of the two gets wrong.

    McNemar's test in its exact form: given that n rows are wrong in one only, the number of those that are the
    first's is binomial with one half (McNemar 1947; recommended for single trainings by Dietterich 1998).

    Args:
        wrong, other_wrong: ``(N,)``, whether the label of a row is wrong.
        seed: of the bootstrap.
    """
    from scipy.stats import binomtest

    first, second = np.asarray(wrong, dtype=bool), np.asarray(other_wrong, dtype=bool)
    _check(first, second)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant = only_first + only_second
    p = float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0
    n = len(first)
    # The resampled mean depends on three counts alone.
    shares = np.array([only_first, only_second, n - discordant]) / n
    counts = np.random.default_rng(seed).multinomial(n, shares, size=RESAMPLES)
    low, high = _interval((counts[:, 0] - counts[:, 1]) / n)
    return Comparison(n, (only_first - only_second) / n, low, high, p, MCNEMAR)


def compare_losses(
    loss: np.ndarray, other_loss: np.ndarray, *, block: np.ndarray | None = None, seed: int = 0
) -> Comparison:
    """Compare predictions by a loss of each row, such as the squared error.

    The sign-flip permutation test (Fisher 1935): if the two were alike, each row's difference could as well have the
    other sign; how often would the mean be as far from 0? It is a test of the mean, which is what the metric and the
    interval are about. Wilcoxon's test, the alternative, ranks the differences: with the long tails of squared errors
    it can call the one better whose mean is worse.

    Every assignment of signs is tried when few rows differ; else 9999 random ones, fewer for more than 100,000 rows.

    Args:
        loss, other_loss: ``(N,)``, finite.
        block: ``(N,)`` codes from 0: rows that hang together, such as windows of a forecast that share steps, change
            their sign, and are drawn, together; None: none do.
        seed: of the permutations and the bootstrap.
    """
    first, second = np.asarray(loss, dtype=np.float64), np.asarray(other_loss, dtype=np.float64)
    _check(first, second)
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("losses must be finite")
    mean = float((first - second).mean())
    differences = first - second
    if block is not None:
        sums = np.bincount(block, differences).astype(np.float64)
        differences = sums * (len(sums) / len(first))
    rng = np.random.default_rng(seed)
    p = _sign_flip(differences[differences != 0], rng)
    low, high = _interval(_resampled_means(differences, rng))
    return Comparison(len(first), mean, low, high, p, SIGN_FLIP)


def holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with p-values adjusted for their number by Holm's step-down method (1979), in the same order."""
    order = sorted(range(len(comparisons)), key=lambda i: comparisons[i].p)
    adjusted: dict[int, float] = {}
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * comparisons[i].p))
        adjusted[i] = largest
    return [replace(comparison, p_holm=adjusted[i]) for i, comparison in enumerate(comparisons)]


def table(compared: Sequence[tuple[str, Comparison]]) -> Table:
    """A line for each comparison.

    Args:
        compared: names of what was compared, with the results.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    result = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column("run", overflow="fold", min_width=min(16, max((len(name) for name, _ in compared), default=0)))
    # Of those that fold, the numbers stay whole.
    for name in ("difference", "95 % interval", "p", "p (Holm)"):
        result.add_column(name, justify="right", no_wrap=name != "95 % interval")
    result.add_column("verdict", min_width=10)
    for name, found in compared:
        adjusted = "" if found.p_holm is None else probability(found.p_holm)
        interval = f"{found.low:+.2g} to {found.high:+.2g}"
        difference = f"{found.difference:+.3g}"
        result.add_row(Text(name), difference, interval, probability(found.p), adjusted, found.verdict)
    return result


def sentence(name: str, best: str, found: Comparison) -> str:
    """A comparison in words."""
    adjusted = "" if found.p_holm is None else f", adjusted for all comparisons (Holm) {probability(found.p_holm)}"
    return (
        f"{name} against {best}: {found.difference:+.3g} (95 % interval {found.low:+.3g} to {found.high:+.3g}), "
        f"p = {probability(found.p)}{adjusted}: {found.verdict}."
    )


def probability(p: float) -> str:
    """A p-value.

    >>> probability(0.0312), probability(0.2), probability(2e-9), probability(1.0)
    ('0.031', '0.20', '2.0e-09', '1')
    """
    if p >= 0.995:
        return "1"
    return f"{p:.1e}" if p < 0.0001 else f"{p:.{max(2, 1 - math.floor(math.log10(p)))}f}"


def _check(first: np.ndarray, second: np.ndarray) -> None:
    if first.shape != second.shape or first.ndim != 1 or len(first) == 0:
        raise ValueError(f"two vectors of the same rows are compared, got shapes {first.shape} and {second.shape}")


def _sign_flip(differences: np.ndarray, rng: np.random.Generator) -> float:
    """Two-sided p-value; ``differences`` has no zeros, whose sign is of no consequence."""
    n = len(differences)
    if n == 0:
        return 1.0
    # Scaled, so that the comparison below has one tolerance for all units.
    scaled = differences / np.abs(differences).max()
    reached = abs(scaled.sum()) * (1 - 1e-9)
    if n <= EXHAUSTIVE:
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
        return float((np.abs(signs @ scaled) >= reached).mean())
    flips = _draws(n)
    extreme = 0
    for size in _blocks(flips, n):
        bits = np.unpackbits(np.frombuffer(rng.bytes(size * -(-n // 8)), dtype=np.uint8).reshape(size, -1), axis=1)
        # The sum over flipped rows twice from the whole.
        sums = scaled.sum() - 2.0 * (bits[:, :n].astype(np.float64) @ scaled)
        extreme += int((np.abs(sums) >= reached).sum())
    # The assignment that was seen is one of those possible, so that p is never 0 (Phipson and Smyth 2010).
    return (extreme + 1) / (flips + 1)


def _resampled_means(differences: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means of bootstrap samples."""
    n = len(differences)
    means = [
        differences[rng.integers(0, n, size=(size, n), dtype=np.int32)].mean(axis=1)
        for size in _blocks(_draws(10 * n), n)
    ]
    return np.concatenate(means)


def _draws(n: int) -> int:
    return int(min(RESAMPLES, max(FEWEST, MOST_DRAWS // n)))


def _blocks(n: int, width: int) -> list[int]:
    """``n`` draws of ``width`` numbers each, as many at a time as memory takes."""
    size = max(1, BLOCK // width)
    return [min(size, n - start) for start in range(0, n, size)]


def _interval(means: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
