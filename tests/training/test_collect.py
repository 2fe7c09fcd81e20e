import pytest
import torch
from kit import Net, rows

from colonnade.core.batch import Batch
from colonnade.core.errors import DataError
from colonnade.training.collect import Collector, forward_raw


def test_collects_in_order():
    collector, data = Collector(()), rows(10, weighted=True)
    for piece in data.split(4):
        collector.add(piece.num[:, :1], piece)
    found = collector.finish()
    assert len(found) == 10
    assert torch.equal(found.raw, data.num[:, :1])
    assert torch.equal(found.row_id, data.row_id)
    assert torch.equal(found.weight, data.weight)
    assert len(collector.finish()) == 0


def test_no_rows_have_a_shape():
    assert Collector((3,)).finish().raw.shape == (0, 1, 3)


def test_targets_are_needed():
    with pytest.raises(DataError, match="need a target and a row id"):
        Collector(()).add(torch.zeros(1, 1), Batch(torch.zeros(1, 2), torch.zeros(1, 0)))


def test_pieces_give_the_same():
    net, data = Net(members=3).eval(), rows(50)
    whole = forward_raw(net, data, None)
    assert whole.shape == (50, 3)
    torch.testing.assert_close(forward_raw(net, data, 7), whole)
