import pytest
import rtdl_num_embeddings as published
import torch

from colonnade.nn.embed.periodic import PeriodicEmbedding
from colonnade.testing.backbones import toy_spec


@pytest.mark.parametrize(("lite", "activation"), [(False, True), (False, False), (True, True)])
def test_against_rtdl(lite, activation):
    options = {"n_frequencies": 6, "lite": lite, "activation": activation}
    theirs = published.PeriodicEmbeddings(4, 5, frequency_init_scale=0.5, **options)
    ours = PeriodicEmbedding(spec=toy_spec(n_num=4), d_embedding=5, sigma=0.5, **options)
    state = theirs.state_dict()
    state["frequency"] = state.pop("periodic.weight")
    ours.load_state_dict(state)
    x = torch.randn(7, 4)
    torch.testing.assert_close(ours(x), theirs(x).flatten(-2), rtol=1e-5, atol=1e-6)


def test_frequencies_begin_with_sigma_and_without_extremes():
    embedding = PeriodicEmbedding(spec=toy_spec(n_num=100), n_frequencies=100, sigma=0.2)
    assert embedding.frequency.std().item() == pytest.approx(0.2, rel=0.05)
    assert embedding.frequency.abs().max() <= 0.6


def test_sequences_have_leading_dimensions():
    embedding = PeriodicEmbedding(spec=toy_spec(n_num=4), d_embedding=5)
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(embedding(x)[1], embedding(x[1]), rtol=1e-5, atol=1e-6)


def test_faults():
    with pytest.raises(ValueError, match="sigma=0.0 is out of range: expected sigma > 0"):
        PeriodicEmbedding(spec=toy_spec(), sigma=0.0)
    with pytest.raises(ValueError, match="lite=True with activation=False"):
        PeriodicEmbedding(spec=toy_spec(), lite=True, activation=False)
