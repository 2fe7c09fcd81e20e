"""One-hot: categories of few levels become 0/1 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from colonnade.data.columns import FIRST_LEVEL, MISSING, Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step, index_of, others, positions


class OneHot(Step):
    """A 0/1 column ``<name>=<level>`` for each code that occurs in the train rows, missing and rare ones included.

    A level that did not occur gives zeros: ``sklearn.preprocessing.OneHotEncoder(handle_unknown="ignore")``.

    Args:
        max_levels: categories with more levels stay codes.
        columns: which categories; None: all.
        drop_binary: of two codes, give a column to the second alone.

    Raises:
        ValueError: ``max_levels`` below 1.
    """

    def __init__(self, *, max_levels: int = 9, columns: Sequence[str] | None = None, drop_binary: bool = True) -> None:
        if max_levels < 1:
            raise ValueError(f"max_levels must be at least 1, got {max_levels!r}")
        self.max_levels = max_levels
        self.columns = columns
        self.drop_binary = drop_binary

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Find the codes of each category. See :meth:`Step.fit`."""
        chosen = [i for i in positions(layout.cat, self.columns, "OneHot") if len(layout.levels[i]) <= self.max_levels]
        if not chosen:
            return Fitted(None, layout)
        source, codes, names = [], [], []
        for i in chosen:
            present = layout.counts[i].nonzero()[:, 0].tolist()
            for code in present[1:] if self.drop_binary and len(present) == 2 else present:
                source.append(i)
                codes.append(code)
                names.append(f"{layout.cat[i]}={_text(code, layout.levels[i])}")
        flags = layout.fresh(names)
        rest = others(len(layout.cat), chosen)
        new = replace(layout.with_categories(rest), flag=layout.flag + flags)
        module = OneHotted(
            flags=flags,
            formulas=names,
            sources=[layout.cat[i] for i in source],
            source=index_of(source),
            code=index_of(codes)[:, None],
            rest=index_of(rest),
        )
        return Fitted(module, new)


def _text(code: int, levels: Sequence[str]) -> str:
    if code >= FIRST_LEVEL:
        return levels[code - FIRST_LEVEL]
    return "missing" if code == MISSING else "unknown"


class OneHotted(FittedStep):
    """Fitted :class:`OneHot`.

    Args:
        flags: added flags.
        formulas: when each is 1.
        sources: name of the category of each flag; run folders of earlier versions do not hold it.
        source: ``(G,)`` int64, category of each flag.
        code: ``(G, 1)`` int64, code for which it is 1.
        rest: categories that stay codes, int64.
    """

    source: Tensor
    code: Tensor
    rest: Tensor

    def __init__(
        self,
        *,
        flags: Sequence[str],
        formulas: Sequence[str],
        source: Tensor,
        code: Tensor,
        rest: Tensor,
        sources: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.flags = tuple(flags)
        self.formulas = tuple(formulas)
        self.sources = tuple(sources or (formula.partition("=")[0] for formula in formulas))
        self.register_buffer("source", source)
        self.register_buffer("code", code)
        self.register_buffer("rest", rest)

    def forward(self, columns: Columns) -> Columns:
        """Append the flags, and leave out their categories."""
        flag = (columns.cat.index_select(0, self.source) == self.code).to(torch.float32)
        return columns._replace(flag=torch.cat([columns.flag, flag]), cat=self.recode(columns.cat))

    def recode(self, cat: Tensor) -> Tensor:
        """Leave out the categories that became flags."""
        return cat.index_select(0, self.rest)

    def options(self) -> dict[str, Any]:
        """Names."""
        return {"flags": self.flags, "formulas": self.formulas, "sources": self.sources}

    def features(self) -> list[Feature]:
        """When each flag is 1."""
        rows = zip(self.flags, self.formulas, self.sources, strict=True)
        return [Feature(flag, f"1 if {formula}", (source,)) for flag, formula, source in rows]
