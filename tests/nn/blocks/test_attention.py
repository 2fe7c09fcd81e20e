import pytest
import rtdl_revisiting_models as rtdl
import torch

from colonnade.nn.blocks.attention import SelfAttention, reglu


def copy_attention(ours, published):
    parts = [published.W_q, published.W_k, published.W_v]
    ours.qkv.load_state_dict(
        {"weight": torch.cat([p.weight for p in parts]), "bias": torch.cat([p.bias for p in parts])}
    )
    ours.out.load_state_dict(published.W_out.state_dict())


@pytest.mark.parametrize("first_only", [False, True])
def test_against_rtdl(first_only):
    torch.manual_seed(0)
    ours = SelfAttention(8, n_heads=2)
    published = rtdl.MultiheadAttention(d_embedding=8, n_heads=2, dropout=0.0)
    torch.nn.init.normal_(published.W_q.bias)
    copy_attention(ours, published)
    x = torch.randn(3, 5, 8)
    expected = published(x[:, :1] if first_only else x, x)
    torch.testing.assert_close(ours(x, first_only=first_only), expected, rtol=1e-5, atol=1e-6)


def test_dropout_acts_in_training_only():
    attention = SelfAttention(8, n_heads=2, dropout=0.5)
    x = torch.randn(3, 5, 8)
    assert not torch.equal(attention(x), attention(x))
    attention.eval()
    assert torch.equal(attention(x), attention(x))


def test_reglu():
    torch.testing.assert_close(reglu(torch.tensor([[1.0, 2.0, -3.0, 4.0]])), torch.tensor([[0.0, 8.0]]))


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="n_heads=3 does not divide the token width 8"):
        SelfAttention(8, n_heads=3)
