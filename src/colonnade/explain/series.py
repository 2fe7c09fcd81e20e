"""Series: from a trained model and series to an explanation by time and column."""

from __future__ import annotations

import time

import polars as pl
import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.data.columns import RawColumns
from colonnade.data.sequences.raw import raw_series
from colonnade.explain.attribution import Attribution
from colonnade.explain.cells import Cells, lengths
from colonnade.explain.deletion import deletion
from colonnade.explain.explanation import Explanation, View
from colonnade.explain.game import take
from colonnade.explain.gradients import integrated_gradients
from colonnade.explain.importance import importance
from colonnade.explain.options import GRADIENTS, Explain, method_for
from colonnade.explain.over_time import OverTime
from colonnade.explain.raw import OfRaw, raw_rows, raw_sources
from colonnade.explain.scores import scores_of
from colonnade.explain.shapley import permutation_shapley
from colonnade.explain.sources import encode, trace
from colonnade.explain.subject import Subject
from colonnade.nn.network import Network

# Deletion evaluates each series many times: series, others that cells are taken from (of which few would be no mean of
# series that drift), random orders, and points of the curve.
FEW_ROWS, FEW_OTHERS, ORDERS, POINTS = 24, 16, 2, 11


def explain_series(subject: Subject, rows: pl.DataFrame, background: pl.DataFrame, options: Explain) -> Explanation:
    """Explain series.

    Contributions are those of each raw column at each step: integrated gradients find them step by step; permutations
    find those of cells, a column in a part of the time, which their steps share. How a score follows a column, and how
    columns interact, is not looked for: a column has no one value.

    Args:
        subject: the model.
        rows: typed series to be explained, one at least; of those that are forecast, windows.
        background: typed series to compare with, one at least.
        options: how.

    Raises:
        ConfigError: the method does not fit the model or its pipeline.
    """
    pipeline = subject.pipeline
    lookup, module = pipeline.lookup, pipeline.module
    raw, raw_others = (raw_series(lookup, frame.select(lookup.names), lookup.names) for frame in (rows, background))
    names = (*pipeline.num_names, *pipeline.cat_names)
    sources = trace(module, lookup, _steps(raw, raw_others), names)
    method = method_for(options.method, subject.network, subject.spec, sources.mixed)
    network = subject.network
    if sources.mixed:
        network, sources = OfRaw(module, network, len(lookup.cat)), raw_sources(sources, lookup)
        given = raw_rows(raw), raw_rows(raw_others)
    else:
        given = encode(module, raw), encode(module, raw_others)
    explained, others = map(_without_needless_mask, given)
    # In a random order, of which some take the first and some the last.
    others = take(others, torch.randperm(len(others), generator=torch.Generator().manual_seed(options.seed)))
    game = Cells(network, scores_of(subject.task, subject.spec), sources, steps=explained.num.shape[1])
    score = game(explained)
    choice = game.scores.chosen(score)
    forecast, ahead = subject.spec.horizon is not None, subject.spec.ahead
    start = time.process_time()
    if method == GRADIENTS:
        assert isinstance(subject.network, Network)
        # Windows begin anywhere: their mean is flat but for noise. Ahead, most columns stand for nothing.
        by_step = (not forecast or ahead > 0) and _equally_long(explained, others)
        found = integrated_gradients(
            game, subject.network, names, explained, others, choice, steps=options.steps, by_step=by_step
        )
    else:
        some = others.rows(0, min(len(others), options.samples))
        cells = permutation_shapley(game, explained, some, choice, seed=options.seed)
        found = Attribution(values=game.spread(cells.values, explained), base=cells.base)
    milliseconds = 1000 * (time.process_time() - start) / rows.height
    return Explanation(
        method=method,
        unit=game.scores.unit,
        columns=sources.columns,
        outputs=game.scores.names,
        views=[
            _view(game, explained, others, choice[:, v], score, found, v, options.seed, forecast=forecast, ahead=ahead)
            for v in range(choice.shape[1])
        ],
        curves=[],
        n_background=background.height,
        milliseconds=milliseconds,
    )


def _steps(*series: RawColumns) -> RawColumns:
    """The valid steps of all series, one after the other."""
    blocks = []
    for name in ("num", "cat", "time"):
        blocks.append(torch.cat([getattr(some, name)[some.mask] for some in series]))
    return RawColumns(*blocks)


def _equally_long(rows: Batch, others: Batch) -> bool:
    return rows.mask is None and others.mask is None and rows.num.shape[1] == others.num.shape[1]


def _without_needless_mask(rows: Batch) -> Batch:
    whole = rows.mask is not None and bool(rows.mask.all())
    return Batch(num=rows.num, cat=rows.cat, mask=None if whole else rows.mask)


def _view(
    game: Cells,
    rows: Batch,
    others: Batch,
    choice: Tensor,
    score: Tensor,
    found: Attribution,
    view: int,
    seed: int,
    *,
    forecast: bool,
    ahead: int,
) -> View:
    """Everything about one output."""
    assert found.base is not None
    values = found.values[..., view]
    few = torch.linspace(0, len(rows) - 1, min(len(rows), FEW_ROWS)).round().long()
    # The last ones, which permutations walk from only where there are few.
    last = others.rows(max(0, len(others) - FEW_OTHERS), len(others))
    some = take(rows, few)
    of_columns = values.sum(1).numpy()
    names = game.scores.names
    return View(
        target=game.scores.views[view],
        outputs=tuple(names[i] for i in choice.tolist()),
        values=of_columns,
        base=found.base[:, view].numpy(),
        score=score.gather(1, choice[:, None])[:, 0].numpy(),
        importance=importance(of_columns, seed=seed),
        deletion=deletion(
            game,
            some,
            last,
            choice[few],
            game.summed(values[few].unsqueeze(-1), some)[..., 0],
            signed=True,
            orders=ORDERS,
            seed=seed,
            points=POINTS,
        ),
        interactions=[],
        over_time=OverTime(values=values.numpy(), lengths=lengths(rows).numpy(), forecast=forecast, ahead=ahead),
    )
