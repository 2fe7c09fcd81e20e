import pytest
import rtdl_revisiting_models as rtdl
import torch

from colonnade.nn.backbones.resnet import ResNet
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 3), n_num=1)


def test_against_rtdl():
    torch.manual_seed(0)
    ours = ResNet(layout=LAYOUT, d_block=6, hidden_dropout=0.0)
    theirs = rtdl.ResNet(d_in=4, d_out=2, n_blocks=2, d_block=6, d_hidden_multiplier=2.0, dropout1=0.0, dropout2=0.0)
    state = [v for k, v in theirs.state_dict().items() if not k.startswith("output.linear")]
    ours.load_state_dict(dict(zip(ours.state_dict(), state, strict=True)))
    for training in (True, True, False):
        x = torch.randn(16, 4) * 2 + 1
        hidden, _ = ours.train(training)(x)
        torch.testing.assert_close(theirs.output.linear(hidden[:, 0]), theirs.train(training)(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"d_block": 0}, "d_block=0 is out of range: expected d_block > 0"),
        ({"d_hidden_factor": 0.001}, "d_hidden=0 is out of range: expected d_hidden > 0"),
        ({"residual_dropout": -0.1}, "residual_dropout=-0.1 is out of range: expected 0 <= residual_dropout < 1"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        ResNet(layout=LAYOUT, **options)
    assert str(error.value) == text
