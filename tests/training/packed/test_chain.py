"""Chain: outputs and gradients are those of each member's own layers under autograd."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from colonnade.nn.blocks.dropout import Dropout
from colonnade.training.packed.chain import MembersChain, chains
from colonnade.training.packed.draws import Call, Drawn, Draws, Masks
from colonnade.training.packed.forms import give_forms
from colonnade.training.packed.layers import MembersLinear


@pytest.mark.parametrize("activation", [nn.ReLU, nn.SiLU])
@pytest.mark.parametrize("wanted", [False, True])
def test_gradients_are_those_of_autograd(activation, wanted):
    own = [
        nn.Sequential(nn.Linear(4, 5), activation(), Dropout(0.4), nn.Linear(5, 3, bias=False), Dropout(0.0))
        for _ in range(3)
    ]
    rows = [torch.randn(6, 4, requires_grad=wanted) for _ in own]
    outputs, weighting = [], torch.randn(3, 6, 3)
    for net, x in zip(own, rows):
        torch.manual_seed(5)
        outputs.append(net(x))
    torch.stack(outputs).mul(weighting).sum().backward()

    networks = [nn.Sequential(net) for net in own]
    draws = Draws(networks)
    give_forms(draws.template)
    chain = draws.template[0]
    assert isinstance(chain, MembersChain)
    weights = {}
    for name in ("0.weight", "0.bias", "3.weight"):
        weights[name] = torch.stack([net.get_parameter(name).detach() for net in own]).requires_grad_()
        parent, _, leaf = name.rpartition(".")
        setattr(chain.get_submodule(parent), leaf, weights[name])

    def seeded():
        for _ in own:
            torch.manual_seed(5)
            yield torch.device("cpu")

    call = Call("0.2", torch.Size((6, 5)), torch.float32)
    draws.give(draws.of(networks, [call], seeded()))
    x = torch.cat([each.detach() for each in rows]).requires_grad_(wanted)
    found = chain(x).unflatten(0, (3, 6))
    torch.testing.assert_close(found, torch.stack(outputs))
    found.mul(weighting).sum().backward()
    for name, weight in weights.items():
        expected = torch.stack([net.get_parameter(name).grad for net in own])
        torch.testing.assert_close(weight.grad, expected)
        assert weight.grad.is_contiguous(), "the kernels of optimizers go through it in the order of memory"
    if wanted:
        torch.testing.assert_close(x.grad, torch.cat([each.grad for each in rows]))


def test_what_is_no_chain():
    linear = MembersLinear(nn.Linear(2, 2))
    drawn = Drawn("1", Masks(), Draws([nn.Linear(2, 2)]))
    assert chains(nn.Sequential(linear, nn.SiLU(), drawn, Dropout(0.0), linear))
    assert not chains(nn.Sequential(nn.SiLU(), linear))
    assert not chains(nn.Sequential(linear, nn.GELU()))
    assert not chains(nn.Sequential())
    assert not chains(MembersChain(nn.Sequential(linear)))
