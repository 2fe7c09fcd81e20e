from functools import partial
from itertools import product

import pytest
import torch

from colonnade.nn.backbones.node import NODE, ObliviousTrees
from colonnade.nn.blocks.entmax import entmax15, entmoid15
from colonnade.nn.layout import Layout
from colonnade.nn.network import Network
from colonnade.testing.backbones import toy_batch, toy_spec

LAYOUT = Layout(names=("a", "b"), widths=(1, 1), n_num=2)


def leaf_by_leaf(trees: ObliviousTrees, x: torch.Tensor, n_trees: int) -> torch.Tensor:
    """The weight of every leaf, written down: a product over the levels; leaves count the levels as binary digits."""
    chosen = x @ entmax15(trees.choice).T
    right = entmoid15((chosen - trees.threshold) / trees.log_temperature.exp()).view(len(x), n_trees, trees.depth)
    out = torch.zeros(len(x), n_trees)
    for leaf, path in enumerate(product((0, 1), repeat=trees.depth)):
        weight = torch.ones(len(x), n_trees)
        for level, goes_right in enumerate(path):
            weight = weight * (right[..., level] if goes_right else 1 - right[..., level])
        out = out + weight * trees.response[:, leaf]
    return out


def test_against_every_leaf():
    trees = ObliviousTrees(3, 4, depth=3)
    x = torch.randn(50, 3)
    trees.start(x)
    with torch.no_grad():
        torch.testing.assert_close(trees(x), leaf_by_leaf(trees, x, 4), rtol=1e-5, atol=1e-6)


def test_the_start_puts_thresholds_among_the_data_and_all_rows_on_the_slope():
    trees = ObliviousTrees(3, 20, depth=4)
    x = 50 + 7 * torch.randn(300, 3)
    trees.start(x)
    with torch.no_grad():
        chosen = x @ entmax15(trees.choice).T
        assert (trees.threshold.isclose(chosen, rtol=1e-6).any(0)).all()
        scaled = (chosen - trees.threshold) / trees.log_temperature.exp()
    torch.testing.assert_close(scaled.abs().amax(0), torch.ones(80), rtol=1e-4, atol=1e-4)


def test_later_layers_see_the_row_and_the_responses_before():
    network = Network(spec=toy_spec(), backbone=partial(NODE, n_layers=3, n_trees=4, depth=2))
    assert [layer.choice.shape[1] - network.layout.d_flat for layer in network.backbone.layers] == [0, 4, 8]
    assert all(layer.threshold.isfinite().all() for layer in network.backbone.layers)
    x = network.embed(toy_batch(toy_spec(), 5))
    with torch.no_grad():
        hidden, _ = network.backbone(x)
        for layer in network.backbone.layers:
            x = torch.cat([x, layer(x)], 1)
    assert torch.equal(hidden[:, 0], x[:, network.layout.d_flat :])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"depth": 0}, "depth=0 is out of range: expected depth > 0"),
        ({"n_trees": 0}, "n_trees=0 is out of range: expected n_trees > 0"),
        ({"dropout": 1.0}, "dropout=1.0 is out of range: expected 0 <= dropout < 1"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        NODE(layout=LAYOUT, **options)
    assert str(error.value) == text
