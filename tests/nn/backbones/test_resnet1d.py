"""ResNet of one-dimensional convolutions against its formula."""

import pytest
import torch
import torch.nn.functional as F

from colonnade.nn.backbones.resnet1d import ResNet1d
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 1), n_num=2)

# Torch's own way of keeping the length, which says that it copies.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


def norm(part, x):
    return F.batch_norm(x, part.running_mean, part.running_var, part.weight, part.bias, eps=part.eps)


def test_the_formula():
    model = ResNet1d(layout=LAYOUT, d_blocks=[4, 6, 6]).eval()
    x = torch.randn(3, 11, 2)
    h = x.transpose(1, 2)
    for block in model.blocks:
        short = h if h.shape[1] == 6 else F.conv1d(h, block.shortcut.weight)
        out = h
        for conv, part in zip(block.convs, block.norms):
            out = norm(part, F.conv1d(out, conv.weight, padding="same"))
            if conv is not block.convs[-1]:
                out = torch.relu(out)
        h = torch.relu(out + norm(block.shortcut_norm, short))
    torch.testing.assert_close(model(x)[0][:, 0], h.mean(2))


def test_the_size_of_the_paper():
    model = ResNet1d(layout=Layout(names=("a",), widths=(1,), n_num=1))
    # Its convolutions, without the biases that batch normalisation makes idle.
    convs = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 3)
    first = 8 * 64 + (5 + 3) * 64 * 64 + 64
    second = 8 * 64 * 128 + (5 + 3) * 128 * 128 + 64 * 128
    assert convs == first + second + (8 + 5 + 3) * 128 * 128
    assert model.d_out == 128


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"d_blocks": []}, r"d_blocks=\[\] is empty: expected at least one"),
        ({"kernels": [8, 0]}, "kernels=0 is out of range: expected kernels > 0"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        ResNet1d(layout=LAYOUT, **options)
