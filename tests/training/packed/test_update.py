"""Update: what torch's optimizers do to each network by itself."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from colonnade.training.average import WeightAverage
from colonnade.training.optim import OptimizerBuilder
from colonnade.training.packed.stack import Part, Stack
from colonnade.training.packed.update import clip, update


def nets(n: int) -> list[nn.Module]:
    return [nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2)) for _ in range(n)]


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "adamw"},
        {"name": "adam"},
        {"name": "sgd"},
        {"name": "sgd", "nesterov": True},
        {"name": "sgd", "momentum": 0.0},
    ],
)
def test_steps_are_those_of_torch(settings):
    mine = nets(3)
    theirs = copy.deepcopy(mine)
    builders = [
        OptimizerBuilder(lr=lr, weight_decay=decay, **settings) for lr, decay in ((0.1, 0.2), (0.1, 0.2), (0.01, 0.3))
    ]
    averages = [WeightAverage(net, 0.9) for net in mine]
    references = [WeightAverage(net, 0.9) for net in theirs]
    stack = Stack([Part(net, b.build(net), a) for net, b, a in zip(mine, builders, averages)])
    solo = [b.build(net) for net, b in zip(theirs, builders)]
    for index in range(4):
        grads = [torch.randn_like(w) for w in stack.weights]
        for start, stop in ((0, 2), (2, 3)):
            part = stack.slice(start, stop)
            update(
                part,
                [g[start:stop] for g in grads],
                stack.parts[start].optimizer,
                1 - min(0.9, (1 + index) / (10 + index)) if index else 1.0,
            )
        for k, (net, optimizer, average) in enumerate(zip(theirs, solo, references)):
            for p, g in zip(net.parameters(), grads):
                p.grad = g[k].clone()
            optimizer.step()
            average.update(net, index)
    for one, other, average, reference in zip(mine, theirs, averages, references):
        # The networks themselves: their tensors are views of the stack.
        for p, q in zip((*one.parameters(), *average.parameters()), (*other.parameters(), *reference.parameters())):
            torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-7)
    for k, optimizer in enumerate(solo):
        kept = stack.parts[k].optimizer.state_dict()["state"]
        for i, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                if isinstance(value, torch.Tensor):
                    torch.testing.assert_close(kept[i][name], value, rtol=1e-6, atol=1e-7)


def test_gradients_are_clipped_member_by_member():
    grads = [torch.randn(3, 4, 2), None, torch.randn(3, 5)]
    most = [0.5, None, 100.0]
    expected = []
    for k, largest in enumerate(most):
        own = [nn.Parameter(torch.zeros_like(g[k])) for g in grads if g is not None]
        for p, g in zip(own, [g for g in grads if g is not None]):
            p.grad = g[k].clone()
        nn.utils.clip_grad_norm_(own, math.inf if largest is None else largest)
        expected.append([p.grad for p in own])
    clip(grads, most)
    for k in range(3):
        for found, wanted in zip([g for g in grads if g is not None], expected[k]):
            torch.testing.assert_close(found[k], wanted)
