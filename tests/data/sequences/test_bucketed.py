"""An order of sequences: complete, seeded, and with little padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from colonnade.data.loader import ChunkLoader
from colonnade.data.sequences.bucketed import Bucketed
from colonnade.data.sequences.store import SequenceStore

LENGTHS = torch.from_numpy(np.random.default_rng(0).integers(1, 200, 1003))


def order(**options):
    return Bucketed(LENGTHS, **{"batch_size": 16, "seed": 3, **options})


@pytest.mark.parametrize("batch_size", [1, 16, 500, 1003])
def test_every_series_once_in_another_order_each_epoch(batch_size):
    bucketed = order(batch_size=batch_size)
    epochs = [bucketed.rows(epoch) for epoch in (0, 1)]
    assert all(rows.sort().values.equal(torch.arange(1003)) for rows in epochs)
    assert not epochs[0].equal(epochs[1])
    assert epochs[0].equal(order(batch_size=batch_size).rows(0))
    assert not epochs[0].equal(order(batch_size=batch_size, seed=4).rows(0))


def padding(rows):
    steps = LENGTHS[rows[:992]].reshape(-1, 16)
    return 1 - LENGTHS[rows[:992]].sum() / (steps.max(1).values * 16).sum()


def test_there_is_little_padding():
    assert padding(order().rows(0)) < 0.05
    assert padding(torch.randperm(1003)) > 0.4


def test_steps_are_in_no_order_of_length():
    means = LENGTHS[order().rows(0)[:992]].reshape(-1, 16).double().mean(1)
    assert abs(np.corrcoef(means, np.arange(62))[0, 1]) < 0.3


def test_a_loader_cuts_each_step_to_its_longest_series():
    n = int(LENGTHS.sum())
    store = SequenceStore(
        num=torch.arange(float(n))[:, None],
        cat=torch.zeros(n, 0, dtype=torch.int32),
        spans=torch.stack([LENGTHS.cumsum(0) - LENGTHS, LENGTHS.cumsum(0)], 1),
        row_id=torch.arange(1003),
        lengths=LENGTHS,
    )
    loader = ChunkLoader(store, order(), batch_size=16, chunk=8, position=lambda: (0, 0))
    seen = []
    for chunk in loader:
        assert chunk.to("cpu").longest == chunk.longest
        for _, batch, norm in chunk.steps():
            assert batch.num.shape[:2] == batch.mask.shape == (len(batch), int(LENGTHS[batch.row_id].max()))
            assert batch.mask.sum(1).equal(LENGTHS[batch.row_id])
            assert norm == len(batch)
            seen += batch.row_id.tolist()
    assert sorted(seen) == list(range(1003))
