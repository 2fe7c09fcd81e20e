"""InceptionTime against its formula."""

import pytest
import torch
import torch.nn.functional as F

from colonnade.nn.backbones.inception_time import InceptionTime
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 1), n_num=2)

# Torch's own way of keeping the length, which says that it copies.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


def norm(part, x):
    return F.batch_norm(x, part.running_mean, part.running_var, part.weight, part.bias, eps=part.eps)


def inception(part, x):
    narrow = F.conv1d(x, part.bottleneck.weight)
    outs = [F.conv1d(narrow, branch.weight, padding="same") for branch in part.branches]
    outs.append(F.conv1d(F.max_pool1d(x, 3, 1, 1), part.pooled.weight))
    return torch.relu(norm(part.norm, torch.cat(outs, 1)))


def test_the_formula():
    model = InceptionTime(layout=LAYOUT, n_modules=6, n_filters=3, kernels=[8, 4, 2], bottleneck=5, n_members=2).eval()
    x = torch.randn(4, 13, 2)
    expected = []
    for member in model.members:
        h = short = x.transpose(1, 2)
        for i, part in enumerate(member.inceptions):
            h = inception(part, h)
            if i in (2, 5):
                j = i // 3
                h = torch.relu(h + norm(member.norms[j], F.conv1d(short, member.shortcuts[j].weight)))
                short = h
        expected.append(h.mean(2))
    torch.testing.assert_close(model(x)[0], torch.stack(expected, 1))


def test_the_size_of_the_paper():
    model = InceptionTime(layout=Layout(names=("a",), widths=(1,), n_num=1))
    convs = sum(p.numel() for name, p in model.named_parameters() if p.dim() == 3)
    # One channel needs no bottleneck.
    first = (40 + 20 + 10) * 1 * 32 + 1 * 32
    others = 5 * (128 * 32 + (40 + 20 + 10) * 32 * 32 + 128 * 32)
    assert convs == first + others + 1 * 128 + 128 * 128
    assert (model.d_out, model.n_members) == (128, 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kernels": []}, r"kernels=\[\] is empty: expected at least one"),
        ({"n_members": 0}, "n_members=0 is out of range: expected n_members > 0"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        InceptionTime(layout=LAYOUT, **options)
