"""Integrated gradients at the output of the embeddings, summed to raw columns."""

from __future__ import annotations

import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.explain.attribution import Attribution
from colonnade.explain.game import Game
from colonnade.nn.network import Network

NUMBERS = 2**20
"""Numbers in the embedded rows that are given to the network at once, at which its gradients still fit into caches."""
LEAST = 16


def integrated_gradients(
    game: Game,
    network: Network,
    names: tuple[str, ...],
    rows: Batch,
    background: Batch,
    choice: Tensor,
    *,
    steps: int,
    by_step: bool = False,
) -> Attribution:
    """Integrate the gradient along the straight line from the mean embedding of the background to that of a row.

    Of series every step is attributed; the mean is that of all steps, or of each by itself.

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
        by_step: of series which are all equally long, the baseline has a mean for each step: it is a mean series.
    """
    from captum.attr import IntegratedGradients

    network = network.eval()
    source = dict(zip(names, torch.cat([game.sources.num, game.sources.cat]).tolist(), strict=True))
    widths = torch.tensor(network.layout.widths)
    column = torch.tensor([source[name] for name in network.layout.names]).repeat_interleave(widths)

    def score(embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        return game.scores.of_raw(network.forward_embedded(embedded, mask).raw)

    method = IntegratedGradients(score, multiply_by_inputs=True)
    with torch.no_grad():
        start = _mean_embedding(network, background, game.block, by_step=by_step)
    # Of series, all steps are embedded.
    steps_of_row = rows.num.shape[1:-1]
    at_once = max(LEAST, NUMBERS // (network.layout.d_flat * steps_of_row.numel()))
    values = torch.zeros(len(rows), *steps_of_row, game.sources.n_columns, choice.shape[1], dtype=torch.float64)
    base = torch.zeros(choice.shape, dtype=torch.float64)
    first = 0
    for piece in rows.split(at_once):
        last = first + len(piece)
        with torch.no_grad():
            end = network.embed(piece)
            base[first:last] = score(start.expand_as(end), piece.mask).gather(1, choice[first:last])
        for view in range(choice.shape[1]):
            found = method.attribute(
                end,
                baselines=start.expand_as(end),
                target=choice[first:last, view],
                additional_forward_args=piece.mask,
                n_steps=steps,
                internal_batch_size=at_once,
            )
            values[first:last, ..., view].index_add_(-1, column, found.detach().double())
        first = last
    return Attribution(values=values, base=base)


def _mean_embedding(network: Network, rows: Batch, block: int, *, by_step: bool) -> Tensor:
    """Of all rows, or all valid steps of series, ``(d_flat,)``; of each step ``(T, d_flat)``."""
    total, n = torch.zeros(()), 0
    for piece in rows.split(block):
        embedded = network.embed(piece)
        if not by_step:
            embedded = embedded.flatten(0, -2) if piece.mask is None else embedded[piece.mask]
        total, n = total + embedded.sum(0), n + len(embedded)
    return total / n
