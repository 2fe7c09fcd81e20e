from functools import partial

import pytest
import torch

from colonnade.core.batch import Batch
from colonnade.nn.backbones.tabr import TabR
from colonnade.nn.labels import Labels
from colonnade.nn.layout import Layout
from colonnade.nn.retrieval import RetrievalNetwork
from colonnade.testing.backbones import toy_batch, toy_spec

N_NEIGHBOURS = 7


def network(**options) -> RetrievalNetwork:
    backbone = partial(
        TabR, d_block=6, n_neighbours=N_NEIGHBOURS, context_dropout=0.0, hidden_dropout=0.0, n_encoder_blocks=1
    )
    torch.manual_seed(0)
    return RetrievalNetwork(spec=toy_spec(), backbone=partial(backbone, **options))


def by_the_paper(net: RetrievalNetwork, batch: Batch, own: torch.Tensor | None) -> torch.Tensor:
    """Row by row and neighbour by neighbour, as the formula has it."""
    part, context = net.backbone, net.context
    encoded = part._encode(net.embed(context.rows()))
    keys = part.key(part.key_norm(encoded))
    out = []
    for i, x in enumerate(part._encode(net.embed(batch))):
        key = part.key(part.key_norm(x))
        distance = (keys - key).square().sum(-1)
        if own is not None:
            distance[context.row_id == own[i]] = torch.inf
        near = distance.argsort()[:N_NEIGHBOURS]
        share = torch.softmax(-distance[near], 0)
        added = torch.zeros_like(x)
        for weight, j in zip(share, near):
            shift = part.shift_out(torch.relu(part.shift_in(key - keys[j])))
            added = added + weight * (part.label_encoder(context.label[j]) + shift)
        x = x + added
        for block in part.predictor:
            x = x + block(x)
        out.append(net.head(torch.relu(part.norm(x)).view(1, 1, -1)))
    return torch.cat(out)


@pytest.mark.parametrize("training", [True, False])
def test_against_the_formula(training):
    net = network().train(training)
    batch = toy_batch(toy_spec(), 9)
    batch.row_id = torch.arange(9) * 20
    # Rows of the context themselves: in training each must be left out.
    rows = net.context.rows(batch.row_id)
    batch = Batch(num=rows.num, cat=rows.cat, row_id=batch.row_id)
    with torch.no_grad():
        expected = by_the_paper(net, batch, batch.row_id if training else None)
        torch.testing.assert_close(net(batch).raw, expected, rtol=1e-4, atol=1e-5)


def test_gradients_reach_the_keys_of_neighbours():
    """Those of the rows that are encoded once equal those of all rows encoded."""
    net = network().train()
    batch = toy_batch(toy_spec(), 4)
    net(batch).raw.sum().backward()
    found = net.backbone.input.weight.grad.clone()
    net.zero_grad()
    by_the_paper(net, batch, None).sum().backward()
    torch.testing.assert_close(found, net.backbone.input.weight.grad, rtol=1e-4, atol=1e-5)


def test_a_small_context_is_taken_whole_but_for_the_row_itself():
    net = RetrievalNetwork(spec=toy_spec(), backbone=partial(TabR, d_block=4, n_neighbours=96), max_context=5)
    assert net.eval()(toy_batch(toy_spec(), 3)).raw.isfinite().all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"n_neighbours": 0}, "n_neighbours=0 is out of range: expected n_neighbours > 0"),
        ({"n_encoder_blocks": -1}, "n_encoder_blocks=-1 is out of range: expected n_encoder_blocks >= 0"),
        ({"context_dropout": 1.0}, "context_dropout=1.0 is out of range: expected 0 <= context_dropout < 1"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        TabR(layout=Layout(names=("a",), widths=(1,), n_num=1), labels=Labels(toy_spec()), **options)
    assert str(error.value) == text
