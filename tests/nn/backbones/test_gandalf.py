import pytest
import torch

from colonnade.nn.backbones.gandalf import Gandalf
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c"), widths=(1, 1, 3), n_num=2)


def test_against_the_formulas():
    torch.manual_seed(0)
    backbone = Gandalf(layout=LAYOUT, n_stages=2, dropout=0.5).eval()
    backbone.norm.running_mean.fill_(0.5)
    backbone.norm.running_var.fill_(4.0)
    x = torch.randn(6, 5)
    row = torch.cat([(x[:, :2] - 0.5) / (4 + 1e-5) ** 0.5, x[:, 2:]], 1)
    state = row
    for stage in backbone.stages:
        # Equations (1) to (5) of the paper, for one stage; weights of [chosen row, state] lie side by side.
        score = stage.score - stage.score.max()
        weight = (score + stage.t).clamp_min(0) + 1e-8
        mask = weight * score.exp() / (weight * score.exp()).sum()
        w, b = stage.gates.weight, stage.gates.bias
        update = torch.sigmoid((mask * row) @ w[:5, :5].T + state @ w[:5, 5:].T + b[:5])
        reset = torch.sigmoid((mask * row) @ w[5:, :5].T + state @ w[5:, 5:].T + b[5:])
        w, b = stage.candidate.weight, stage.candidate.bias
        candidate = torch.tanh((reset * state) @ w[:, :5].T + row @ w[:, 5:].T + b)
        state = (1 - update) * state + update * candidate
    torch.testing.assert_close(backbone(x)[0][:, 0], state, rtol=1e-5, atol=1e-5)


def test_masks_leave_out_their_share_at_first():
    torch.manual_seed(0)
    wide = Layout(names=tuple(map(str, range(50))), widths=(1,) * 50, n_num=50)
    masks = Gandalf(layout=wide, n_stages=4, sparsity=0.4).masks()
    torch.testing.assert_close(masks.sum(1), torch.ones(4))
    left_out = (masks < 1e-7).sum(1)
    # 40 % of 50 scores, and the quantile itself where it is a score.
    assert ((left_out == 20) | (left_out == 21)).all()
    assert len({tuple((mask < 1e-7).tolist()) for mask in masks}) == 4


def test_thresholds_may_be_fixed():
    fixed = Gandalf(layout=LAYOUT, learn_sparsity=False)
    assert not any(stage.t.requires_grad for stage in fixed.stages)
    assert all(stage.t.requires_grad for stage in Gandalf(layout=LAYOUT).stages)


def test_categories_alone_are_not_normalised():
    backbone = Gandalf(layout=Layout(names=("c",), widths=(3,), n_num=0), n_stages=1)
    assert backbone.norm is None
    assert backbone(torch.randn(1, 3))[0].shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_stages": 0}, "n_stages=0 is out of range: expected n_stages > 0"),
        ({"sparsity": 1.0}, "sparsity=1.0 is out of range: expected 0 <= sparsity < 1"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        Gandalf(layout=LAYOUT, **options)
    assert str(error.value) == text
