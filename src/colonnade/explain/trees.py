"""Trees: SHAP values of boosted trees by their own library, and of forests, by raw column."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from colonnade.baselines.boosted import Boosted
from colonnade.baselines.random_forest import LEAST, RandomForest
from colonnade.core.batch import Batch
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.explain.attribution import Attribution
from colonnade.explain.game import Game
from colonnade.explain.leaves import tree_values


def tree_shap(game: Game, network: Boosted, spec: BatchSpec, rows: Batch, choice: Tensor) -> Attribution:
    """SHAP values along the paths of the trees (Lundberg et al., *From local explanations to global understanding with
    explainable AI for trees*, Nature Machine Intelligence 2020).

    What a column that is left out would have been is read from the counts of train rows in the trees, not from
    background rows. Values belong to raw outputs, whence they come to scores exactly, both being linear in them.

    Args:
        game: sources of the columns.
        network: boosted trees, not of quantiles.
        spec: of the data.
        rows: encoded rows.
        choice: ``(N, views)`` int64, outputs that each row is explained for.
    """
    found = to_scores(network.contributions(rows.num, rows.cat), spec)
    found = found.gather(1, choice[..., None].expand(-1, -1, found.shape[2]))
    column = torch.cat([game.sources.num, game.sources.cat])
    values = torch.zeros(len(rows), game.n_players, choice.shape[1], dtype=torch.float64)
    values.index_add_(1, column, found[..., :-1].transpose(1, 2))
    return Attribution(values=values, base=found[..., -1])


def to_scores(contributions: Tensor, spec: BatchSpec) -> Tensor:
    """Contributions to raw outputs ``(N, outputs, columns + 1)``, the last of them the base, as those to scores."""
    match spec.target_kind:
        case TargetKind.CLASS if spec.out_shape != (1,):
            return contributions - contributions.mean(1, keepdim=True)
        case TargetKind.REAL:
            scaled = contributions * torch.tensor(spec.target_scale, dtype=torch.float64)[:, None]
            scaled[..., -1] += torch.tensor(spec.target_mean, dtype=torch.float64)
            return scaled
        case _:
            return contributions


def forest_shap(
    game: Game, network: RandomForest, spec: BatchSpec, rows: Batch, background: Batch, choice: Tensor
) -> Attribution:
    """SHAP values of a forest against background rows, see :func:`~colonnade.explain.leaves.tree_values`.

    Exact of values. Of classes they are exact of the shares that the trees give, whose logarithms make the score: the
    contributions of each pair of rows to a share are carried on by the slope between the two (the rescale rule of Chen,
    Lundberg and Lee, *Explaining a series of models by propagating Shapley values*, Nature Communications 2022), so
    that they add up to the score.

    Args:
        game: sources of the columns.
        network: the forest.
        spec: of the data.
        rows: encoded rows.
        background: encoded rows to compare with.
        choice: ``(N, views)`` int64, outputs that each row is explained for.
    """
    trees = network.trees()
    own, other = (trees.features(some.num, some.cat, trees.search).numpy() for some in (rows, background))
    mix = _mix(spec, len(trees.base))
    slope = np.ones((len(own), len(other), len(trees.base)))
    if network.classes:
        slope = _log_slope(trees.sums(own)[:, None], trees.sums(other)[None])
    player = torch.cat([game.sources.num, game.sources.cat]).numpy()
    weight = mix[choice.numpy()][:, None] * slope[:, :, None]
    values = tree_values(trees, player, game.n_players, own, other, weight)
    base = game(background).mean(0)[choice]
    return Attribution(values=torch.from_numpy(values), base=base)


def _log_slope(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of the line between two shares on the curve of their logarithm; 0 where both are taken for the least one."""
    low, high = (share.clip(LEAST, 1 - LEAST) for share in (one, other))
    apart = one - other
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (np.log(low) - np.log(high)) / apart
    at = np.where((low > LEAST) & (low < 1 - LEAST), 1 / low, 0)
    slope: np.ndarray = np.where(np.abs(apart) > LEAST, between, at)
    return slope


def _mix(spec: BatchSpec, n_sums: int) -> np.ndarray:
    """What each score is of the sums of the trees, or of their logarithms, ``(scores, sums)``."""
    if spec.target_kind == TargetKind.REAL:
        return np.diag(spec.target_scale)
    if spec.target_kind == TargetKind.CLASS and spec.out_shape != (1,):
        return np.eye(n_sums) - 1 / n_sums
    return np.kron(np.eye(n_sums // 2), [[-1.0, 1.0]])
