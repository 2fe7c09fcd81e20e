import torch

from colonnade.nn.embed.gated import GatedEmbedding
from colonnade.testing.backbones import toy_spec


def test_against_the_formula():
    embedding = GatedEmbedding(spec=toy_spec(n_num=2), d_embedding=3)
    x = torch.randn(5, 2)
    expected = [
        (x[:, i, None] * embedding.weight[i] + embedding.bias[i])
        * torch.tanh(x[:, i, None] * embedding.gate_weight[i] + embedding.gate_bias[i])
        for i in range(2)
    ]
    torch.testing.assert_close(embedding(x), torch.cat(expected, 1))
