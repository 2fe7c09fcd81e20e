import sys
import warnings
from dataclasses import replace
from functools import partial
from types import ModuleType

import pytest
import torch

from colonnade.core.batch import Batch
from colonnade.core.spec import BatchSpec
from colonnade.nn.backbones.tabr import TabR
from colonnade.nn.labels import Labels
from colonnade.nn.layout import Layout
from colonnade.nn.retrieval import RetrievalNetwork
from colonnade.testing.backbones import toy_batch, toy_spec

N_NEIGHBOURS = 7


def network(n_encoder_blocks: int = 1, spec: BatchSpec | None = None) -> RetrievalNetwork:
    backbone = partial(
        TabR,
        d_block=6,
        n_neighbours=N_NEIGHBOURS,
        context_dropout=0.0,
        hidden_dropout=0.0,
        n_encoder_blocks=n_encoder_blocks,
    )
    torch.manual_seed(0)
    return RetrievalNetwork(spec=toy_spec() if spec is None else spec, backbone=backbone)


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


class Flat:
    """What the published code asks of ``faiss.IndexFlatL2``, which it imports late."""

    def __init__(self, d: int) -> None:
        self.keys = torch.zeros(0, d)

    def reset(self) -> None:
        self.keys = self.keys[:0]

    def add(self, keys: torch.Tensor) -> None:
        self.keys = keys.detach()

    def search(self, rows: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.cdist(rows, self.keys).square().topk(k, largest=False)


def published(net: RetrievalNetwork, n_classes: int | None, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """pytabkit's network with the weights of ours."""
    for name in ("faiss", "faiss.contrib", "faiss.contrib.torch_utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["faiss"].IndexFlatL2 = Flat
    with warnings.catch_warnings():
        # Of what the package imports.
        warnings.simplefilter("ignore")
        from pytabkit.models.nn_models.tabr import TabrModel

    part = net.backbone
    theirs = TabrModel(
        n_num_features=4,
        n_bin_features=0,
        cat_cardinalities=[],
        n_classes=n_classes,
        num_embeddings=None,
        d_main=part.d_out,
        d_multiplier=2.0,
        encoder_n_blocks=len(part.encoder),
        predictor_n_blocks=len(part.predictor),
        mixer_normalization="auto",
        context_dropout=0.0,
        dropout0=0.0,
        dropout1=0.0,
        normalization="LayerNorm",
        activation="ReLU",
    )
    ours = (part.input, part.encoder, part.key_norm, part.label_encoder, part.key, part.shift_in, part.shift_out)
    weights = [w for module in (*ours, part.predictor, part.norm, net.head) for w in module.parameters()]
    with torch.no_grad():
        for mine, other in zip(weights, theirs.parameters(), strict=True):
            # Of classes an embedding, where ours is a linear layer of one-hot rows.
            embeds = n_classes is not None and mine is part.label_encoder.weight
            other.copy_(mine.T if embeds else mine)
    return theirs


@pytest.mark.filterwarnings("ignore:Passing custom functions to delu:DeprecationWarning")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("n_classes", "n_encoder_blocks"), [(None, 0), (None, 2), (3, 0)])
def test_against_pytabkit(n_classes, n_encoder_blocks, training, monkeypatch, capsys):
    """The published network, to which rows of the batch are candidates for each other, not for themselves."""
    spec = toy_spec(cardinalities=(), out_shape=(n_classes or 1,))
    if n_classes:
        spec.train_rows.target = torch.arange(200) % 3
        spec = replace(spec, target_kind="class", target_names=("y",))
    net = network(n_encoder_blocks, spec).train(training)
    theirs = published(net, n_classes, monkeypatch).train(training)
    num, label = spec.train_rows.num, spec.train_rows.target.view(200)
    own = torch.arange(0, 200, 20)
    rest = torch.tensor([i for i in range(200) if i not in own])
    with torch.no_grad():
        raw = net(Batch(num=num[own], cat=torch.zeros(10, 0, dtype=torch.int64), row_id=own)).raw[:, 0]
        expected = theirs(
            x_={"num": num[own]},
            y=label[own] if training else None,
            candidate_x_={"num": num[rest] if training else num},
            candidate_y=label[rest] if training else label,
            context_size=N_NEIGHBOURS,
            is_train=training,
        )
    torch.testing.assert_close(raw, expected, rtol=1e-5, atol=1e-5)


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
