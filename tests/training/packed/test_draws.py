"""Draws: handed-in random numbers are those that the network draws by itself."""

from __future__ import annotations

from functools import partial

import torch

from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.embed.mixed import MixedEmbedding
from colonnade.nn.network import Network
from colonnade.training.packed.draws import Draws

SPEC = BatchSpec(
    num_names=("a", "b"),
    cat_names=("c", "d"),
    cardinalities=(5, 4),
    target_kind="class",
    target_names=("y",),
    out_shape=(1,),
)


def network() -> Network:
    return Network(
        spec=SPEC,
        backbone=partial(MLP, d_hidden=[7, 5], dropout=0.4),
        categorical=partial(MixedEmbedding, max_one_hot=2, d_embedding=3, unknown_rate=0.5),
    )


def test_a_forward_pass_with_what_was_drawn_is_that_of_the_network():
    net = network()
    batch = Batch(num=torch.randn(33, 2), cat=torch.randint(0, 4, (33, 2)))
    draws = Draws([net])
    calls = draws.calls(batch)
    assert [call.name for call in calls] == ["categorical.learned.hide", "backbone.layers.2", "backbone.layers.5"]
    torch.manual_seed(3)
    expected = net(batch).raw
    torch.manual_seed(3)
    draws.give(draws.of(net, calls))
    found = draws.template(batch).raw
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    torch.manual_seed(4)
    draws.give(draws.of(net, calls))
    assert not torch.equal(draws.template(batch).raw, expected)


def test_a_member_draws_at_its_own_rate():
    net, other = network(), network()
    other.get_submodule("backbone.layers.2").rate = 0.0
    calls = Draws([other, net]).calls(Batch(num=torch.randn(8, 2), cat=torch.zeros(8, 2, dtype=torch.int64)))
    assert (Draws.of(other, calls)[1] == 1).all()
    assert (Draws.of(net, calls)[1] == 0).any()
