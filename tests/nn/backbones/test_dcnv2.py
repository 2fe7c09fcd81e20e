import pytest
import torch

from colonnade.nn.backbones.dcnv2 import DCNv2
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 3), n_num=1)


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
def test_against_the_formula(structure):
    torch.manual_seed(0)
    backbone = DCNv2(layout=LAYOUT, d_block=5, n_cross=2, n_hidden=1, structure=structure).eval()
    x = torch.randn(7, 4)
    x0 = x @ backbone.input.weight.T + backbone.input.bias
    crossed = x0
    for layer in backbone.cross:
        # x_{l+1} = x_0 * (W x_l + b) + x_l, equation (2) of the paper.
        crossed = torch.einsum("bi,ij,bj->bi", x0, layer.linear.weight, crossed) + x0 * layer.linear.bias + crossed
    hidden = backbone.hidden[0]
    expected = torch.relu((crossed if structure == "stacked" else x0) @ hidden.weight.T + hidden.bias)
    if structure == "parallel":
        expected = torch.cat([crossed, expected], 1)
    torch.testing.assert_close(backbone(x)[0][:, 0], expected, rtol=1e-5, atol=1e-5)
    assert backbone.d_out == expected.shape[1]


def test_cross_layers_are_polynomials_of_their_degree():
    torch.manual_seed(0)
    backbone = DCNv2(layout=LAYOUT, d_block=5, n_cross=3, n_hidden=1).double().eval()
    # Along a line, the fifth differences of a polynomial of degree 4 vanish, the fourth do not.
    line = torch.arange(12, dtype=torch.float64)[:, None] * torch.randn(4, dtype=torch.float64)
    crossed = backbone(line)[0][:, 0, :5]
    assert crossed.diff(5, dim=0).abs().max() < 1e-9 * crossed.abs().max()
    assert crossed.diff(4, dim=0).abs().max() > 1e-3


def test_dropout_leaves_the_shortcut():
    backbone = DCNv2(layout=LAYOUT, d_block=64, n_cross=1, cross_dropout=0.5).train()
    x = torch.randn(50, 4)
    x0 = backbone.input(x)
    kept = (backbone(x)[0][:, 0, :64] == x0).float().mean()
    assert kept == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_cross": 0}, "n_cross=0 is out of range: expected n_cross > 0"),
        ({"cross_dropout": 1.0}, "cross_dropout=1.0 is out of range: expected 0 <= cross_dropout < 1"),
        ({"structure": "serial"}, "structure='serial' is unknown: expected one of parallel, stacked"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        DCNv2(layout=LAYOUT, **options)
    assert str(error.value) == text
