"""Recurrent networks against torch's own over packed sequences."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from colonnade.nn.backbones.recurrent import Recurrent
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b", "c"), widths=(1, 1, 1), n_num=3)
LENGTHS = torch.tensor([4, 1, 7])
MASK = torch.arange(7) < LENGTHS[:, None]
X = torch.randn(3, 7, 3, generator=torch.Generator().manual_seed(0)) * MASK.unsqueeze(-1)


def torchs(model, cell):
    """Torch's stacked, bidirectional network with the weights of ours."""
    theirs = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](3, 5, num_layers=2, batch_first=True, bidirectional=True)
    state = {}
    for layer in range(2):
        for parts, suffix in ((model.ahead, ""), (model.back, "_reverse")):
            for name, value in parts[layer].state_dict().items():
                state[name.replace("_l0", f"_l{layer}{suffix}")] = value
    theirs.load_state_dict(state)
    return theirs


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_it_is_torchs_network_over_packed_sequences(cell, pooling):
    model = Recurrent(layout=LAYOUT, cell=cell, d_hidden=5, dropout=0.0, pooling=pooling)
    packed = pack_padded_sequence(X, LENGTHS, batch_first=True, enforce_sorted=False)
    out, last = torchs(model, cell)(packed)
    states, _ = pad_packed_sequence(out, batch_first=True)
    last = last[0] if cell == "lstm" else last
    expected = states.sum(1) / LENGTHS[:, None] if pooling == "mean" else torch.cat([last[-2], last[-1]], dim=1)
    found, penalty = model(X, MASK)
    torch.testing.assert_close(found[:, 0], expected)
    assert penalty is None
    torch.testing.assert_close(model(X, None)[0][2], found[2])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cell": "rnn"}, "cell='rnn' is unknown: expected one of gru, lstm"),
        ({"pooling": "max"}, "pooling='max' is unknown: expected one of attention, last, mean"),
        ({"n_layers": 0}, "n_layers=0 is out of range: expected n_layers > 0"),
        ({"dropout": 1.0}, "dropout=1.0 is out of range: expected 0 <= dropout < 1"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        Recurrent(layout=LAYOUT, **options)
