"""Explainer: from a trained model and rows of a table to an explanation."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import combinations

import numpy as np
import polars as pl
import torch
from torch import Tensor

from colonnade.baselines.boosted import Boosted
from colonnade.baselines.random_forest import RandomForest
from colonnade.core.batch import Batch
from colonnade.data.columns import RawColumns
from colonnade.explain.attribution import Attribution
from colonnade.explain.deletion import deletion
from colonnade.explain.dependence import dependence, has_curve
from colonnade.explain.explanation import Explanation, Interaction, View
from colonnade.explain.game import Game, take
from colonnade.explain.gradients import integrated_gradients
from colonnade.explain.importance import importance
from colonnade.explain.masks import attention, tabnet_masks
from colonnade.explain.options import ATTENTION, GRADIENTS, MASKS, SHAPLEY, TREES, Explain, method_for
from colonnade.explain.raw import OfRaw, raw_rows, raw_sources
from colonnade.explain.scores import scores_of
from colonnade.explain.series import explain_series
from colonnade.explain.shapley import interactions, permutation_shapley
from colonnade.explain.sources import encode, trace
from colonnade.explain.subject import Subject
from colonnade.explain.trees import forest_shap, tree_shap
from colonnade.nn.network import Network

# Deletion and interactions take many evaluations a row: rows, and others that columns are taken from.
FEW_ROWS, FEW_OTHERS = 100, 8
ORDERS = 4
AVERAGED = 128


def explain(subject: Subject, rows: pl.DataFrame, background: pl.DataFrame, options: Explain) -> Explanation:
    """Explain rows of a table, or series, see :func:`~colonnade.explain.series.explain_series`.

    Args:
        subject: the model.
        rows: typed rows to be explained, one at least.
        background: typed rows to compare with, one at least.
        options: how.

    Raises:
        ConfigError: the method does not fit the model or its pipeline.
    """
    if subject.spec.n_steps is not None:
        return explain_series(subject, rows, background, options)
    pipeline = subject.pipeline
    lookup, module = pipeline.lookup, pipeline.module
    both = _joined(lookup(rows), lookup(background))
    names = (*pipeline.num_names, *pipeline.cat_names)
    sources = trace(module, lookup, both, names)
    method = method_for(options.method, subject.network, subject.spec, sources.mixed)
    of_encoded = Game(subject.network, scores_of(subject.task, subject.spec), sources)
    if sources.mixed:
        network = OfRaw(module, subject.network, len(lookup.cat))
        game, every = Game(network, of_encoded.scores, raw_sources(sources, lookup)), raw_rows(both)
    else:
        game, every = of_encoded, encode(module, both)
    explained, others = every.rows(0, rows.height), every.rows(rows.height, len(every))
    # In a random order, of which some take the first and some the last.
    others = take(others, torch.randperm(len(others), generator=torch.Generator().manual_seed(options.seed)))
    score = game(explained)
    choice = game.scores.chosen(score)
    start = time.process_time()
    found = _methods(subject, game, names, explained, others, choice, options)[method]()
    milliseconds = 1000 * (time.process_time() - start) / rows.height
    views = [_view(game, explained, others, choice[:, v], score, found, v, options) for v in range(choice.shape[1])]
    leading = np.mean([view.importance.mean / max(view.importance.mean.sum(), 1e-300) for view in views], axis=0)
    curves = [
        dependence(of_encoded, module, lookup, column, both, AVERAGED)
        for column in np.argsort(-leading, kind="stable")[: options.top].tolist()
        if column in sources.used and has_curve(lookup, column)
    ]
    return Explanation(
        method=method,
        unit=game.scores.unit,
        columns=sources.columns,
        outputs=game.scores.names,
        views=views,
        curves=curves,
        n_background=background.height,
        milliseconds=milliseconds,
    )


def _joined(rows: RawColumns, background: RawColumns) -> RawColumns:
    return RawColumns(
        num=torch.cat([rows.num, background.num]),
        cat=torch.cat([rows.cat, background.cat]),
        time=torch.cat([rows.time, background.time]),
    )


def _methods(
    subject: Subject,
    game: Game,
    names: tuple[str, ...],
    rows: Batch,
    others: Batch,
    choice: Tensor,
    options: Explain,
) -> dict[str, Callable[[], Attribution]]:
    """The methods, ready to be called."""
    network = subject.network

    def gradients() -> Attribution:
        assert isinstance(network, Network)
        return integrated_gradients(game, network, names, rows, others, choice, steps=options.steps)

    some = others.rows(0, min(len(others), options.samples))

    def shapley() -> Attribution:
        return permutation_shapley(game, rows, some, choice, seed=options.seed)

    def masks() -> Attribution:
        assert isinstance(network, Network)
        return tabnet_masks(game, network, names, rows, choice.shape[1])

    def looked() -> Attribution:
        assert isinstance(network, Network)
        return attention(game, network, names, rows, choice.shape[1])

    def trees() -> Attribution:
        if isinstance(network, RandomForest):
            return forest_shap(game, network, subject.spec, rows, some, choice)
        assert isinstance(network, Boosted)
        return tree_shap(game, network, subject.spec, rows, choice)

    return {GRADIENTS: gradients, SHAPLEY: shapley, MASKS: masks, ATTENTION: looked, TREES: trees}


def _view(
    game: Game,
    rows: Batch,
    others: Batch,
    choice: Tensor,
    score: Tensor,
    found: Attribution,
    view: int,
    options: Explain,
) -> View:
    """Everything about one output."""
    values = found.values[:, :, view]
    few = torch.linspace(0, len(rows) - 1, min(len(rows), FEW_ROWS)).round().long()
    # The last ones, which permutations walk from only where there are few.
    last = others.rows(max(0, len(others) - FEW_OTHERS), len(others))
    some, chosen = take(rows, few), choice[few]
    ranked = importance(values.numpy(), seed=options.seed)
    top = [i for i in np.argsort(-ranked.mean, kind="stable")[: options.top].tolist() if i in game.sources.used]
    pairs = list(combinations(top, 2))
    together = interactions(game, some, last, chosen[:, None], pairs, seed=options.seed)[..., 0]
    names = game.scores.names
    return View(
        target=game.scores.views[view],
        outputs=tuple(names[i] for i in choice.tolist()),
        values=values.numpy(),
        base=None if found.base is None else found.base[:, view].numpy(),
        score=score.gather(1, choice[:, None])[:, 0].numpy(),
        importance=ranked,
        deletion=deletion(
            game,
            some,
            last,
            chosen,
            values[few],
            signed=found.base is not None,
            orders=ORDERS,
            seed=options.seed,
        ),
        interactions=_strongest(game.sources.columns, pairs, together.numpy(), options.seed),
    )


def _strongest(
    columns: tuple[str, ...], pairs: list[tuple[int, int]], values: np.ndarray, seed: int
) -> list[Interaction]:
    size = importance(values, seed=seed)
    found = [
        Interaction((columns[a], columns[b]), float(size.mean[i]), float(size.low[i]), float(size.high[i]))
        for i, (a, b) in enumerate(pairs)
    ]
    return sorted(found, key=lambda pair: -pair.mean)
