"""Networks over sequences: what fits, and what is refused with the YAML keys."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from colonnade.core.errors import ConfigError
from colonnade.nn.backbones.mlp import MLP
from colonnade.nn.backbones.recurrent import Recurrent
from colonnade.nn.network import Network
from colonnade.nn.sequence import SequenceNetwork
from colonnade.testing.sequences import toy_batch, toy_spec

GRU = partial(Recurrent, d_hidden=4)


def test_steps_are_embedded_as_rows_are():
    network = SequenceNetwork(spec=toy_spec(), backbone=GRU)
    batch = toy_batch(toy_spec())
    assert network.layout.names == ("num0", "num1", "num2", "cat0")
    assert network.embed(batch).shape == (8, 12, network.layout.d_flat)
    assert network.embed(batch)[3, 5].equal(network.embed(batch.rows(3, 4))[0, 5])


def test_what_stands_in_the_padding_never_reaches_the_backbone():
    network = SequenceNetwork(spec=toy_spec(), backbone=GRU).eval()
    batch = toy_batch(toy_spec())
    spoiled = replace(batch, num=batch.num.masked_fill(~batch.mask.unsqueeze(-1), torch.nan))
    assert network(spoiled).raw.equal(network(batch).raw)


def test_rows_and_sequences_are_not_confused():
    table = replace(toy_spec(), n_steps=None)
    with pytest.raises(
        ConfigError, match=r"`data` gives the rows of a table, but model.backbone takes sequences: .*mlp"
    ):
        SequenceNetwork(spec=table, backbone=GRU)
    with pytest.raises(ConfigError, match="model.backbone: MLP takes no sequences, see model._target_"):
        SequenceNetwork(spec=toy_spec(), backbone=MLP)
    with pytest.raises(ConfigError, match="model.backbone: Recurrent takes no rows, see model._target_"):
        Network(spec=table, backbone=GRU)
