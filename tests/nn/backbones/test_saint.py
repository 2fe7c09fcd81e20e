from functools import partial

import pytest
import torch

from colonnade.core.batch import Batch
from colonnade.nn.backbones.saint import SAINT, RowAttention
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.perceptron import PerceptronEmbedding
from colonnade.nn.labels import Labels
from colonnade.nn.layout import Layout
from colonnade.nn.retrieval import RetrievalNetwork
from colonnade.testing.backbones import toy_batch, toy_spec


def network(n_blocks: int) -> RetrievalNetwork:
    torch.manual_seed(0)
    return RetrievalNetwork(
        spec=toy_spec(),
        numerical=partial(PerceptronEmbedding, d_embedding=8, d_hidden=5),
        categorical=partial(CategoricalEmbedding, d_embedding=8, unknown_rate=0.0),
        backbone=partial(SAINT, d_block=8, n_blocks=n_blocks, n_heads=2, attention_dropout=0.0, ffn_dropout=0.0),
        max_context=15,
    )


def test_rows_attend_as_torch_has_it():
    attention = RowAttention(8, n_heads=2)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(attention.qkv.weight)
        theirs.in_proj_bias.copy_(attention.qkv.bias)
        theirs.out_proj.load_state_dict(attention.out.state_dict())
        x, others = torch.randn(3, 8), torch.randn(6, 8)
        torch.testing.assert_close(attention.batch(x), theirs(x[None], x[None], x[None])[0][0])
        for row, found in zip(x, attention.beside(x, others)):
            beside = torch.cat([row[None], others])[None]
            torch.testing.assert_close(found, theirs(row[None, None], beside, beside)[0][0, 0])


def test_the_context_stands_for_the_batch():
    """With one block, evaluation gives a row what training gives it in a batch with the stored rows."""
    net = network(1)
    batch = toy_batch(toy_spec(), 4)
    stored = net.context.rows()
    with torch.no_grad():
        found = net.eval()(batch).raw
        net.train()
        for i in range(4):
            row = batch.rows(i, i + 1)
            together = Batch(num=torch.cat([row.num, stored.num]), cat=torch.cat([row.cat, stored.cat]))
            torch.testing.assert_close(found[i], net(together).raw[0], rtol=1e-4, atol=1e-5)


def test_training_mixes_rows_and_evaluation_does_not():
    net = network(2)
    batch = toy_batch(toy_spec(), 6)
    with torch.no_grad():
        net.train()
        assert not torch.allclose(net(batch).raw[:1], net(batch.rows(0, 1)).raw, atol=1e-4)
        net.eval()
        torch.testing.assert_close(net(batch).raw[:1], net(batch.rows(0, 1)).raw)


def test_faults():
    with pytest.raises(ValueError, match="n_heads=3 does not divide the token width 8"):
        SAINT(layout=Layout(names=("a",), widths=(8,), n_num=1), labels=Labels(toy_spec()), d_block=8, n_heads=3)
