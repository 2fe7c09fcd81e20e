"""RealMLP against pytabkit: outputs, and weights after a training with all factors and schedules; its start."""

import warnings
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from colonnade.config.build import build
from colonnade.config.by_target import settled
from colonnade.config.compose import compose
from colonnade.core.batch import Batch
from colonnade.nn.backbones.realmlp import RealMLP, RealMLPHead
from colonnade.nn.embed.categorical import CategoricalEmbedding
from colonnade.nn.embed.pbld import PBLDEmbedding
from colonnade.nn.layout import Layout
from colonnade.nn.network import Network
from colonnade.testing.backbones import toy_spec

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytabkit.models.alg_interfaces.base import InterfaceResources, SplitIdxs
    from pytabkit.models.data.data import DictDataset, TensorInfo
    from pytabkit.models.optim.optimizers import get_opt_class
    from pytabkit.models.sklearn.default_params import DefaultParams
    from pytabkit.models.training.nn_creator import NNCreator

N, LEVELS, STEPS = 64, 13, 30
TASKS = {"multiclass": (3, "RealMLP_TD_CLASS"), "regression": (1, "RealMLP_TD_REG")}
# Where our segments [number, linear...] of three columns, and the category, lie in the published row.
ORDER = [p for i in range(3) for p in (9 + i, 3 * i, 3 * i + 1, 3 * i + 2)] + list(range(12, 20))


class Pair:
    """Ours as the YAML has it, but small and without dropout, and the published network with the same weights."""

    def __init__(self, task: str) -> None:
        torch.manual_seed(0)
        d_out, params = TASKS[task]
        self.cfg = settled(compose(["model=realmlp", f"task={task}"]))
        codes = torch.randint(0, LEVELS, (N, 1))
        target = torch.randint(0, 3, (N, 1)) if task == "multiclass" else torch.randn(N, 1)
        self.tensors = {"x_cont": torch.randn(N, 3), "x_cat": codes, "y": target}
        infos = {
            "x_cont": TensorInfo(feat_shape=[3]),
            "x_cat": TensorInfo(cat_sizes=[LEVELS]),
            "y": TensorInfo(cat_sizes=[3]) if task == "multiclass" else TensorInfo(feat_shape=[1]),
        }
        changes = {"tfms": ["embedding"], "hidden_sizes": [6, 5], "p_drop": 0.0}
        self.creator = NNCreator(**getattr(DefaultParams, params) | changes)
        data, rows = DictDataset(self.tensors, infos), torch.arange(N)[None]
        split = [SplitIdxs(rows, rows, None, 0, [0], 0)]
        self.creator.setup_from_dataset(data, split, InterfaceResources(1, []))
        self.theirs = self.creator.create_model(data, split)
        # The published code has one code for missing and unknown.
        self.batch = Batch(num=self.tensors["x_cont"], cat=torch.where(codes > 0, codes + 1, codes))
        backbone = self.cfg.model.backbone
        self.ours = Network(
            spec=toy_spec(n_num=3, cardinalities=(LEVELS + 1,), out_shape=(d_out,)),
            numerical=PBLDEmbedding,
            categorical=partial(CategoricalEmbedding, d_embedding=8, unknown_rate=0.0, start="normal", decay=True),
            backbone=partial(RealMLP, d_hidden=[6, 5], dropout=0.0, activation=backbone.activation),
            head=partial(RealMLPHead, clamp=self.cfg.model.head.clamp),
        )
        if task == "regression":
            value = self.tensors["y"]
            value = (value - value.mean(0)) / value.std(0, correction=0)
            self.ours.head.low, self.ours.head.high = value.amin(0), value.amax(0)
        with torch.no_grad():
            for mine, published in self.weights():
                mine.copy_(published)

    def weights(self):
        """Our parameters beside the published ones, brought to our shape."""
        theirs = {str(p.context.scope): p.detach()[0] for p in self.theirs.parameters()}
        yield self.ours.numerical.frequency, theirs["/plr/weight_1"][:, 0]
        yield self.ours.numerical.phase, theirs["/plr/bias_1"][:, 0]
        yield self.ours.numerical.linear.weight, theirs["/plr/weight_2"]
        yield self.ours.numerical.linear.bias, theirs["/plr/bias_2"][:, 0]
        table = theirs["/tfms/emb"]
        # A level of ours that no row has keeps its value.
        yield self.ours.categorical.table, torch.cat([table[:1], self.ours.categorical.table.detach()[1:2], table[1:]])
        backbone = self.ours.backbone
        first = "/net/first_layer/layer-0"
        yield backbone.scale.weight, theirs[f"{first}/scale"][0, ORDER]
        yield backbone.linears[0].weight, theirs[f"{first}/weight"][ORDER]
        yield backbone.linears[0].bias, theirs[f"{first}/bias"][0]
        yield backbone.activations[0][0].strength, theirs[f"{first}/act"][0]
        yield backbone.linears[1].weight, theirs["/net/middle_layer/layer-1/weight"]
        yield backbone.linears[1].bias, theirs["/net/middle_layer/layer-1/bias"][0]
        yield backbone.activations[1][0].strength, theirs["/net/middle_layer/layer-1/act"][0]
        yield self.ours.head.linear.weight, theirs["/net/last_layer/layer-2/weight"]
        yield self.ours.head.linear.bias, theirs["/net/last_layer/layer-2/bias"][0]

    def published(self, progress: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
        """Raw outputs (in evaluation in the units of the target) and smoothed or standardised targets."""
        learner = SimpleNamespace(progress=SimpleNamespace(get_fit_progress=lambda: progress))
        self.creator.hp_manager.update_hypers(learner)
        out = self.theirs({name: tensor[None] for name, tensor in self.tensors.items()})
        return out["x_cont"][0], out["y"][0]


@pytest.mark.parametrize("task", TASKS)
def test_against_pytabkit(task):
    pair = Pair(task)
    pair.theirs.train()
    torch.testing.assert_close(pair.ours.train()(pair.batch).raw[:, 0], pair.published()[0], rtol=1e-5, atol=1e-5)
    pair.theirs.eval()
    raw, (out, _) = pair.ours.eval()(pair.batch).raw[:, 0], pair.published()
    if task == "regression":
        y = pair.tensors["y"]
        out = (out - y.mean(0)) / y.std(0, correction=0)
    torch.testing.assert_close(raw, out, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_trains_as_pytabkit_does(task):
    pair = Pair(task)
    groups = [{"params": [p], "lr": 0.01} for p in pair.theirs.parameters()]
    published = get_opt_class("adam")(groups, pair.creator.hp_manager)
    criterion, _ = pair.creator.get_criterions()
    builder = build(pair.cfg.optim)
    optimizer = builder.build(pair.ours)
    rate = builder.rate(max_epochs=3, steps_per_epoch=STEPS // 3)
    pair.theirs.train()
    pair.ours.train()
    for i in range(STEPS):
        raw, target = pair.published(i / STEPS)
        published.zero_grad()
        criterion(raw, target).backward()
        published.step()
        optimizer.zero_grad()
        ours = pair.ours(pair.batch).raw[:, 0]
        if task == "multiclass":
            smoothing = pair.cfg.task.label_smoothing
            F.cross_entropy(ours, pair.tensors["y"][:, 0], label_smoothing=smoothing).backward()
        else:
            F.mse_loss(ours, target).backward()
        rate.apply(optimizer.param_groups, i)
        optimizer.step()
    for (mine, theirs), (first, _) in zip(pair.weights(), Pair(task).weights()):
        torch.testing.assert_close(mine.detach(), theirs, rtol=1e-3, atol=1e-3)
        assert not torch.allclose(mine, first, atol=1e-3)


def test_begins_from_the_train_rows():
    torch.manual_seed(0)
    spec = toy_spec(n_num=4, cardinalities=(5, 14), out_shape=(2,))
    network = Network(
        spec=spec,
        numerical=PBLDEmbedding,
        backbone=partial(RealMLP, d_hidden=[7, 6], dropout=0.5),
        head=partial(RealMLPHead, clamp=True),
    ).eval()
    with torch.no_grad():
        x = network.embed(spec.train_rows)
        layers = [
            *zip(network.backbone.linears, network.backbone.activations),
            (network.head.linear, torch.nn.Identity()),
        ]
        for linear, activate in layers:
            out = linear.factor * x @ linear.weight
            torch.testing.assert_close(out.std(0, correction=0), torch.ones(out.shape[1]), rtol=1e-4, atol=1e-4)
            assert ((-linear.bias > out.amin(0)) & (-linear.bias < out.amax(0))).all()
            x = activate(linear(x))
    target = spec.train_rows.target
    assert torch.equal(network.head.low, target.amin(0))
    assert torch.equal(network.head.high, target.amax(0))


def test_a_constant_input_is_no_ground_to_divide_by():
    linear = RealMLP(layout=Layout(names=("a",), widths=(3,), n_num=1), d_hidden=[5]).linears[0]
    linear.start(torch.ones(10, 3))
    assert linear.weight.isfinite().all()
    assert linear.weight.abs().max() < 10


def targets(values):
    return Batch(num=torch.zeros(len(values), 0), cat=torch.zeros(len(values), 0), target=torch.tensor(values))


def test_values_keep_within_those_of_the_train_rows():
    head = RealMLPHead(d_in=2, n_members=1, out_shape=(2,), clamp=True)
    x = torch.randn(40, 1, 2)
    head.start(x, targets([[0.0, 0.0], [0.1, 0.2]]))
    assert head.train()(100 * x).abs().max() > 10
    out = head.eval()(100 * x)
    assert out.amin() == 0
    torch.testing.assert_close(out.amax(0)[0], torch.tensor([0.1, 0.2]))
    # Of quantiles only the middle ones are values that were seen.
    wide = RealMLPHead(d_in=2, n_members=1, out_shape=(2, 3), clamp=True)
    wide.start(x, targets([[0.0, 0.0]]))
    assert wide.high.isinf().all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"d_hidden": []}, "d_hidden=[] is empty: expected at least one width"),
        ({"dropout": 1.0}, "dropout=1.0 is out of range: expected 0 <= dropout < 1"),
        ({"scale_lr_factor": 0.0}, "lr_factor=0.0 is out of range: expected lr_factor > 0"),
        ({"activation": "selo"}, "activation='selo' is unknown: expected one of gelu, mish, relu, selu, silu"),
    ],
)
def test_faults(options, text):
    with pytest.raises(ValueError) as error:
        RealMLP(layout=Layout(names=("a",), widths=(3,), n_num=1), **options)
    assert str(error.value) == text
