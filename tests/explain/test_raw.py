"""Columns that are made of several raw ones: contributions are those of the raw columns, held to closed forms."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from colonnade.core.errors import ConfigError
from colonnade.core.output import Output
from colonnade.core.schema import Column, Kind, Schema
from colonnade.core.spec import BatchSpec
from colonnade.data.pipeline import Pipeline
from colonnade.data.steps.groups import Groups
from colonnade.data.steps.impute import Impute
from colonnade.data.texts import TextEncoder, Texts
from colonnade.explain.explainer import explain
from colonnade.explain.options import Explain, method_for
from colonnade.explain.subject import Subject
from colonnade.tasks.regression import Regression

N = 60
KINDS = {
    "a": Kind.NUMERIC,
    "b": Kind.NUMERIC,
    "noise": Kind.NUMERIC,
    "c": Kind.CATEGORICAL,
    "d": Kind.DATETIME,
    "note": Kind.TEXT,
}


def frame():
    rng = np.random.default_rng(0)
    a, b, noise = rng.normal(size=(3, N))
    return pl.DataFrame(
        {
            "a": a,
            "b": b,
            "noise": noise,
            "c": [("x", "y", "z")[i] for i in rng.integers(0, 3, N)],
            "d": [datetime(2020, 1, 1 + int(i)) for i in rng.integers(0, 28, N)],
        }
    )


class Weighted(nn.Module):
    """A weighted sum of encoded numbers, also over the steps of series."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.tensor(weight, dtype=torch.float64)

    def forward(self, batch):
        return Output(raw=(batch.num.double() @ self.weight).view(len(batch), -1).sum(1)[:, None, None])


def subject(weights, table=None, **pipeline):
    """A model that weighs encoded columns by their names, and others by 0."""
    table = frame() if table is None else table
    schema = Schema(columns={name: Column(name, KINDS[name]) for name in table.columns})
    steps = {"impute": Impute()}
    fitted = Pipeline(steps=steps, **pipeline).fit(table, schema, torch.zeros(N, 1), np.arange(N), 0)
    assert set(weights) <= set(fitted.num_names)
    spec = BatchSpec(
        num_names=fitted.num_names,
        cat_names=fitted.cat_names,
        cardinalities=fitted.cardinalities,
        target_kind="real",
        target_names=("y",),
        target_mean=(0.0,),
        target_scale=(1.0,),
        out_shape=(1,),
    )
    task = Regression()
    task.setup(spec)
    return Subject(Weighted([weights.get(name, 0.0) for name in fitted.num_names]), fitted, task, spec)


def test_a_product_and_a_sum_are_shared_as_the_closed_form_has_it():
    """Of a b: (a - a')(b + b') / 2 to a; of 3 (a - 2 b): 3 (a - a') to a and -6 (b - b') to b."""
    made = subject({"product": 1.0, "sum": 3.0, "a": 0.5}, expressions={"product": "a * b", "sum": "a - 2 * b"})
    rows, others = frame().head(9), frame().tail(8)
    found = explain(made, rows, others, Explain(samples=8))
    view = found.views[0]
    assert found.method == "shapley"
    assert found.columns == ("a", "b", "noise", "c", "d")
    a, b = (rows[name].to_numpy()[:, None] for name in "ab")
    a_, b_ = (others[name].to_numpy() for name in "ab")
    np.testing.assert_allclose(view.values[:, 0], ((a - a_) * (b + b_) / 2 + 3.5 * (a - a_)).mean(1), atol=1e-5)
    np.testing.assert_allclose(view.values[:, 1], ((b - b_) * (a + a_) / 2 - 6 * (b - b_)).mean(1), atol=1e-5)
    assert np.abs(view.values[:, 2:]).max() == 0
    np.testing.assert_allclose(view.base + view.values.sum(1), view.score, atol=1e-9)
    assert view.deletion.ratio > 1
    pair, *further = view.interactions
    assert pair.columns == ("b", "a")
    assert max(other.mean for other in further) < 1e-6
    assert pair.mean == pytest.approx(np.abs(((a - a_) * (b - b_)).mean(1)).mean(), rel=1e-5)
    assert [curve.column for curve in found.curves][:2] == ["b", "a"]
    np.testing.assert_allclose(np.diff(found.curves[1].partial[:, 0]) / np.diff(found.curves[1].grid),
                               3.5 + np.mean([*b.flat, *b_]), rtol=1e-4)  # fmt: skip


def test_a_statistic_of_a_group_belongs_to_the_number_and_to_the_group():
    """Difference from the mean of the level: the number is a's, the mean is c's."""
    groups = Groups(by=["c"], columns=["a"], statistics=["mean"], relations=["difference"])
    (name,) = (n for n in subject({}, create={"groups": groups}).pipeline.num_names if "-" in n or "diff" in n)
    rows, others = frame().head(7), frame().tail(11)
    found = explain(subject({name: 2.0}, create={"groups": groups}), rows, others, Explain(samples=11))
    level = dict(frame().group_by("c").agg(pl.col("a").mean()).iter_rows())
    mean, mean_ = (np.array([level[c] for c in some["c"]]) for some in (rows, others))
    view = found.views[0]
    np.testing.assert_allclose(view.values[:, 0], 2 * (rows["a"].to_numpy() - others["a"].mean()), atol=1e-5)
    np.testing.assert_allclose(view.values[:, 3], -2 * (mean - mean_.mean()), atol=1e-5)
    assert np.abs(view.values[:, [1, 2, 4]]).max() == 0


class Counts(TextEncoder):
    """How often two letters are in a text."""

    def encode(self, texts):
        return np.array([[text.count("a"), text.count("b"), len(text)] for text in texts], dtype=np.float32)

    def options(self):
        return {}


@pytest.mark.parametrize("product", [0.0, 1.0])
def test_a_text_is_one_player_whatever_is_made_of_it(product):
    """With columns that are made of several, and without."""
    rng = np.random.default_rng(1)
    note = ["a" * i + "b" * j or None for i, j in rng.integers(0, 4, (N, 2))]
    table = frame().with_columns(note=pl.Series(note))
    expressions = {"product": "a * b"} if product else {}
    weights = {
        "note.pc.0": 2.0,
        "note.pc.1": -1.0,
        "note.missing": 3.0,
        "a": 1.0,
        **dict.fromkeys(expressions, product),
    }
    made = subject(weights, table, texts=Texts(encoder=Counts()), expressions=expressions)
    rows, others = table.head(9), table.tail(8)
    found = explain(made, rows, others, Explain(samples=8, top=4))
    assert found.columns == ("a", "b", "noise", "note", "c", "d")
    num = encoded(made.pipeline, table)
    of_note = num["note.pc.0"] * 2 - num["note.pc.1"] + 3 * num["note.missing"]
    view = found.views[0]
    np.testing.assert_allclose(view.values[:, 3], of_note[:9] - of_note[-8:].mean(), atol=1e-5)
    np.testing.assert_allclose(view.base + view.values.sum(1), view.score, atol=1e-5)
    assert np.abs(view.values[:, [2, 4, 5]]).max() == 0
    assert "note" not in [curve.column for curve in found.curves]
    assert view.importance.mean.argmax() == 3


def encoded(pipeline, table):
    """Encoded numbers by their names."""
    num = pipeline.encode(table)[0].double().numpy()
    return dict(zip(pipeline.num_names, num.T, strict=True))


def test_series_share_a_product_step_by_step():
    made = subject({"product": 1.0}, expressions={"product": "a * b"})
    made = replace(made, spec=replace(made.spec, n_steps=4))
    rows, others = (frame()[part].select(pl.all().reshape((3, 4)).arr.to_list()) for part in (range(12), range(48, 60)))
    found = explain(made, rows, others, Explain(samples=3))
    values = found.views[0].over_time.values
    a, b, a_, b_ = (np.stack(some[name].to_list()) for some in (rows, others) for name in "ab")
    of_a, of_b = ((x[:, None] - x_) * (y[:, None] + y_) / 2 for x, x_, y, y_ in ((a, a_, b, b_), (b, b_, a, a_)))
    np.testing.assert_allclose(values[..., 0], of_a.mean(1), atol=1e-5)
    np.testing.assert_allclose(values[..., 1], of_b.mean(1), atol=1e-5)
    assert np.abs(values[..., 2:]).max() == 0


def test_methods_that_look_at_encoded_columns_are_refused():
    made = subject({"ratio": 1.0}, expressions={"ratio": "a / b", "age": "d - d + b"})
    assert method_for("auto", made.network, made.spec, ("ratio",)) == "shapley"
    with pytest.raises(ConfigError, match=r"method=tree_shap does not explain a pipeline .* \('ratio'\): use shapley"):
        explain(made, frame(), frame(), Explain(method="tree_shap"))
