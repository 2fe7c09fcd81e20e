from functools import partial

import pytest
import torch
from pytorch_tabnet.tab_network import TabNet as Published

from colonnade.core.batch import Batch
from colonnade.nn.backbones.tabnet import TabNet
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.layout import Layout
from colonnade.nn.network import Network
from colonnade.testing.backbones import toy_spec

OPTIONS = {"n_steps": 3, "gamma": 1.4, "momentum": 0.1}
LAYOUT = Layout(names=("a", "b"), widths=(1, 1), n_num=2)


def pair(width, n_shared, n_independent):
    """Ours and the published network over 3 numbers and 2 categories, with the same random weights."""
    torch.manual_seed(0)
    theirs = Published(
        5,
        2,
        n_d=4,
        n_a=3,
        cat_idxs=[3, 4],
        cat_dims=[4, 5],
        cat_emb_dim=[width, width],
        n_shared=n_shared,
        n_independent=n_independent,
        virtual_batch_size=8,
        group_attention_matrix=torch.eye(5),
        **OPTIONS,
    )
    ours = Network(
        spec=toy_spec(n_num=3, cardinalities=(4, 5), out_shape=(2,)),
        categorical=partial(CategoricalEmbedding, d_embedding=width, unknown_rate=0.0),
        backbone=partial(
            TabNet,
            d_decision=4,
            d_attention=3,
            n_shared=n_shared,
            n_independent=n_independent,
            virtual_batch=8,
            sparsity=0.01,
            **OPTIONS,
        ),
    )
    with torch.no_grad():
        ours.categorical.table.copy_(torch.cat([e.weight for e in theirs.embedder.embeddings]))
        encoder = theirs.tabnet.encoder
        ours.backbone.input_norm.load_state_dict(encoder.initial_bn.state_dict())
        transformers = [encoder.initial_splitter, *encoder.feat_transformers]
        for mine, published in zip(ours.backbone.transformers, transformers, strict=True):
            layers = [
                *(published.shared.glu_layers if n_shared else []),
                *(published.specifics.glu_layers if n_independent else []),
            ]
            for unit, layer in zip(mine.units, layers, strict=True):
                unit.linear.load_state_dict(layer.fc.state_dict())
                torch.nn.init.normal_(layer.bn.bn.weight)
                torch.nn.init.normal_(layer.bn.bn.bias)
                unit.norm.load_state_dict(layer.bn.bn.state_dict(), strict=False)
        for mine, published in zip(ours.backbone.attentions, encoder.att_transformers, strict=True):
            mine.linear.load_state_dict(published.fc.state_dict())
            mine.norm.load_state_dict(published.bn.bn.state_dict(), strict=False)
        # Our heads have a bias; the published one has none.
        ours.head.linear.weight.copy_(theirs.tabnet.final_mapping.weight)
        ours.head.linear.bias.zero_()
    return ours, theirs


def rows(n):
    num = torch.randn(n, 3)
    cat = torch.stack([torch.randint(0, 4, (n,)), torch.randint(0, 5, (n,))], 1)
    return Batch(num=num, cat=cat), torch.cat([num, cat.float()], 1)


@pytest.mark.parametrize(("width", "n_shared", "n_independent"), [(1, 2, 2), (3, 2, 2), (1, 1, 0), (2, 0, 2)])
def test_against_pytorch_tabnet(width, n_shared, n_independent):
    ours, theirs = pair(width, n_shared, n_independent)
    close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)
    for n in (24, 30):
        batch, table = rows(n)
        output, (expected, entropy) = ours.train()(batch), theirs.train()(table)
        close(output.raw[:, 0], expected)
        close(output.penalty, -0.01 * entropy)
    # Running statistics came along.
    batch, table = rows(20)
    close(ours.eval()(batch).raw[:, 0], theirs.eval()(table)[0])
    masks = ours.backbone.masks(ours.embed(batch))
    total, steps = theirs.forward_masks(table)
    for step, published in steps.items():
        per_column = torch.stack([part.sum(1) for part in published.split([1, 1, 1, width, width], dim=1)], 1)
        close(masks.steps[step], per_column)
    close(masks.total, torch.stack([part.sum(1) for part in total.split([1, 1, 1, width, width], dim=1)], 1))


def test_masks_are_sparse_choices_of_columns():
    ours, _ = pair(3, 2, 2)
    batch, _ = rows(50)
    masks = ours.eval().backbone.masks(ours.embed(batch))
    assert masks.steps.shape == (3, 50, 5)
    assert masks.total.shape == (50, 5)
    torch.testing.assert_close(masks.steps.sum(-1), torch.ones(3, 50))
    assert (masks.steps >= 0).all()
    assert (masks.steps == 0).any()
    assert (masks.total >= 0).all()


def test_initial_spread_is_the_published_one():
    torch.manual_seed(0)
    fresh = TabNet(layout=Layout(names=tuple("abcde"), widths=(1,) * 5, n_num=3), d_decision=64, d_attention=64)
    unit, attention = fresh.transformers[0].units[0].linear.weight, fresh.attentions[0].linear.weight
    # Xavier normal: gain * sqrt(2 / (d_in + d_out)), with the gains of the published package.
    assert unit.std().item() == pytest.approx((2 / 5**0.5) ** 0.5, rel=0.1)
    assert attention.std().item() == pytest.approx((2 / (4 * 64) ** 0.5) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"gamma": 0.5}, "gamma=0.5 is out of range: expected gamma >= 1"),
        ({"sparsity": -1.0}, "sparsity=-1.0 is out of range: expected sparsity >= 0"),
        ({"n_steps": 0}, "n_steps=0 is out of range: expected n_steps > 0"),
        ({"n_shared": 0, "n_independent": 0}, "n_shared=0, n_independent=0: expected >= 0, and one of them > 0"),
        ({"momentum": 1.0}, "momentum=1.0 is out of range: expected 0 <= momentum < 1"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        TabNet(layout=LAYOUT, **options)
    assert str(error.value) == text
