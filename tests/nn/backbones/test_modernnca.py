from dataclasses import replace
from functools import partial

import pytest
import torch

from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.nn.backbones.modernnca import ModernNCA
from colonnade.nn.head import Given
from colonnade.nn.labels import Labels
from colonnade.nn.layout import Layout
from colonnade.nn.retrieval import RetrievalNetwork
from colonnade.testing.backbones import toy_batch, toy_spec

CLASSES = torch.arange(200) % 3


def spec_of(kind, target, out_shape):
    spec = toy_spec(out_shape=out_shape)
    spec.train_rows.target = target
    names = ("y",) if kind == "class" else spec.target_names
    return replace(spec, target_kind=kind, target_names=names)


def network(spec, **options):
    torch.manual_seed(0)
    return RetrievalNetwork(spec=spec, backbone=partial(ModernNCA, d_block=5, **options), head=Given)


@pytest.mark.parametrize(
    ("kind", "target", "out_shape"),
    [
        ("real", torch.randn(200, 2), (2,)),
        ("class", CLASSES, (3,)),
        ("class", CLASSES % 2, (1,)),
        ("multilabel", (torch.rand(200, 2) < 0.3).float(), (2,)),
    ],
)
def test_against_the_formula(kind, target, out_shape):
    spec = spec_of(kind, target, out_shape)
    net = network(spec, temperature=0.7).eval()
    batch = toy_batch(spec, 6)
    with torch.no_grad():
        rows, keys = (net.backbone.keys(net.embed(part)) for part in (batch, net.context.rows()))
        share = torch.softmax(-torch.cdist(rows.double(), keys.double()) / 0.7, -1)
        raw = net(batch).raw[:, 0]
    if kind == "real":
        found, expected = raw, share @ target.double()
    elif out_shape == (3,):
        found, expected = torch.softmax(raw, -1), share @ torch.eye(3, dtype=torch.float64)[target]
    else:
        found, expected = torch.sigmoid(raw), share @ target.double().view(200, -1)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


def test_in_training_a_row_does_not_see_itself():
    spec = toy_spec()
    net = network(spec, sample_rate=1.0).train()
    index = torch.arange(0, 200, 40)
    rows = net.context.rows(index)
    with torch.no_grad():
        keys = net.backbone.keys(net.embed(net.context.rows()))
        distance = torch.cdist(keys[index], keys)
        distance[torch.arange(5), index] = torch.inf
        expected = torch.softmax(-distance, -1) @ net.context.label
        known = net(Batch(num=rows.num, cat=rows.cat, row_id=index)).raw[:, 0]
        unknown = net(Batch(num=rows.num, cat=rows.cat)).raw[:, 0]
    torch.testing.assert_close(known, expected, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(unknown, expected, atol=1e-2)


def test_a_step_sees_a_fresh_part_of_the_context():
    net = network(toy_spec(), sample_rate=0.1).train()
    batch = toy_batch(toy_spec(), 3)
    with torch.no_grad():
        assert not torch.equal(net(batch).raw, net(batch).raw)
        net.eval()
        assert torch.equal(net(batch).raw, net(batch).raw)


def test_quantiles_are_refused():
    with pytest.raises(ConfigError) as error:
        network(toy_spec(out_shape=(1, 3)))
    assert str(error.value) == (
        "model.backbone gives 1 outputs of its own where the task asks for (1, 3): it does not learn the loss of this "
        "task; choose another model, or another task"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sample_rate": 1.5}, "sample_rate=1.5 is out of range: expected sample_rate <= 1"),
        ({"n_blocks": -1}, "n_blocks=-1 is out of range: expected n_blocks >= 0"),
        ({"temperature": 0.0}, "temperature=0.0 is out of range: expected temperature > 0"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        ModernNCA(layout=Layout(names=("a",), widths=(1,), n_num=1), labels=Labels(toy_spec()), **options)
    assert str(error.value) == text
