"""TCN against its formula, and the steps that it looks back at."""

import pytest
import torch
import torch.nn.functional as F

from colonnade.nn.backbones.tcn import Tcn
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 1), n_num=2)


def weight(conv):
    """Direction and length of each filter, as weight normalisation keeps them apart (Salimans and Kingma, 2016)."""
    g, v = conv.parametrizations.weight.original0, conv.parametrizations.weight.original1
    return g * v / v.flatten(1).norm(dim=1)[:, None, None]


def test_the_formula():
    model = Tcn(layout=LAYOUT, d_hidden=5, kernel=3, dilations=[1, 4], pooling="last").eval()
    x = torch.randn(4, 11, 2)
    h = x.transpose(1, 2)
    for i, (block, dilation) in enumerate(zip(model.blocks, (1, 4))):
        out = h
        for conv in block.convs:
            # All of the padding on the left.
            full = F.conv1d(F.pad(out, (2 * dilation, 0)), weight(conv), conv.bias, dilation=dilation)
            out = torch.relu(full)
        short = F.conv1d(h, block.shortcut.weight, block.shortcut.bias) if i == 0 else h
        h = torch.relu(out + short)
    torch.testing.assert_close(model(x)[0][:, 0], h[:, :, -1])


def test_the_last_state_looks_back_as_far_as_the_paper_says():
    model = Tcn(layout=LAYOUT, d_hidden=8, kernel=3, dilations=[1, 2], pooling="last").eval()
    x = torch.randn(1, 40, 2, requires_grad=True)
    model(x)[0].sum().backward()
    seen = x.grad.abs().sum(-1)[0].nonzero().flatten()
    assert len(seen) == 1 + 2 * (3 - 1) * (1 + 2)
    assert seen.max() == 39


def test_no_step_sees_a_later_one():
    model = Tcn(layout=LAYOUT, d_hidden=8).eval()
    x = torch.randn(2, 20, 2)
    states = {}
    for length in (7, 20):
        h = x[:, :length].transpose(1, 2)
        for block in model.blocks:
            h = block(h)
        states[length] = h
    torch.testing.assert_close(states[20][:, :, :7], states[7])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kernel": 1}, "kernel=1 is out of range: expected kernel >= 2"),
        ({"dilations": []}, r"dilations=\[\] is empty"),
        ({"dilations": [1, 0]}, "dilations=0 is out of range: expected dilations > 0"),
        ({"pooling": "max"}, "pooling='max' is unknown: expected one of attention, last, mean"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        Tcn(layout=LAYOUT, **options)
