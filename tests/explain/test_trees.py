"""SHAP values of the libraries, brought to scores."""

import numpy as np
import pytest
import torch
from tests.baselines.kit import TREES, batch, fitted
from tests.explain.kit import brute_force

from colonnade.explain.game import Game
from colonnade.explain.scores import scores_of
from colonnade.explain.sources import Sources
from colonnade.explain.trees import forest_shap, tree_shap

# Encoded columns p, q, r, c, d; the raw column of q and r is one.
SOURCES = Sources(("p", "qr", "c", "d"), torch.tensor([0, 1, 1]), torch.tensor([2, 3]), (0, 1, 2, 3))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "two targets"])
@pytest.mark.parametrize("name", TREES)
def test_they_add_up_to_scores(name, task):
    module, _, val, _ = fitted(name, task)
    rows = batch(val)
    game = Game(module.network, scores_of(module.task, module.spec), SOURCES)
    score = game(rows)
    choice = game.scores.chosen(score)
    found = tree_shap(game, module.network, module.spec, rows, choice)
    expected = score.gather(1, choice)
    torch.testing.assert_close(found.base + found.values.sum(1), expected, atol=1e-4, rtol=1e-4)
    # The targets follow from p and c (the second from q).
    size = found.values.abs().mean(0).numpy()
    wanted = [1] if task in ("multilabel", "two targets") else []
    assert np.argmax(size[:, 0]) in (0, 2)
    assert [np.argmax(size[:, view]) for view in range(1, size.shape[1])] == wanted


def test_a_stump_is_split_by_hand():
    """One tree of two leaves: a leaf's value minus the mean value of the train rows, all of it on the split column."""
    module, train, val, _ = fitted(
        "lightgbm", "binary", n_estimators=1, num_leaves=2, bagging_fraction=1.0, patience=None
    )
    rows = batch(val)
    found = module.network.contributions(rows.num, rows.cat)[:, 0]
    with torch.no_grad():
        leaf = module.network(rows).raw.flatten().double()
        mean = module.network(batch(train)).raw.mean().double()
    split = found[:, :-1].abs().sum(0).argmax()
    torch.testing.assert_close(found[:, -1], mean.expand(len(rows)), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[:, split], leaf - mean, atol=1e-5, rtol=1e-5)
    assert found[:, :-1].abs().sum() == found[:, split].abs().sum()


def all_coalitions(game, rows, others):
    """Shapley values by brute force of the game itself, ``(N, columns, outputs)``."""

    def value(row):
        def function(kept):
            found = [game.value(row, others.rows(b, b + 1), kept[b : b + 1].bool()) for b in range(len(others))]
            return torch.cat(found)

        return function

    ones, none = torch.ones(game.n_players), torch.zeros(len(others), game.n_players)
    return torch.stack([brute_force(value(rows.rows(i, i + 1)), ones, none) for i in range(len(rows))])


@pytest.mark.parametrize("task", ["two targets", "binary", "multiclass", "multilabel"])
def test_forests_are_exact_of_values_and_add_up_to_scores_of_classes(task):
    module, train, val, _ = fitted("random_forest", task, min_samples_leaf=8)
    rows, others = batch(val).rows(0, 12), batch(train).rows(0, 5)
    game = Game(module.network, scores_of(module.task, module.spec), SOURCES)
    score = game(rows)
    choice = game.scores.chosen(score)
    found = forest_shap(game, module.network, module.spec, rows, others, choice)
    torch.testing.assert_close(found.base + found.values.sum(1), score.gather(1, choice), atol=1e-4, rtol=1e-4)
    exact = all_coalitions(game, rows, others).gather(2, choice[:, None].expand(-1, 4, -1))
    if task == "two targets":
        torch.testing.assert_close(found.values, exact, atol=1e-5, rtol=1e-5)
    # Slopes of logarithms say about the same as the logarithms of all coalitions, of ten trees with shares near 0.
    both = torch.stack([found.values.flatten(), exact.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.85
