"""Trees: SHAP values of boosted trees by their own library, summed to raw columns."""

from __future__ import annotations

import torch
from torch import Tensor

from colonnade.baselines.boosted import Boosted
from colonnade.core.batch import Batch
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.explain.attribution import Attribution
from colonnade.explain.game import Game


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
