"""LITE against its formula and its published size."""

import pytest
import torch
import torch.nn.functional as F

from colonnade.nn.backbones.lite import FixedFilters, Lite
from colonnade.nn.layout import Layout

ONE = Layout(names=("a",), widths=(1,), n_num=1)
TWO = Layout(names=("a", "b"), widths=(1, 1), n_num=2)

# Torch's own way of keeping the length, which says that it copies.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


def norm(part, x):
    return torch.relu(F.batch_norm(x, part.running_mean, part.running_var, part.weight, part.bias, eps=part.eps))


def test_the_size_of_the_paper():
    """9,814 weights of one series, without the classifier (Ismail-Fawaz et al., 2023, table 1)."""
    model = Lite(layout=ONE)
    assert sum(p.numel() for p in model.parameters()) == 9814
    assert (model.d_out, model.n_members) == (32, 1)


def test_the_fixed_filters():
    filters = FixedFilters(1, [2, 4])
    found = [buffer.flatten().tolist() for buffer in filters.buffers()]
    assert found == [[-1, 1], [-1, 1, -1, 1], [1, -1], [1, -1, 1, -1], [-1, -1, 2, 2, -1, -1]]
    assert not list(filters.parameters())
    assert not filters.state_dict()
    # Parabolas of two steps: a quarter and one.
    peak = list(FixedFilters(1, [8]).buffers())[-1].flatten().tolist()
    assert peak == [-0.25, -1, -1, -0.25, 0.5, 2, 2, 0.5, -0.25, -1, -1, -0.25]


def test_each_channel_has_its_own_fixed_filters():
    filters = FixedFilters(2, [2, 8])
    x = torch.randn(3, 2, 10)
    one = FixedFilters(1, [2, 8])
    alone = torch.stack([one(x[:, :1], None), one(x[:, 1:], None)], dim=2).flatten(1, 2)
    torch.testing.assert_close(filters(x, None), alone)


@pytest.mark.parametrize("layout", [ONE, TWO])
def test_the_formula(layout):
    model = Lite(layout=layout, n_filters=3, kernel=8, fixed=[2, 4], n_members=2).eval()
    x = torch.randn(4, 13, layout.d_flat)
    expected = []
    for member in model.members:
        h = x.transpose(1, 2)
        c = h.shape[1]
        parts = []
        for branch in member.branches:
            if c == 1:
                parts.append(F.conv1d(h, branch.weight, padding="same"))
            else:
                each = F.conv1d(h, branch.each.weight, padding="same", groups=c)
                parts.append(F.conv1d(each, branch.mixed.weight))
        for weight in member.fixed.buffers():
            parts.append(torch.relu(F.conv1d(h, weight, padding="same", groups=c)))
        h = norm(member.norm, torch.cat(parts, 1))
        for conv, after, dilation, kernel in zip(member.convs, member.norms, (2, 4), (4, 2)):
            assert conv.each.weight.shape[-1] == kernel
            each = F.conv1d(h, conv.each.weight, padding="same", groups=h.shape[1], dilation=dilation)
            h = norm(after, F.conv1d(each, conv.mixed.weight))
        expected.append(h.mean(2))
    torch.testing.assert_close(model(x)[0], torch.stack(expected, 1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kernel": 3}, "kernel=3 is out of range: expected kernel >= 4"),
        ({"fixed": [2, 6]}, r"fixed=\[2, 6\]: expected powers of 2 from 2 on"),
        ({"n_members": 0}, "n_members=0 is out of range: expected n_members > 0"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        Lite(layout=ONE, **options)
