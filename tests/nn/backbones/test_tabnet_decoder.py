import pytest
import torch
from pytorch_tabnet.tab_network import TabNetDecoder as Published

from colonnade.nn.backbones.tabnet import TabNet
from colonnade.nn.backbones.tabnet_decoder import TabNetDecoder
from colonnade.nn.layout import Layout


def test_against_pytorch_tabnet():
    torch.manual_seed(0)
    theirs = Published(7, 4, n_steps=2, n_independent=1, n_shared=1, virtual_batch_size=8, momentum=0.1)
    ours = TabNetDecoder(d_in=8, n_members=1, out_shape=(7,), n_steps=2, virtual_batch=8, momentum=0.1)
    with torch.no_grad():
        for mine, published in zip(ours.transformers, theirs.feat_transformers, strict=True):
            layers = [*published.shared.glu_layers, *published.specifics.glu_layers]
            for unit, layer in zip(mine.units, layers, strict=True):
                unit.linear.load_state_dict(layer.fc.state_dict())
        ours.linear.weight.copy_(theirs.reconstruction_layer.weight)
        ours.linear.bias.zero_()
    for train in (True, True, False):
        steps = [torch.randn(16, 4) for _ in range(2)]
        found = ours.train(train)(torch.cat(steps, dim=1).unsqueeze(1))
        torch.testing.assert_close(found[:, 0], theirs.train(train)(steps), rtol=1e-4, atol=1e-5)


def test_decisions_apart_add_up_to_the_representation():
    layout = Layout(names=("a", "b"), widths=(1, 2), n_num=1)
    apart, summed = TabNet(layout=layout, apart=True).eval(), TabNet(layout=layout).eval()
    summed.load_state_dict(apart.state_dict())
    x = torch.randn(5, 3)
    wide, narrow = apart(x)[0], summed(x)[0]
    assert wide.shape == (5, 1, apart.d_out) == (5, 1, 24)
    torch.testing.assert_close(wide.reshape(5, 1, 3, 8).sum(2), narrow)


def test_steps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"n_steps=3 does not divide the 8 decisions: .* model.backbone.apart=true"):
        TabNetDecoder(d_in=8, n_members=1, out_shape=(7,), n_steps=3)
