import torch

from colonnade.core.batch import Batch
from colonnade.core.chunk import Chunk


def test_steps_are_consecutive_rows_with_their_own_norm_and_index():
    batch = Batch(num=torch.arange(10.0)[:, None], cat=torch.zeros(10, 0, dtype=torch.int64))
    chunk = Chunk(batch=batch, sizes=(4, 4, 2), norms=torch.tensor([4.0, 4.0, 2.0]), epoch=3, first_step=16)
    assert len(chunk) == 3
    steps = list(chunk.to("cpu").steps())
    assert [i for i, _, _ in steps] == [16, 17, 18]
    assert [len(b) for _, b, _ in steps] == [4, 4, 2]
    assert [n.item() for _, _, n in steps] == [4.0, 4.0, 2.0]
    assert torch.cat([b.num for _, b, _ in steps]).equal(batch.num)
