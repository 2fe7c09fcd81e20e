"""Integrated gradients at the output of the embeddings, summed to raw columns."""

from __future__ import annotations

import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.explain.attribution import Attribution
from colonnade.explain.game import BLOCK, Game
from colonnade.nn.network import Network

NUMBERS = 2**20
"""Numbers in the embedded rows that are given to the network at once, at which its gradients still fit into caches."""
LEAST = 64


def integrated_gradients(
    game: Game, network: Network, names: tuple[str, ...], rows: Batch, background: Batch, choice: Tensor, *, steps: int
) -> Attribution:
    """Integrate the gradient along the straight line from the mean embedding of the background to that of a row.

    Sundararajan, Taly and Yan, *Axiomatic Attribution for Deep Networks*, ICML 2017; by Gauss-Legendre quadrature. At
    the embeddings, a category is attributed like a number. The mean of what the embeddings give for background rows is
    the baseline: a level that stands for nothing, such as "unknown", may never have been trained.

    Args:
        game: scores and sources.
        network: the explained network.
        names: of encoded columns, numbers first.
        rows, background: encoded rows.
        choice: ``(N, views)`` int64, outputs that each row is explained for.
        steps: nodes of the quadrature.
    """
    from captum.attr import IntegratedGradients

    network = network.eval()
    source = dict(zip(names, torch.cat([game.sources.num, game.sources.cat]).tolist(), strict=True))
    widths = torch.tensor(network.layout.widths)
    column = torch.tensor([source[name] for name in network.layout.names]).repeat_interleave(widths)

    def score(embedded: Tensor) -> Tensor:
        return game.scores.of_raw(network.forward_embedded(embedded).raw)

    with torch.no_grad():
        start = torch.cat([network.embed(piece) for piece in background.split(BLOCK)]).mean(0, keepdim=True)
        at_start = score(start)[0]
    method = IntegratedGradients(score, multiply_by_inputs=True)
    at_once = max(LEAST, NUMBERS // network.layout.d_flat)
    values = torch.zeros(len(rows), game.n_columns, choice.shape[1], dtype=torch.float64)
    first = 0
    for piece in rows.split(at_once):
        with torch.no_grad():
            end = network.embed(piece)
        last = first + len(piece)
        for view in range(choice.shape[1]):
            found = method.attribute(
                end,
                baselines=start,
                target=choice[first:last, view],
                n_steps=steps,
                internal_batch_size=at_once,
            )
            values[first:last, :, view].index_add_(1, column, found.detach().double())
        first = last
    return Attribution(values=values, base=at_start[choice])
