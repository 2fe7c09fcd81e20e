"""MinGRU against its recurrence, step by step."""

import pytest
import torch

from colonnade.nn.backbones.mingru import MinGru, Unit
from colonnade.nn.layout import Layout

LAYOUT = Layout(names=("a", "b"), widths=(1, 1), n_num=2)
LENGTHS = torch.tensor([4, 1, 9])
MASK = torch.arange(9) < LENGTHS[:, None]
X = torch.randn(3, 9, 2, generator=torch.Generator().manual_seed(0)) * MASK.unsqueeze(-1)


def by_steps(unit, x):
    """Algorithm 1 of the paper for one series ``(T, d)``."""
    h, states = torch.zeros(unit.rate.out_features), []
    for step in x:
        z = torch.sigmoid(unit.rate(step))
        h = (1 - z) * h + z * unit.value(step)
        states.append(h)
    return torch.stack(states)


def test_a_unit_is_the_recurrence():
    unit = Unit(2, 5)
    torch.testing.assert_close(unit(X)[2], by_steps(unit, X[2]))


@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_formula_over_series_of_several_lengths(bidirectional):
    model = MinGru(
        layout=LAYOUT, d_block=6, n_blocks=1, d_state=5, d_hidden=7, bidirectional=bidirectional, pooling="mean"
    ).eval()
    block = model.blocks[0]
    for i, n in enumerate(LENGTHS):
        x = model.project(X[i, :n])
        normed = block.unit_norm(x)
        states = [by_steps(block.units[0], normed)]
        if bidirectional:
            states.append(by_steps(block.units[1], normed.flip(0)).flip(0))
        x = x + block.mixed(torch.cat(states, -1))
        x = x + block.output(torch.nn.functional.gelu(block.input(block.ffn_norm(x))))
        torch.testing.assert_close(model(X, MASK)[0][i, 0], model.norm(x).mean(0))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"d_state": 0}, "d_state=0 is out of range: expected d_state > 0"),
        ({"pooling": "max"}, "pooling='max' is unknown: expected one of attention, last, mean"),
        ({"dropout": 1.0}, "dropout=1.0 is out of range: expected 0 <= dropout < 1"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        MinGru(layout=LAYOUT, **options)
