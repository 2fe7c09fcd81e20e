import torch

from colonnade.core.batch import Batch


def batch(n=5):
    return Batch(
        num=torch.arange(2.0 * n).reshape(n, 2),
        cat=torch.zeros(n, 0, dtype=torch.int64),
        target=torch.arange(n),
        row_id=torch.arange(n) + 100,
    )


def test_rows_are_views_of_every_tensor_that_is_there():
    part = batch().rows(1, 3)
    assert len(part) == 2
    assert part.target.tolist() == [1, 2]
    assert part.row_id.tolist() == [101, 102]
    assert part.weight is None
    whole = batch()
    assert whole.rows(1, 3).num.data_ptr() == whole.num[1:].data_ptr()


def test_split_covers_every_row_once():
    pieces = batch().split(2)
    assert [len(p) for p in pieces] == [2, 2, 1]
    assert torch.cat([p.num for p in pieces]).equal(batch().num)


def test_to_moves_everything():
    moved = batch().to("meta")
    assert moved.num.is_meta
    assert moved.cat.is_meta
    assert moved.target.is_meta
    assert moved.mask is None


def test_sequences_are_cut_to_their_first_steps():
    whole = Batch(
        num=torch.arange(24.0).reshape(2, 4, 3),
        cat=torch.zeros(2, 4, 0, dtype=torch.int64),
        mask=torch.tensor([[True, True, False, False], [True, False, False, False]]),
        target=torch.arange(2),
    )
    cut = whole.until(2)
    assert cut.num.equal(whole.num[:, :2])
    assert cut.cat.shape == (2, 2, 0)
    assert cut.mask.tolist() == [[True, True], [True, False]]
    assert cut.target is whole.target
    assert cut.num.data_ptr() == whole.num.data_ptr()
