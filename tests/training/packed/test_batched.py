"""BatchedNetwork: losses and gradients of each member are those of its own network."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.linear import Linear
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.backbones.realmlp import RealMLP, RealMLPHead
from colonnade.nn.backbones.resnet import ResNet
from colonnade.nn.backbones.tabm import TabM
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.identity import Identity
from colonnade.nn.embed.mixed import MixedEmbedding
from colonnade.nn.embed.pbld import PBLDEmbedding
from colonnade.nn.embed.periodic import PeriodicEmbedding
from colonnade.nn.embed.piecewise import PiecewiseLinearEmbedding
from colonnade.nn.head import Head
from colonnade.nn.network import Network
from colonnade.tasks.binary import Binary
from colonnade.training.optim import OptimizerBuilder
from colonnade.training.packed.batched import BatchedNetwork
from colonnade.training.packed.forms import takes_rows_of_all
from colonnade.training.packed.stack import Part, Stack

SPEC = BatchSpec(
    num_names=("a", "b"),
    cat_names=("c", "d"),
    cardinalities=(5, 4),
    target_kind="class",
    target_names=("y",),
    out_shape=(1,),
    classes=("no", "yes"),
)
WORDS = partial(CategoricalEmbedding, unknown_rate=0.0)
CASES = {
    "linear": (partial(Linear), partial(CategoricalEmbedding, bias=True, unknown_rate=0.0), True),
    "mlp": (
        partial(MLP, d_hidden=[7, 5], dropout=0.0, activation="silu"),
        partial(MixedEmbedding, max_one_hot=2, d_embedding=3, unknown_rate=0.0),
        True,
    ),
    "resnet": (partial(ResNet, d_block=4, hidden_dropout=0.0), WORDS, True),
    "tabm": (partial(TabM, n_members=3, d_block=5, dropout=0.0), WORDS, False),
    "mlp_pwl": (partial(MLP, d_hidden=[5], dropout=0.0), WORDS, True),
    "mlp_pwl_a": (partial(MLP, d_hidden=[5], dropout=0.0), WORDS, True),
    "realmlp": (partial(RealMLP, d_hidden=[6, 5], dropout=0.0, activation="mish"), WORDS, True),
    "resnet_plr": (partial(ResNet, d_block=4, hidden_dropout=0.0), WORDS, False),
}
NUMBERS = {
    "mlp_pwl": partial(PiecewiseLinearEmbedding, d_embedding=3, n_bins=4, version="B"),
    "mlp_pwl_a": partial(PiecewiseLinearEmbedding, d_embedding=3, n_bins=4, version="A", activation=True),
    "realmlp": partial(PBLDEmbedding, d_embedding=3, n_frequencies=4, sigma=1.0),
    "resnet_plr": partial(PeriodicEmbedding, d_embedding=3, n_frequencies=4),
}
HEADS = {"realmlp": RealMLPHead}


@pytest.mark.parametrize("model", CASES)
def test_gradients_are_those_of_each_network(model):
    backbone, categorical, at_once = CASES[model]
    rows = Batch(num=torch.randn(40, 2), cat=torch.randint(0, 4, (40, 2)), target=torch.randint(0, 2, (40,)))
    nets = [
        Network(
            spec=replace(SPEC, num_sample=rows.num[k:], train_rows=rows),
            numerical=NUMBERS.get(model, Identity),
            backbone=backbone,
            categorical=categorical,
            head=HEADS.get(model, Head),
        )
        for k in range(3)
    ]
    assert takes_rows_of_all(nets[0]) is at_once
    task = Binary()
    task.setup(SPEC)
    batches = [
        Batch(num=torch.randn(9, 2), cat=torch.randint(0, 4, (9, 2)), target=torch.randint(0, 2, (9,))) for _ in nets
    ]
    shares = [torch.rand(9) for _ in nets]
    expected, moved = [], []
    for net, batch, share in zip(nets, batches, shares):
        before = [b.clone() for b in net.buffers()]
        loss = torch.dot(task.row_loss(net(batch).raw, batch.target), share)
        expected.append((loss, torch.autograd.grad(loss, list(net.parameters()))))
        moved.append([b.clone() for b in net.buffers()])
        with torch.no_grad():
            for buffer, value in zip(net.buffers(), before):
                buffer.copy_(value)
    stack = Stack([Part(net, OptimizerBuilder().build(net)) for net in nets])
    batched = BatchedNetwork(nets, [task] * 3)
    # Of neighbours alone, and of all.
    for start, stop in ((1, 3), (0, 3)):
        part = stack.slice(start, stop)
        assert batched.plan(part, batches[start]).calls == []
        losses, grads = batched.gradients(part, [task] * (stop - start), batches[start:stop], shares[start:stop], [])
        for k, (loss, own) in enumerate(expected[start:stop]):
            torch.testing.assert_close(losses[k], loss.detach(), rtol=1e-5, atol=1e-6)
            for found, wanted in zip(grads, own, strict=True):
                torch.testing.assert_close(found[k], wanted, rtol=1e-4, atol=1e-5)
    if at_once:
        found = batched.evaluate(stack.slice(0, 3), batches)
        for net, batch, own in zip(nets, batches, found):
            torch.testing.assert_close(own, net.eval()(batch).raw.detach(), rtol=1e-5, atol=1e-5)
            net.train()
    # Running statistics: those of the first network went through one step.
    for found, wanted in zip(nets[0].buffers(), moved[0], strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_what_is_not_known_to_keep_rows_apart_is_mapped():
    net = Network(spec=SPEC, backbone=partial(MLP, d_hidden=[3]))
    assert takes_rows_of_all(net)
    net.backbone.layers.append(nn.LayerNorm(3))
    assert not takes_rows_of_all(net)


def test_as_many_go_together_as_the_cache_holds(monkeypatch):
    backbone, categorical, _ = CASES["mlp"]
    nets = [Network(spec=SPEC, backbone=backbone, categorical=categorical) for _ in range(2)]
    part = Stack([Part(net, OptimizerBuilder().build(net)) for net in nets]).slice(0, 2)
    batch = Batch(num=torch.randn(9, 2), cat=torch.zeros(9, 2, dtype=torch.int64))
    # Nine rows of the widest layer, whose numbers have four bytes.
    monkeypatch.setattr("colonnade.training.packed.batched.CACHED", 3 * 9 * 7 * 4)
    assert BatchedNetwork(nets, [Binary()] * 2).plan(part, batch).members == 3
