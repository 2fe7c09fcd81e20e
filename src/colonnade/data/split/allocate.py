"""Allocation: which share each unit falls to. Pure functions of sizes, labels and a random generator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def counts_of(n: int, shares: Sequence[float]) -> np.ndarray:
    """Whole numbers that add to ``n``, as near to the shares as can be, each at least one where ``n`` allows.

    >>> counts_of(10, (0.64, 0.16, 0.2)).tolist()
    [6, 2, 2]
    """
    wanted = np.asarray(shares, dtype=np.float64) / sum(shares) * n
    counts = np.floor(wanted).astype(np.int64)
    short = np.argsort(-(wanted - counts), kind="stable")[: n - counts.sum()]
    counts[short] += 1
    for k in np.flatnonzero(counts == 0):
        if counts.max() > 1:
            counts[counts.argmax()] -= 1
            counts[k] = 1
    return counts


def allocate(n: int, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """A share for each of ``n`` units, at random, ``(n,)`` int64."""
    labels = np.repeat(np.arange(len(shares)), counts_of(n, shares))
    return rng.permutation(labels)


def allocate_strata(strata: np.ndarray, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """A share for each unit so that every stratum is divided alike; rounding errors are carried over between strata.

    A stratum of one unit goes to the first share; one of two or more also reaches another.

    Args:
        strata: ``(n,)`` integer codes.
        shares: relative sizes.
        rng: decides which units of a stratum go where.

    Returns:
        ``(n,)`` int64.
    """
    values, sizes = np.unique(strata, return_counts=True)
    if np.abs(values).max(initial=0) < 2**15:
        strata = strata.astype(np.int16)  # sorted by digits, several times as fast
    order = rng.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    fractions = np.asarray(shares, dtype=np.float64) / sum(shares)
    labels = np.empty(len(strata), dtype=np.int64)
    carried = np.zeros(len(fractions))
    start = 0
    for size in sizes:
        # Error diffusion: what a stratum could not be given exactly, the next ones make up for.
        wanted = fractions * size + carried
        counts = counts_of(int(size), np.maximum(wanted, 1e-9)) if size >= len(shares) else _few(int(size), wanted)
        carried = wanted - counts
        labels[order[start : start + size]] = np.repeat(np.arange(len(shares)), counts)
        start += size
    return labels


def _few(size: int, wanted: np.ndarray) -> np.ndarray:
    """Fewer units than shares: one for the first share, the others where most is wanting."""
    counts = np.zeros(len(wanted), dtype=np.int64)
    counts[0] = 1
    counts[1 + np.argsort(-wanted[1:], kind="stable")[: size - 1]] = 1
    return counts


def allocate_sized(sizes: np.ndarray, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """A share for each group so that the shares hold about the right number of rows.

    Large groups (above half a per cent of the rows) go, the largest first, where most rows are wanting; the many small
    ones fill up at random.

    Args:
        sizes: ``(n_groups,)`` rows of each group.
        shares: relative sizes.
        rng: decides between equals.

    Returns:
        ``(n_groups,)`` int64; every share has a group when there are enough groups.
    """
    wanting = np.asarray(shares, dtype=np.float64) / sum(shares) * sizes.sum()
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    n_large = max(int((sizes > 0.005 * sizes.sum()).sum()), min(len(shares), len(sizes)))
    labels = np.empty(len(sizes), dtype=np.int64)
    empty = np.ones(len(shares), dtype=bool)
    for i, group in enumerate(order[:n_large]):
        last_chances = len(order) - i <= empty.sum()
        share = int(np.where(empty | (not last_chances), wanting, -np.inf).argmax())
        labels[group], empty[share] = share, False
        wanting[share] -= sizes[group]
    small = rng.permutation(order[n_large:])
    edges = np.cumsum(np.maximum(wanting, 0))
    filled = np.cumsum(sizes[small]) - sizes[small] / 2
    scale = filled[-1] / edges[-1] if len(small) and edges[-1] > 0 else 1.0
    labels[small] = np.searchsorted(edges * max(scale, 1e-12), filled, side="left").clip(0, len(shares) - 1)
    if empty.any() and len(sizes) >= len(shares):
        for lacking in np.flatnonzero(np.bincount(labels, minlength=len(shares)) == 0):
            fullest = int(np.bincount(labels, minlength=len(shares)).argmax())
            labels[np.flatnonzero(labels == fullest)[0]] = lacking
    return labels
