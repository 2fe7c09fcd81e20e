import pytest
import tabm
import torch

from colonnade.nn.blocks.ensemble import BatchEnsembleLinear, EnsembleLinear, MemberScale, init_scale


def copy(ours, published):
    state = published.state_dict()
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in ours.state_dict().items()}
    ours.load_state_dict(state)


def test_linear_layers_against_tabm():
    x = torch.randn(6, 3, 4)
    for ours, published in (
        (BatchEnsembleLinear(3, 4, 5), tabm.LinearBatchEnsemble(4, 5, k=3, scaling_init="normal")),
        (EnsembleLinear(3, 4, 5), tabm.LinearEnsemble(4, 5, k=3)),
    ):
        copy(ours, published)
        torch.testing.assert_close(ours(x), published(x), rtol=1e-5, atol=1e-6)


def test_scale_against_tabm():
    x = torch.randn(6, 3, 4)
    ours = MemberScale(3, 4, init="normal")
    published = tabm.ElementwiseAffine((3, 4), bias=False, scaling_init="normal")
    copy(ours, published)
    torch.testing.assert_close(ours(x), published(x))


@pytest.mark.parametrize("how", ["normal", "random-signs"])
def test_dimensions_of_a_column_begin_with_one_value(how):
    torch.manual_seed(0)
    scale = init_scale(4, 5, how=how, chunks=(2, 3)).detach()
    assert (scale[:, :2] == scale[:, :1]).all()
    assert (scale[:, 2:] == scale[:, 2:3]).all()
    assert len(scale.unique(dim=1).T) == 2


def test_initialisation():
    torch.manual_seed(0)
    assert (init_scale(2, 3, how="ones") == 1).all()
    signs = init_scale(50, 100, how="random-signs")
    assert signs.unique().tolist() == [-1, 1]
    assert abs(signs.mean()) < 0.05
    normal = init_scale(50, 100, how="normal")
    assert abs(normal.mean()) < 0.05
    assert abs(normal.std() - 1) < 0.05
    layer = BatchEnsembleLinear(3, 4, 500, init="random-signs")
    assert (layer.s == 1).all()
    assert (layer.bias == layer.bias[0]).all()
    assert layer.weight.abs().max() <= 0.5
    assert layer.weight.abs().max() > 0.49


def test_faults():
    with pytest.raises(ValueError, match="chunks add up to 4: expected d=5"):
        init_scale(2, 5, how="normal", chunks=(2, 2))
    with pytest.raises(ValueError, match="how='zeros' is unknown: expected one of normal, ones, random-signs"):
        init_scale(2, 5, how="zeros")
    with pytest.raises(ValueError, match="n_members=0 is out of range"):
        EnsembleLinear(0, 2, 2)


@pytest.mark.parametrize(
    "layer", [BatchEnsembleLinear(3, 4, 5, init="normal"), EnsembleLinear(3, 4, 5), MemberScale(3, 4, init="normal")]
)
def test_a_shared_row_stands_for_every_member(layer):
    x = torch.randn(6, 1, 4)
    torch.testing.assert_close(layer(x), layer(x.expand(6, 3, 4)), rtol=1e-5, atol=1e-6)
