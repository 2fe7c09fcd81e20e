"""The transformer over steps against torch's own layers."""

import math

import pytest
import torch
from torch import nn

from colonnade.nn.backbones.sequence_transformer import SequenceTransformer, positions
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c"), widths=(1, 1, 1), n_num=3)
MASK = torch.arange(6) < torch.tensor([4, 1, 6])[:, None]


def test_it_is_torchs_encoder_with_norms_first():
    model = SequenceTransformer(layout=LAYOUT, d_block=8, n_blocks=2, n_heads=2, d_hidden=16, dropout=0.0).eval()
    x = torch.randn(3, 6, 3)
    h = model.project(x) + positions(6, 8, x.device)
    for layer in model.layers:
        theirs = nn.TransformerEncoderLayer(
            8, 2, dim_feedforward=16, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        theirs.self_attn.in_proj_weight.data = layer.attention.qkv.weight.data
        theirs.self_attn.in_proj_bias.data = layer.attention.qkv.bias.data
        for ours, other in (
            (layer.attention.out, theirs.self_attn.out_proj),
            (layer.input, theirs.linear1),
            (layer.output, theirs.linear2),
            (layer.attention_norm, theirs.norm1),
            (layer.ffn_norm, theirs.norm2),
        ):
            other.load_state_dict(ours.state_dict())
        h = theirs(h, src_key_padding_mask=~MASK)
    expected = (model.norm(h) * MASK.unsqueeze(-1)).sum(1) / MASK.sum(1, keepdim=True)
    torch.testing.assert_close(model(x, MASK)[0][:, 0], expected)


@pytest.mark.parametrize("d", [6, 7])
def test_positions(d):
    found = positions(50, d, torch.device("cpu"))
    for p, i in ((0, 0), (7, 2), (49, 4), (3, 5)):
        angle = p / 10_000 ** (i // 2 * 2 / d)
        assert found[p, i].item() == pytest.approx(math.cos(angle) if i % 2 else math.sin(angle), abs=1e-5)
    assert found.shape == (50, d)


def test_arguments_out_of_range():
    with pytest.raises(ValueError, match="n_heads=3 does not divide the token width 8"):
        SequenceTransformer(layout=LAYOUT, d_block=8, n_heads=3)
    with pytest.raises(ValueError, match="d_hidden=0 is out of range: expected d_hidden > 0"):
        SequenceTransformer(layout=LAYOUT, d_hidden=0)
