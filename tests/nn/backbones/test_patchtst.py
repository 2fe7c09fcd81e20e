"""PatchTST: its patches, its normalisation, and its layers against their formula."""

import pytest
import torch
import torch.nn.functional as F

from colonnade.nn.backbones.forecast import Window
from colonnade.nn.backbones.patchtst import PatchTST
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 1), n_num=2)
WINDOW = Window(context=20, horizon=3, channels=(0, 1))
SMALL = {"patch": 4, "stride": 2, "d_block": 6, "n_blocks": 2, "n_heads": 2, "d_hidden": 8}


def norm(part, x):
    x = x.transpose(1, 2)
    return F.batch_norm(x, part.running_mean, part.running_var, part.weight, part.bias).transpose(1, 2)


def test_the_formula():
    model = PatchTST(layout=LAYOUT, window=WINDOW, **SMALL).eval()
    x = torch.randn(3, 20, 2)
    found = model(x)[0].view(3, 3, 2)
    for channel in range(2):
        past = x[:, :, channel]
        mean, scale = past.mean(1, keepdim=True), (past.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
        normal = (past - mean) / scale
        normal = torch.cat([normal, normal[:, -1:], normal[:, -1:]], dim=1)
        patches = torch.stack([normal[:, i : i + 4] for i in range(0, 19, 2)], dim=1)
        h = model.embed(patches) + model.position
        kept = 0
        for layer in model.layers:
            q, k, v = (t.view(3, 10, 2, 3).transpose(1, 2) for t in layer.qkv(h).split(6, dim=-1))
            kept = q @ k.transpose(-1, -2) / 3**0.5 + kept
            mixed = (kept.softmax(-1) @ v).transpose(1, 2).reshape(3, 10, 6)
            h = norm(layer.attention_norm, h + layer.out(mixed))
            h = norm(layer.ffn_norm, h + layer.output(F.gelu(layer.input(h))))
        torch.testing.assert_close(found[:, :, channel], model.forecast(h.flatten(1)) * scale + mean)


def test_the_patches_of_the_paper():
    for context, n in ((336, 42), (512, 64)):
        model = PatchTST(layout=LAYOUT, window=Window(context=context, horizon=96, channels=(0, 1)))
        assert model.position.shape == (n, 128)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patch": 21}, "patch=21 is longer than data.context=20"),
        ({"n_heads": 4}, "n_heads=4 does not divide d_block=6"),
        ({"stride": 0}, "stride=0 is out of range: expected stride > 0"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        PatchTST(layout=LAYOUT, window=WINDOW, **{**SMALL, **options})
