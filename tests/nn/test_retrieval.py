"""The context of a network, and what a network does with it. Its backbones have tests of their own."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.nn import retrieval
from colonnade.nn.backbones.modernnca import ModernNCA
from colonnade.nn.backbones.tabr import TabR
from colonnade.nn.context import Context
from colonnade.nn.head import Given
from colonnade.nn.retrieval import RetrievalNetwork
from colonnade.testing.backbones import toy_batch, toy_spec

NCA = {"backbone": partial(ModernNCA, d_block=4), "head": Given}


def test_the_context_holds_the_train_rows():
    spec = toy_spec()
    context = Context(spec=spec, max_rows=1000)
    assert len(context) == 200
    assert torch.equal(context.num, spec.train_rows.num)
    assert torch.equal(context.rows(torch.tensor([3, 1])).cat, spec.train_rows.cat[[3, 1]])
    assert torch.equal(context.label, spec.train_rows.target)


def test_a_large_context_is_drawn_at_random_with_the_seed_of_the_run(caplog):
    caplog.set_level("INFO")
    kept = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        kept.append(Context(spec=toy_spec(), max_rows=50).row_id)
    assert torch.equal(kept[0], kept[1])
    assert not torch.equal(kept[0], kept[2])
    assert (kept[0].diff() > 0).all(), "each once, in their order"
    assert caplog.messages[0] == "model.max_context: 50 of 200 train rows are kept, drawn at random"


def test_a_stored_context_needs_no_rows():
    spec = toy_spec()
    context = Context(spec=spec, max_rows=50)
    bare = Context(spec=BatchSpec.from_dict(spec.to_dict()), max_rows=50)
    assert bare.num.isnan().all()
    bare.load_state_dict(context.state_dict())
    assert torch.equal(bare.label, context.label)


def test_a_context_of_one_row_is_refused():
    with pytest.raises(ConfigError) as error:
        Context(spec=replace(toy_spec(), n_train=1), max_rows=50)
    assert str(error.value) == "model looks things up in other train rows, and there are 1: see the split"
    with pytest.raises(ValueError, match="max_context=1 is out of range: expected max_context >= 2"):
        Context(spec=toy_spec(), max_rows=1)


def test_kept_keys_follow_the_weights():
    net = RetrievalNetwork(spec=toy_spec(), **NCA).eval()
    other = RetrievalNetwork(spec=toy_spec(), **NCA).eval()
    batch = toy_batch(toy_spec(), 3)
    with torch.inference_mode():
        before, theirs = net(batch).raw, other(batch).raw
    with torch.no_grad():
        assert net._kept is not None
        net.load_state_dict(other.state_dict())
        assert torch.equal(net(batch).raw, theirs)
        net.train()
        net.backbone.layers[0].weight.mul_(2)
        net.eval()
        assert not torch.allclose(net(batch).raw, theirs)
        net.double()
        assert net._kept is None
    assert not torch.equal(before, theirs)


def test_gradients_in_evaluation_are_not_those_of_kept_keys():
    net = RetrievalNetwork(spec=toy_spec(), **NCA).eval()
    batch = toy_batch(toy_spec(), 3)
    with torch.no_grad():
        kept = net(batch).raw
    raw = net(batch).raw
    raw.sum().backward()
    torch.testing.assert_close(raw, kept)
    whole = net.backbone.layers[0].weight.grad
    assert whole.abs().sum() > 0


def test_many_rows_are_evaluated_in_blocks(monkeypatch):
    net = RetrievalNetwork(spec=toy_spec(), backbone=partial(TabR, d_block=4, n_neighbours=5)).eval()
    batch = toy_batch(toy_spec(), 23)
    with torch.no_grad():
        whole = net(batch).raw
        monkeypatch.setattr(retrieval, "BLOCK", 7)
        net.train().eval()
        torch.testing.assert_close(net(batch).raw, whole)
