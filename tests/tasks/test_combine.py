"""Combined predictions: the mean by hand, stacking by scikit-learn, labels as the decoders give them, one graph."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from colonnade.core.errors import ConfigError
from colonnade.core.spec import BatchSpec
from colonnade.runs.stacking import fit_stacking
from colonnade.tasks.combine import Stacking, WeightedMean, check_alike

N, M = 60, 3
RNG = np.random.default_rng(0)


def members(kind, width):
    raw = torch.from_numpy(RNG.normal(size=(M, N, width)))
    if kind == "real":
        return [{"value": r * 9 + 100} for r in raw]
    probability = raw.softmax(2) if kind == "class" else raw.sigmoid()
    return [{"label": torch.zeros(N), "probability": p.float()} for p in probability]


@pytest.mark.parametrize(("kind", "width"), [("class", 2), ("class", 4), ("multilabel", 3), ("real", 2)])
def test_the_weighted_mean_by_hand(kind, width):
    given = members(kind, width)
    mean = WeightedMean(kind, torch.tensor([1.0, 0.0, 3.0]))(given)
    name = "value" if kind == "real" else "probability"
    expected = 0.25 * given[0][name].double() + 0.75 * given[2][name].double()
    torch.testing.assert_close(mean[name], expected.to(given[0][name].dtype))
    if kind == "class":
        assert torch.equal(mean["label"], expected.argmax(1))
    if kind == "multilabel":
        assert torch.equal(mean["label"], (expected > 0.5).long())


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [float("nan"), 1.0]])
def test_weights_that_weigh_nothing(weights):
    with pytest.raises(ValueError, match="must be finite, not negative and not all zero"):
        WeightedMean("real", torch.tensor(weights))


def test_stacking_of_several_classes_is_multinomial_regression_on_log_probabilities():
    given, truth = members("class", 4), RNG.integers(0, 4, N)
    weight = RNG.uniform(0.5, 2, N)
    inputs = np.concatenate([g["probability"].double().log().numpy() for g in given], axis=1)
    model = LogisticRegression(C=2.0, max_iter=10_000).fit(inputs, truth, weight)
    stacking = fit_stacking(
        given, torch.from_numpy(truth), torch.from_numpy(weight), "class", classes="abcd", regularisation=0.5
    )
    np.testing.assert_allclose(stacking(given)["probability"], model.predict_proba(inputs), atol=1e-5)
    assert (stacking(given)["label"].numpy() == model.predict(inputs)).all()


def test_labels_and_targets_are_stacked_one_by_one():
    given, truth = members("multilabel", 2), RNG.integers(0, 2, (N, 2))
    found = fit_stacking(given, torch.from_numpy(truth), None, "multilabel")(given)["probability"]
    for t in range(2):
        inputs = np.stack([g["probability"][:, t].double().logit().numpy() for g in given], axis=1)
        model = LogisticRegression(max_iter=10_000).fit(inputs, truth[:, t])
        np.testing.assert_allclose(found[:, t], model.predict_proba(inputs)[:, 1], atol=1e-5)
    given, truth = members("real", 2), RNG.normal(100, 5, (N, 2))
    found = fit_stacking(given, torch.from_numpy(truth), None, "real", regularisation=3.0)(given)["value"]
    for t in range(2):
        mean, scale = truth[:, t].mean(), truth[:, t].std()
        inputs = (np.stack([g["value"][:, t].numpy() for g in given], axis=1) - mean) / scale
        model = Ridge(alpha=3.0).fit(inputs, (truth[:, t] - mean) / scale)
        np.testing.assert_allclose(found[:, t], model.predict(inputs) * scale + mean, rtol=1e-9)


def test_what_cannot_be_stacked():
    truth = torch.zeros(N, dtype=torch.int64)
    with pytest.raises(ConfigError, match="no validation row is of class b; method=greedy"):
        fit_stacking(members("class", 2), truth, None, "class", classes=("a", "b"))
    with pytest.raises(ConfigError, match="a label is the same in all validation rows"):
        fit_stacking(members("multilabel", 1), truth[:, None], None, "multilabel")
    with pytest.raises(ConfigError, match="quantiles are not stacked; method=greedy"):
        fit_stacking([{"value": torch.zeros(N, 1), "quantile": torch.zeros(N, 1, 3)}], truth, None, "real")


def test_combiners_are_graphs():
    """What an exporter sees gives what the module gives."""
    for kind, width, combiner in (
        ("class", 4, WeightedMean("class", torch.tensor([1.0, 2.0, 3.0]))),
        ("class", 2, Stacking("class", torch.ones(1, M), torch.zeros(1))),
        ("real", 2, Stacking("real", torch.ones(2, M), torch.zeros(2))),
    ):
        given = members(kind, width)
        graph = torch.export.export(combiner, (given,)).module()
        for name, value in combiner(given).items():
            torch.testing.assert_close(graph(given)[name], value)


def test_members_of_other_classes_are_named():
    first = BatchSpec((), (), (), "class", ("y",), classes=("a", "b"))
    other = BatchSpec((), (), (), "class", ("y",), classes=("b", "a"))
    with pytest.raises(ConfigError, match="'two' and 'one' do not go together: classes b, a, and a, b"):
        check_alike([first, other], ["one", "two"])
