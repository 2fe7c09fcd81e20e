"""Padded batches of concatenated series."""

from __future__ import annotations

import pytest
import torch

from colonnade.data.sequences.store import SequenceStore, padded

LENGTHS = torch.tensor([2, 1, 4, 3])


def store(lengths=LENGTHS):
    n = int(lengths.sum())
    return SequenceStore(
        num=torch.arange(2.0 * n).reshape(n, 2),
        cat=torch.arange(n, dtype=torch.int32).reshape(n, 1),
        spans=torch.stack([lengths.cumsum(0) - lengths, lengths.cumsum(0)], 1),
        row_id=torch.arange(len(lengths)) + 100,
        target=torch.arange(len(lengths)),
        lengths=None if len(lengths.unique()) == 1 else lengths,
    )


def test_padding_repeats_the_last_step_and_is_masked():
    index, mask = padded(torch.tensor([0, 5]), torch.tensor([2, 3]))
    assert index.tolist() == [[0, 1, 1], [5, 6, 7]]
    assert mask.tolist() == [[True, True, False], [True, True, True]]


@pytest.mark.parametrize("index", [[0, 1, 2, 3], [3, 1], [1]])
def test_a_batch_holds_each_series_step_by_step(index):
    whole = store()
    batch = whole.gather(torch.tensor(index))
    assert batch.num.shape == (len(index), int(LENGTHS[index].max()), 2)
    assert batch.mask.sum(1).tolist() == LENGTHS[index].tolist()
    assert batch.target.tolist() == index
    assert batch.row_id.tolist() == [i + 100 for i in index]
    for row, i in enumerate(index):
        start, stop = whole.spans[i].tolist()
        assert batch.num[row][batch.mask[row]].equal(whole.num[start:stop])
        assert batch.cat[row, batch.mask[row], 0].tolist() == list(range(start, stop))
    assert batch.cat.dtype == torch.int64


def test_rows_are_the_series_in_order_and_stop_at_the_last():
    batch = store().rows(2, 10)
    assert batch.row_id.tolist() == [102, 103]
    assert batch.num.shape == (2, 4, 2)


def test_series_of_one_length_need_no_mask():
    assert store(torch.tensor([3, 3])).gather(torch.tensor([1, 0])).mask is None


def test_moved_it_is_the_same():
    moved = store().to("cpu")
    assert moved.gather(torch.tensor([2])).num.equal(store().gather(torch.tensor([2])).num)
    assert moved.lengths is not None
    assert moved.nbytes == store().nbytes == 10 * 2 * 4 + 10 * 4 + 2 * 4 * 8 + 4 * 8 + 4 * 8
