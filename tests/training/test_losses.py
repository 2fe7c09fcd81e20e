import math

import pytest
import torch
from kit import rows

from colonnade.core.chunk import Chunk
from colonnade.core.errors import TrainingError
from colonnade.training.losses import StepLosses, _Pending


def chunk(steps):
    return Chunk(batch=rows(4 * steps), sizes=(4,) * steps, norms=torch.arange(1.0, steps + 1), epoch=2, first_step=10)


def filled(values):
    losses, data = StepLosses(), chunk(len(values))
    for value, (step, batch, _) in zip(values, data.steps()):
        losses.add(torch.tensor(value), step, batch, data.epoch)
    losses.end_chunk(data)
    return losses


def test_sums_are_weighted_by_the_norms():
    assert filled([1.0, 2.0, 6.0]).sums() == [1 + 4 + 18, 6]


def test_sums_restore_exactly():
    losses = filled([0.1, 0.7])
    other = StepLosses()
    other.restore(losses.sums())
    assert other.sums() == losses.sums()
    other.reset()
    assert other.sums() == [0.0, 0.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_stops_before_the_step_and_names_the_rows(bad):
    with pytest.raises(TrainingError) as error:
        filled([0.5, bad])
    assert str(error.value) == (
        f"the loss is {bad} in epoch 2, step 11 (row ids 1004, 1005, 1006, 1007): training stopped, and the last "
        "finite checkpoint is kept. Look at these rows, lower optim.lr, or set optim.grad_clip=1.0"
    )


def test_many_rows_are_counted():
    losses, data = StepLosses(), chunk(5)
    with pytest.raises(TrainingError, match="1009 and 10 more"):
        losses.add(torch.tensor(math.nan), 0, data.batch, 0)


def test_losses_of_a_device_are_looked_at_later():
    losses, data = StepLosses(), chunk(2)
    losses._pending = _Pending(data, torch.tensor([[0.5, math.nan], [1.0, 2.0]], dtype=torch.float64), None)
    with pytest.raises(TrainingError, match="epoch 2, step 11"):
        losses.sums()
