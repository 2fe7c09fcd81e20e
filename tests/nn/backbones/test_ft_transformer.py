from functools import partial

import pytest
import rtdl_revisiting_models as rtdl
import torch

from colonnade.core.batch import Batch
from colonnade.nn.backbones.ft_transformer import FTTransformer
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.linear import LinearEmbedding
from colonnade.nn.layout import Layout
from colonnade.nn.network import Network
from colonnade.testing.backbones import toy_spec

LAYOUT = Layout(names=("a", "b"), widths=(8, 8), n_num=1)


def copy(ours: Network, theirs: rtdl.FTTransformer) -> None:
    with torch.no_grad():
        ours.numerical.load_state_dict(theirs.cont_embeddings.state_dict())
        ours.categorical.table.copy_(torch.cat([e.weight for e in theirs.cat_embeddings.embeddings]))
        ours.categorical.bias.copy_(theirs.cat_embeddings.bias)
        ours.backbone.summary.copy_(theirs.cls_embedding.weight)
        for mine, published in zip(ours.backbone.blocks, theirs.backbone.blocks, strict=True):
            attention = published["attention"]
            parts = [attention.W_q, attention.W_k, attention.W_v]
            mine.attention.qkv.weight.copy_(torch.cat([p.weight for p in parts]))
            mine.attention.qkv.bias.copy_(torch.cat([p.bias for p in parts]))
            mine.attention.out.load_state_dict(attention.W_out.state_dict())
            if "attention_normalization" in published:
                mine.attention_norm.load_state_dict(published["attention_normalization"].state_dict())
            mine.ffn_norm.load_state_dict(published["ffn_normalization"].state_dict())
            mine.ffn_in.load_state_dict(published["ffn"].linear1.state_dict())
            mine.ffn_out.load_state_dict(published["ffn"].linear2.state_dict())
        ours.backbone.norm.load_state_dict(theirs.backbone.output.normalization.state_dict())
        ours.head.linear.load_state_dict(theirs.backbone.output.linear.state_dict())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n_blocks", [1, 3])
def test_against_rtdl(training, n_blocks):
    torch.manual_seed(0)
    rate = 0.0 if training else 0.5
    theirs = rtdl.FTTransformer(
        n_cont_features=3,
        cat_cardinalities=[4, 5],
        d_out=2,
        n_blocks=n_blocks,
        d_block=8,
        attention_n_heads=2,
        attention_dropout=rate,
        ffn_d_hidden_multiplier=4 / 3,
        ffn_dropout=rate,
        residual_dropout=rate,
    ).train(training)
    ours = Network(
        spec=toy_spec(n_num=3, cardinalities=(4, 5), out_shape=(2,)),
        numerical=partial(LinearEmbedding, d_embedding=8),
        categorical=partial(CategoricalEmbedding, d_embedding=8, bias=True, unknown_rate=0.0),
        backbone=partial(
            FTTransformer,
            d_block=8,
            n_blocks=n_blocks,
            n_heads=2,
            attention_dropout=rate,
            ffn_dropout=rate,
            residual_dropout=rate,
        ),
    ).train(training)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    copy(ours, theirs)
    num, cat = torch.randn(6, 3), torch.stack([torch.randint(0, 4, (6,)), torch.randint(0, 5, (6,))], 1)
    torch.testing.assert_close(ours(Batch(num=num, cat=cat)).raw[:, 0], theirs(num, cat), rtol=1e-5, atol=1e-5)


def test_as_many_parameters_as_the_published_default():
    theirs = rtdl.FTTransformer(
        n_cont_features=3, cat_cardinalities=[4, 5], d_out=1, **rtdl.FTTransformer.get_default_kwargs()
    )
    ours = Network(
        spec=toy_spec(n_num=3, cardinalities=(4, 5)),
        numerical=partial(LinearEmbedding, d_embedding=192),
        categorical=partial(CategoricalEmbedding, d_embedding=192, bias=True),
        backbone=FTTransformer,
    )
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_heads": 3}, "n_heads=3 does not divide the token width 8"),
        ({"n_blocks": 0}, "n_blocks=0 is out of range: expected n_blocks > 0"),
        ({"ffn_dropout": 1.0}, "ffn_dropout=1.0 is out of range: expected 0 <= ffn_dropout < 1"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        FTTransformer(layout=LAYOUT, d_block=8, **options)
    assert str(error.value) == text
