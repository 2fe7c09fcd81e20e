import torch

from colonnade.nn.embed.perceptron import PerceptronEmbedding
from colonnade.testing.backbones import toy_spec


def test_a_perceptron_of_each_column():
    embedding = PerceptronEmbedding(spec=toy_spec(n_num=2), d_embedding=3, d_hidden=4)
    x = torch.randn(5, 2)
    expected = []
    for i in range(2):
        hidden = torch.relu(x[:, i, None] * embedding.input.weight[i] + embedding.input.bias[i])
        expected.append(hidden @ embedding.output.weight[i] + embedding.output.bias[i])
    torch.testing.assert_close(embedding(x), torch.cat(expected, 1))
