"""Draws: handed-in random numbers are those that the network draws by itself."""

from __future__ import annotations

from functools import partial

import torch

from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.embed.mixed import MixedEmbedding
from colonnade.nn.network import Network
from colonnade.training.packed.draws import Draws, kind_of

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


def seeded(*seeds):
    for seed in seeds:
        torch.manual_seed(seed)
        yield torch.device("cpu")


def test_a_forward_pass_with_what_was_drawn_is_that_of_the_network():
    net = network()
    batch = Batch(num=torch.randn(33, 2), cat=torch.randint(0, 4, (33, 2)))
    draws = Draws([net])
    calls = draws.calls(batch)
    assert [call.name for call in calls] == ["categorical.learned.hide", "backbone.layers.2", "backbone.layers.5"]
    torch.manual_seed(3)
    expected = net(batch).raw
    # Of two members, the second as well.
    drawn = draws.of([net, net], calls, seeded(4, 3))
    draws.give([each[1] for each in drawn])
    torch.testing.assert_close(draws.template(batch).raw, expected, rtol=0, atol=0)
    draws.give([each[0] for each in drawn])
    assert not torch.equal(draws.template(batch).raw, expected)


def test_a_member_draws_at_its_own_rate():
    net, other = network(), network()
    other.get_submodule("backbone.layers.2").set_rate(0.0)
    batch = Batch(num=torch.randn(8, 2), cat=torch.randint(2, 4, (8, 2)))
    draws = Draws([other, net])
    calls = draws.calls(batch)
    drawn = draws.of([other, net], calls, seeded(3, 3))
    assert (drawn[1][0] == 1).all()
    assert (drawn[1][1] == 0).any()
    for k, own in enumerate((other, net)):
        # What follows a layer without dropout is drawn as if there were none.
        torch.manual_seed(3)
        kept = own.get_submodule("categorical.learned.hide")(torch.full((8, 1), 2))
        assert torch.equal(drawn[0][k], kept == 1)
        own.get_submodule("backbone.layers.2")(torch.ones(8, 7))
        assert torch.equal(drawn[2][k], own.get_submodule("backbone.layers.5")(torch.ones(8, 5)))


def test_a_member_shows_what_it_draws_where_it_cannot_be_drawn_into_a_row():
    net = network()
    still = network()
    for name in ("categorical.learned.hide", "backbone.layers.2"):
        still.get_submodule(name).rate = 0.0
    batch = Batch(num=torch.randn(8, 2), cat=torch.randint(2, 4, (8, 2)))
    draws = Draws([net, still])
    calls = draws.calls(batch)
    expected = draws.of([net, still], calls, seeded(3, 3))
    for k, own in enumerate((net, still)):
        torch.manual_seed(3)
        for call, drawn in zip(calls, expected, strict=True):
            module = own.get_submodule(call.name)
            kind = kind_of(module)
            neutral = torch.full(call.shape, kind.neutral, dtype=call.dtype)
            assert torch.equal(kind.elsewhere(module, neutral), drawn[k])
