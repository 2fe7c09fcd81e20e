"""A loop in what is exported, against one of Python."""

import pytest
import torch
from torch import nn

from colonnade.nn.blocks.loop import loop


class Halving(nn.Module):
    """Half of what was, and what is given."""

    def __init__(self, reverse):
        super().__init__()
        self.reverse = reverse

    def forward(self, x):
        """``(T, n)`` to what is carried behind the last step, ``(n,)``, and behind each."""

        def step(before, given):
            after = before / 2 + given
            return after, after.clone()

        return loop(step, x.new_zeros(x.shape[1]), x, reverse=self.reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_loop_takes_any_number_of_steps(reverse):
    steps = torch.export.Dim("steps", min=2, max=100)
    program = torch.export.export(Halving(reverse), (torch.ones(3, 2),), dynamic_shapes=({0: steps},)).module()
    x = torch.arange(14.0).reshape(7, 2)
    state, behind = torch.zeros(2), torch.empty(7, 2)
    for t in reversed(range(7)) if reverse else range(7):
        behind[t] = state = state / 2 + x[t]
    torch.testing.assert_close(program(x), (state, behind))
