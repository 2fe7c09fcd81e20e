"""MiniRocket against its definition, series by series, kernel by kernel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from colonnade.baselines.base import Job
from colonnade.baselines.dummy import Dummy
from colonnade.baselines.minirocket import TWOS, MiniRocket, dilations, drawn_channels, sharpness
from colonnade.baselines.module import BaselineModule
from colonnade.baselines.problems import Problem, Rows
from colonnade.core.batch import Batch
from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.data.sequences.store import SequenceStore
from colonnade.tasks.binary import Binary
from colonnade.tasks.multiclass import Multiclass
from colonnade.tasks.regression import Regression

N = 60
KERNELS = np.full((84, 9), -1.0)
np.put_along_axis(KERNELS, TWOS, 2.0, axis=1)
FEATURES = 84 * 5


def series(task="multiclass", *, seed=0, equal=False):
    """Waves of one, two or three frequencies under noise, of 12 to 40 steps; their store and specification."""
    rng = np.random.default_rng(seed)
    lengths = np.full(N, 40) if equal else rng.integers(12, 41, N)
    target = np.arange(N) % 3
    steps = [np.sin(np.arange(n) * (0.3 + 0.6 * y)) + 0.3 * rng.normal(size=n) for n, y in zip(lengths, target)]
    num = np.stack([np.concatenate(steps), rng.normal(size=lengths.sum())], 1).astype(np.float32)
    cat = rng.integers(0, 4, (len(num), 1)).astype(np.int32)
    spec = BatchSpec(
        num_names=("wave", "noise"),
        cat_names=("mode",),
        cardinalities=(4,),
        target_kind="class",
        target_names=("y",),
        classes=("a", "b", "c"),
        class_counts=(20, 20, 20),
        n_train=N,
        n_steps=int(lengths.max()),
    )
    coded = torch.from_numpy(target.astype(np.int64))
    if task == "binary":
        coded = (coded == 1).long()
        spec = replace(spec, classes=("a", "b"), class_counts=(40, 20))
    if task == "regression":
        coded = (coded.float() - 1).unsqueeze(1)
        spec = replace(spec, target_kind="real", classes=(), class_counts=(), target_mean=(1.0,), target_scale=(0.8,))
    offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]))
    return SequenceStore(
        num=torch.from_numpy(num),
        cat=torch.from_numpy(cat),
        spans=torch.stack([offsets[:-1], offsets[1:]], 1),
        row_id=torch.arange(N),
        target=coded,
        lengths=None if equal else offsets.diff(),
    ), spec


def fitted(task="multiclass", seed=0, **options):
    store, spec = series(task)
    learner = {"multiclass": Multiclass, "binary": Binary, "regression": Regression}[task]()
    learner.setup(spec)
    spec = replace(spec, out_shape=learner.out_shape(spec))
    network = MiniRocket(spec=spec, **{"n_features": FEATURES, "max_dilations": 3} | options)
    module = BaselineModule(network=network, task=learner, optim=None, spec=spec, seed=seed)
    val, _ = series(task, seed=1)
    module.fit(store, val, Job())
    return module, val


def one_feature(model, x, i, kernel, bias):
    """Share of the steps of one series ``(channels, T)`` at which a kernel is above a bias."""
    dilation, n = model.dilations[i][0], x.shape[1]
    around = 4 * dilation
    full = np.pad(x, ((0, 0), (around, around)))
    values = np.zeros(n)
    for channel in np.flatnonzero(model.seen[i, kernel]):
        for step in range(n):
            values[step] += KERNELS[kernel] @ full[channel, step : step + 2 * around + 1 : dilation]
    if (kernel + i) % 2 and n > 2 * around:
        values = values[around : n - around]
    return (values > bias).mean()


def test_there_are_84_kernels_that_sum_to_zero():
    assert KERNELS.shape == (84, 9)
    assert len(np.unique(KERNELS, axis=0)) == 84
    assert not KERNELS.sum(1).any()


def test_every_feature_is_its_definition():
    module, val = fitted()
    model = module.network
    batch = val.rows(0, 6)
    found = model.features(batch.num, batch.cat, batch.mask)
    assert found.shape == (6, FEATURES)
    rng = np.random.default_rng(0)
    for row in range(6):
        n = int(val.lengths[row])
        codes = torch.nn.functional.one_hot(batch.cat[row, :n, 0], 4)
        x = torch.cat([batch.num[row, :n], codes], 1).T.double().numpy()
        column = bias_at = 0
        for i, (_, count) in enumerate(model.dilations):
            for j in range(count):
                for kernel in rng.choice(84, 6, replace=False):
                    expected = one_feature(model, x, i, kernel, model.biases[kernel, bias_at + j].item())
                    assert found[row, column + j * 84 + kernel].item() == pytest.approx(expected, abs=1e-6)
            column += 84 * count
            bias_at += count


def test_dilations_are_those_of_the_paper():
    """150 steps and 10,000 features: 119 of each kernel, 32 dilations up to (150 - 1) / 8 on a scale of powers of 2."""
    found = dilations(150, 119, 32)
    expected = np.unique(np.logspace(0, np.log2(149 / 8), 32, base=2).astype(int))
    assert [d for d, _ in found] == expected.tolist()
    assert sum(count for _, count in found) == 119
    assert max(d for d, _ in found) * 8 < 150
    # Series shorter than a kernel have one dilation.
    assert dilations(5, 10, 4) == [(1, 10)]
    assert dilations(1, 1, 32) == [(1, 1)]


def test_a_kernel_sees_few_channels():
    seen = drawn_channels(np.random.default_rng(0), 30, 20)
    n = seen.sum(-1)
    assert (int(n.min()), int(n.max())) == (1, 9)
    assert (n == 1).sum() > (n == 5).sum()
    assert drawn_channels(np.random.default_rng(0), 2, 1).all()


def test_biases_are_quantiles_of_train_series():
    """About half of the features of an average series lie above and below a half."""
    module, val = fitted()
    batch = val.rows(0, N)
    assert module.network.features(batch.num, batch.cat, batch.mask).mean().item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("task", ["multiclass", "binary", "regression"])
def test_it_learns_and_is_stored(task):
    module, val = fitted(task)
    batch = val.rows(0, N)
    raw = module.network(batch).raw
    metrics = module.task.metrics(module.task.decode(raw), val.target, None)
    assert metrics["r2"] > 0.8 if task == "regression" else metrics["accuracy"] > 0.9 and metrics["log_loss"] < 0.5
    again = MiniRocket(spec=module.spec, n_features=FEATURES, max_dilations=3)
    again.load_state_dict(module.network_state())
    assert again(batch).raw.equal(raw)
    same, _ = fitted(task)
    assert same.network(batch).raw.equal(raw)
    other, _ = fitted(task, seed=1)
    assert not other.network(batch).raw.equal(raw)


def test_the_ridge_is_scikit_learns():
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    module, val = fitted()
    train, _ = series()
    batches = [store.rows(0, N) for store in (train, val)]
    x, held = (module.network.features(b.num, b.cat, b.mask).double().numpy() for b in batches)
    ridge = make_pipeline(StandardScaler(with_mean=False), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)))
    scores = ridge.fit(x, train.target.numpy()).decision_function(held)
    raw = module.network(batches[1]).raw[:, 0].double().numpy()
    factor = (raw / scores).mean()
    np.testing.assert_allclose(raw, scores * factor, rtol=1e-3, atol=1e-3)


def test_padding_changes_nothing():
    module, val = fitted()
    batch = val.rows(0, 8)
    alone = torch.cat([module.network(val.rows(i, i + 1)).raw for i in range(8)])
    torch.testing.assert_close(module.network(batch).raw, alone)
    batch.num[~batch.mask] = 1e4
    torch.testing.assert_close(module.network(batch).raw, alone)
    equal, _ = series(equal=True)
    whole = equal.rows(0, 4)
    masked = Batch(num=whole.num, cat=whole.cat, mask=torch.ones(whole.num.shape[:2], dtype=torch.bool))
    assert module.network(whole).raw.equal(module.network(masked).raw)


def test_an_exported_graph_takes_any_batch_and_length():
    module, val = fitted()

    class Scores(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = module.network

        def forward(self, num, cat, mask):
            return self.model.raw(num, cat, mask)

    batch = val.rows(0, 8)
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    shapes = {"num": sizes, "cat": sizes, "mask": sizes}
    graph = torch.export.export(Scores(), (batch.num, batch.cat, batch.mask), dynamic_shapes=shapes).module()
    for rows in (val.rows(0, 3), val.rows(10, 40)):
        found = graph(rows.num, rows.cat, rows.mask)
        torch.testing.assert_close(found.float(), module.network(rows).raw[:, 0], rtol=1e-4, atol=1e-4)


def test_rounding_decides_no_count_where_values_repeat():
    """Of series of few steps and few values, a bias is one of the values that it is compared with."""
    rng = np.random.default_rng(0)
    lengths = torch.tensor([1, 2, 3] * 20)
    ends = lengths.cumsum(0)
    num = torch.from_numpy(rng.choice([-1.3, 0.7, 0.1], (int(ends[-1]), 4)).astype(np.float32))
    cat = torch.zeros((len(num), 0), dtype=torch.int32)
    spans = torch.stack([ends - lengths, ends], 1)
    target = torch.arange(60) % 3
    store = SequenceStore(num=num, cat=cat, spans=spans, row_id=torch.arange(60), target=target, lengths=lengths)
    spec = replace(series()[1], num_names=tuple("abcd"), cat_names=(), cardinalities=(), out_shape=(3,), n_steps=3)
    model = MiniRocket(spec=spec, n_features=FEATURES)
    rows = Rows(num.numpy(), cat.numpy(), target.numpy(), spans=spans.numpy())
    model.fit([Problem("multiclass", "log_loss", n_classes=3)], rows, None, Job())
    batch = store.rows(0, 60)
    exact = model.features(batch.num.double(), batch.cat, batch.mask)
    assert model.features(batch.num, batch.cat, batch.mask).double().equal(exact.float().double())


def test_a_class_without_train_rows_is_the_last_choice():
    store, spec = series()
    model = MiniRocket(spec=replace(spec, classes=("a", "b", "c", "d"), out_shape=(4,)), n_features=84)
    rows = Rows(store.num.numpy(), store.cat.numpy(), store.target.numpy(), spans=store.spans.numpy())
    model.fit([Problem("multiclass", "log_loss", n_classes=4)], rows, None, Job())
    assert (model(store.rows(0, N)).raw.argmax(-1) < 3).all()


def test_scores_become_logits_by_validation_rows():
    rng = np.random.default_rng(0)
    # Labels drawn from a logit of 4 times the score.
    score = rng.normal(size=(20_000, 1))
    label = (rng.random(20_000) < 1 / (1 + np.exp(-4 * score[:, 0]))).astype(np.int64)
    rows = Rows(score, score, label)
    assert sharpness(Problem("binary", "log_loss"), score, rows) == pytest.approx(4, rel=0.05)
    # Ten rows that are all right do not make it certain.
    few = Rows(score, score, (score[:10, 0] > 0).astype(np.int64))
    assert sharpness(Problem("binary", "log_loss"), np.sign(score[:10]), few) == pytest.approx(np.log(11), rel=0.01)
    assert sharpness(Problem("mse", "rmse"), score, rows) == 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_features": 83}, "n_features=83 must be 84 or more"),
        ({"max_dilations": 0}, "max_dilations=0 must be 1 or more"),
    ],
)
def test_arguments_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        MiniRocket(spec=series()[1], **options)


def test_shares_are_those_of_series_too():
    store, spec = series()
    learner = Multiclass()
    learner.setup(spec)
    spec = replace(spec, out_shape=learner.out_shape(spec))
    module = BaselineModule(network=Dummy(spec=spec), task=learner, optim=None, spec=spec)
    module.fit(store, store, Job())
    found = module.task.decode(module.network(store.rows(0, 5)).raw)["probability"]
    torch.testing.assert_close(found, torch.full((5, 3), 1 / 3))
    with pytest.raises(ConfigError, match="a forecast is compared with the last value"):
        Dummy(spec=replace(spec, horizon=3))


def test_what_it_does_not_take():
    spec = series()[1]
    with pytest.raises(ConfigError, match="model=minirocket learns from whole series, and data.horizon asks"):
        MiniRocket(spec=replace(spec, horizon=3))
    with pytest.raises(ConfigError, match="`data` gives the rows of a table, but this model takes series"):
        MiniRocket(spec=replace(spec, n_steps=None))
