from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from colonnade.data.rows import Balanced, BlockShuffle, Permutation, share, step_bounds


@pytest.mark.parametrize(
    "make", [lambda n, seed: Permutation(n, seed=seed), lambda n, seed: BlockShuffle(n, seed=seed, block=8, window=3)]
)
@given(n=st.integers(1, 300), seed=st.integers(0, 2**40), epoch=st.integers(0, 50))
def test_every_row_once_decided_by_seed_and_epoch(make, n, seed, epoch):
    order = make(n, seed).rows(epoch)
    assert order.dtype == torch.int64
    assert sorted(order.tolist()) == list(range(n))
    assert torch.equal(order, make(n, seed).rows(epoch))
    if n > 50:
        assert not torch.equal(order, make(n, seed).rows(epoch + 1))
        assert not torch.equal(order, make(n, seed + 1).rows(epoch))


def test_blocks_are_read_a_window_at_a_time():
    n, block, window = 1000, 10, 4
    order = BlockShuffle(n, seed=0, block=block, window=window).rows(0).numpy()
    for start in range(0, n, block * window):
        touched = np.unique(order[start : start + block * window] // block)
        assert len(touched) == window
    # Mixed within the window, and blocks from all over the file.
    first = order[: block * window]
    assert np.ptp(first) > block * window
    assert (np.diff(first) != 1).mean() > 0.8


def test_balanced_draws():
    target = torch.tensor([0] * 900 + [2] * 90 + [5] * 10)[
        torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    ]
    order = Balanced(target, seed=3)
    assert len(order) == 1000
    drawn = order.rows(0)
    assert torch.equal(drawn, order.rows(0))
    assert not torch.equal(drawn, order.rows(1))
    counts = torch.bincount(target[drawn], minlength=6)
    assert counts[[1, 3, 4]].sum() == 0
    # Three classes, each with a third of the draws: within 5 standard deviations.
    np.testing.assert_allclose(counts[[0, 2, 5]], 1000 / 3, atol=5 * (1000 * 2 / 9) ** 0.5)
    assert set(drawn[target[drawn] == 5].tolist()) == set(torch.nonzero(target == 5).flatten().tolist())


@pytest.mark.parametrize(
    ("n", "batch_size", "world", "sizes"),
    [
        (10, 4, 1, [4, 4, 2]),
        (9, 4, 1, [4, 5]),
        (8, 4, 1, [4, 4]),
        (3, 4, 1, [3]),
        (1, 4, 1, [1]),
        (11, 4, 2, [4, 7]),
        (12, 8, 2, [8, 4]),
        (256 * 2 + 15, 256, 1, [256, 271]),
        (256 * 2 + 16, 256, 1, [256, 256, 16]),
        (3, 1, 1, [1, 1, 1]),
    ],
)
def test_a_tiny_last_step_is_merged(n, batch_size, world, sizes):
    assert np.diff(step_bounds(n, batch_size, world)).tolist() == sizes


@given(n=st.integers(1, 500), batch_size=st.integers(1, 80), world=st.integers(1, 5))
def test_processes_share_every_step(n, batch_size, world):
    batch_size = max(batch_size, world)
    bounds = step_bounds(n, batch_size, world)
    assert bounds[0] == 0
    assert bounds[-1] == n
    pieces = [share(bounds, rank, world) for rank in range(world)]
    sizes = np.stack([s for _, s in pieces])
    assert (sizes.sum(0) == np.diff(bounds)).all()
    assert (np.ptp(sizes, axis=0) <= 1).all()
    for step, (start, stop) in enumerate(zip(bounds, bounds[1:])):
        ends = np.cumsum(sizes, axis=1)
        seen = [p[ends[r, step] - sizes[r, step] : ends[r, step]] for r, (p, _) in enumerate(pieces)]
        assert np.concatenate(seen).tolist() == list(range(start, stop))
