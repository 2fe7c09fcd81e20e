"""Raw: rows as players see them where the pipeline makes columns of several raw ones."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from colonnade.core.batch import Batch
from colonnade.core.output import Output
from colonnade.data.columns import RawColumns
from colonnade.data.lookup import Lookup
from colonnade.explain.sources import Sources
from colonnade.training.predictor import encode


class OfRaw(nn.Module):
    """Pipeline and network as a model of raw rows, each of whose columns is one player.

    Args:
        module: raw rows to encoded ones.
        network: of encoded rows.
        n_cat: raw categories, behind which datetimes stand.
    """

    def __init__(self, module: nn.Module, network: nn.Module, n_cat: int) -> None:
        super().__init__()
        self.module = module
        self.network = network
        self.n_cat = n_cat

    def forward(self, batch: Batch) -> Output:
        """Raw outputs of what :func:`raw_rows` gives."""
        cat, time = batch.cat[..., : self.n_cat], batch.cat[..., self.n_cat :]
        encoded: Output = self.network(Batch(*encode(self.module, batch.num, cat, time), mask=batch.mask))
        return encoded


def raw_rows(raw: RawColumns) -> Batch:
    """Raw rows, or series, in the form of encoded ones: numbers stay float64, datetimes stand behind the categories."""
    return Batch(num=raw.num, cat=torch.cat([raw.cat, raw.time], dim=-1), mask=raw.mask)


def raw_sources(sources: Sources, lookup: Lookup) -> Sources:
    """The same raw columns, each made of itself; a text of all numbers of its vector."""
    every: Tensor = torch.arange(sources.n_columns)
    n_num = len(lookup.num) + len(lookup.texts)
    widths = torch.tensor([1] * len(lookup.num) + [text.width for text in lookup.texts], dtype=torch.int64)
    return replace(sources, num=every[:n_num].repeat_interleave(widths), cat=every[n_num:])
