"""Masks and attention: where TabNet and the FT-Transformer looked, by raw column."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from colonnade.core.batch import Batch
from colonnade.explain.attribution import Attribution
from colonnade.explain.game import BLOCK, Game
from colonnade.nn.backbones.ft_transformer import FTTransformer
from colonnade.nn.backbones.tabnet import TabNet
from colonnade.nn.network import Network


def tabnet_masks(game: Game, network: Network, names: tuple[str, ...], rows: Batch, n_views: int) -> Attribution:
    """Shares of TabNet's attention (Arik and Pfister, AAAI 2021), summed over the encoded columns of a raw one.

    They have no sign, are the same for each output, and do not add up to the score.

    Args:
        game: sources of the columns.
        network: of a TabNet backbone.
        names: of encoded columns, numbers first.
        rows: encoded rows.
        n_views: outputs that each row is explained for.
    """
    backbone = network.backbone
    assert isinstance(backbone, TabNet)
    return _shares(game, network, names, rows, n_views, lambda embedded: backbone.masks(embedded).total)


def attention(game: Game, network: Network, names: tuple[str, ...], rows: Batch, n_views: int) -> Attribution:
    """Shares of the FT-Transformer's attention: see its ``attention``. They are read as :func:`tabnet_masks` are.

    Weights of attention say what was looked at, not what came of it (Jain and Wallace, *Attention is not Explanation*,
    NAACL 2019): the deletion curve tells how far they are to be believed.

    Args:
        game, names, rows, n_views: see :func:`tabnet_masks`.
        network: of an FT-Transformer backbone.
    """
    backbone = network.backbone
    assert isinstance(backbone, FTTransformer)

    def looked(embedded: Tensor) -> Tensor:
        return backbone.attention(embedded.unflatten(-1, (network.layout.n_columns, -1)))

    return _shares(game, network, names, rows, n_views, looked)


def _shares(
    game: Game,
    network: Network,
    names: tuple[str, ...],
    rows: Batch,
    n_views: int,
    look: Callable[[Tensor], Tensor],
) -> Attribution:
    """Shares of raw columns in what ``look`` gives of embedded rows, ``(B, columns)``."""
    source = dict(zip(names, torch.cat([game.sources.num, game.sources.cat]).tolist(), strict=True))
    column = torch.tensor([source[name] for name in network.layout.names])
    pieces: list[Tensor] = []
    with torch.no_grad():
        for piece in rows.split(BLOCK):
            total = look(network.embed(piece)).double()
            pieces.append(torch.zeros(len(piece), game.n_players, dtype=torch.float64).index_add_(1, column, total))
    looked = torch.cat(pieces)
    # A row whose steps all decided on nothing was looked at nowhere.
    share = looked / looked.sum(1, keepdim=True).clamp_min(torch.finfo(looked.dtype).tiny)
    return Attribution(values=share[..., None].expand(-1, -1, n_views), base=None)
