"""Stack: networks share its memory, and what cannot be stacked is refused by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from colonnade.core.errors import ConfigError
from colonnade.training.average import WeightAverage
from colonnade.training.optim import OptimizerBuilder
from colonnade.training.packed.stack import Part, Stack, difference


def part(width: int = 4, *, offset: float = 0.0, ema: bool = False, **settings: object) -> Part:
    net = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width))
    net.register_buffer("offset", torch.tensor([offset]), persistent=False)
    return Part(net, OptimizerBuilder(**settings).build(net), WeightAverage(net, 0.9) if ema else None)


def test_networks_are_views():
    parts = [part(), part(), part()]
    before = [{k: v.clone() for k, v in p.network.state_dict().items()} for p in parts]
    stack = Stack(parts)
    for p, state in zip(parts, before):
        for name, value in p.network.state_dict().items():
            torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    with torch.no_grad():
        stack.weights[0][1] += 1
        stack.buffers[0][2] += 1
    assert torch.equal(parts[1].network[0].weight, before[1]["0.weight"] + 1)
    assert torch.equal(parts[0].network[0].weight, before[0]["0.weight"])
    assert torch.equal(parts[2].network[1].running_mean, before[2]["1.running_mean"] + 1)


def test_a_smaller_stack_goes_on_with_the_state_of_the_larger():
    parts = [part(), part(), part()]
    stack = Stack(parts)
    with torch.no_grad():
        stack.moments["exp_avg"][0].copy_(torch.arange(3.0)[:, None, None].expand(3, 4, 3))
        stack.steps += torch.tensor([[4.0], [5.0], [6.0]])
    smaller = Stack([parts[0], parts[2]])
    assert smaller.steps[:, 0].tolist() == [4.0, 6.0]
    assert smaller.moments["exp_avg"][0][:, 0, 0].tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (part(5), r"'0.weight' of the network has the shape \(4, 3\) in one and \(5, 3\) in another"),
        (part(offset=1.0), "'offset' of the network differs, which follows from the encoded columns"),
        (part(name="sgd"), "optim.name differs"),
        (part(weight_decay=0.1), "divide the parameters differently"),
        (part(ema=True), "module.ema or module.swa averages the weights of one and not of another"),
    ],
)
def test_what_differs_is_told(other, text):
    with pytest.raises(ConfigError, match=text):
        Stack([part(), other])


def test_other_rates_are_no_difference():
    assert difference(part(lr=0.1), part(lr=0.2)) is None
