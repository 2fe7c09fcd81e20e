"""Groups: what is usual for the rows of a level, such as the mean income of a city."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from colonnade.data.columns import Columns, Layout, TrainRows
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step, index_of, positions
from colonnade.data.steps.statistics import quantiles

Statistic = Literal["mean", "std", "min", "median", "max", "count"]
Relation = Literal["value", "difference", "ratio"]


class Groups(Step):
    """Add statistics of numbers over the train rows of one level, and how a row differs from them.

    A column ``<number>.<statistic>.<category>`` for each number, statistic and category; ``count`` is the number of
    values behind them. With ``difference`` and ``ratio`` further columns ``... .difference`` and ``... .ratio``: the
    row's own number minus the statistic, or divided by it. A level with fewer than ``min_count`` values, and one
    without train rows, has the statistics of all train rows.

    Train rows are encoded from the other folds: no new row is a part of the mean that it is compared with, and a train
    row that were one would lie nearer to it, and never beyond the minimum or maximum of its level. Only ``count``, and
    what stands for a level with too few values, is that of all folds, as for new rows. Targets are no part of this: for
    their mean by level see :class:`~colonnade.data.steps.target_encode.TargetEncode`. Comes before the step that fills
    missing values.

    Args:
        by: categories; None: all with at most ``max_levels`` levels.
        columns: numbers; None: all.
        statistics: some of ``mean, std, min, median, max, count``.
        relations: some of ``value, difference, ratio``.
        min_count: values that a level needs.
        max_levels: see ``by``.
        folds: parts of the train rows.

    Raises:
        ValueError: an unknown statistic or relation, none, ``min_count`` or ``max_levels`` below 1, ``folds`` below 2.
    """

    makes_missing = True

    def __init__(
        self,
        *,
        by: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        statistics: Sequence[Statistic] = ("mean",),
        relations: Sequence[Relation] = ("value",),
        min_count: int = 10,
        max_levels: int = 1000,
        folds: int = 5,
    ) -> None:
        for key, given, known in (
            ("statistics", statistics, get_args(Statistic)),
            ("relations", relations, get_args(Relation)),
        ):
            wrong = [value for value in given if value not in known]
            if wrong or not given:
                raise ValueError(f"{key} must be some of {', '.join(known)}, got {', '.join(wrong) or 'none'}")
        for key, number, least in (("min_count", min_count, 1), ("max_levels", max_levels, 1), ("folds", folds, 2)):
            if number < least:
                raise ValueError(f"{key} must be at least {least}, got {number!r}")
        self.by = by
        self.columns = columns
        self.statistics = tuple(statistics)
        self.relations = tuple(relations)
        self.min_count = min_count
        self.max_levels = max_levels
        self.folds = folds

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Take the statistics of each level, over all train rows and those outside each fold. See :meth:`Step.fit`."""
        by = positions(layout.cat, self.by, "Groups")
        if self.by is None:
            by = [i for i in by if len(layout.levels[i]) <= self.max_levels]
        source = positions(layout.num, self.columns, "Groups")
        if not by or not source:
            return Fitted(None, layout)
        num = train.columns.num[source]
        # A row for each number, category and statistic, as wide as the largest category.
        width = max(layout.cardinalities[i] for i in by)
        fold = torch.randperm(len(train), generator=generator) % self.folds
        sampled = fold[train.rows]
        overall = self._statistics(num, num.isfinite().sum(1))
        tables, out_of_fold, told = [], [], []
        for i in by:
            code, size = train.columns.cat[i], layout.cardinalities[i]
            counts = _counts(num, code, size)
            enough = counts >= self.min_count
            found = [self._tables(num, code, counts, enough, overall)]
            for k in range(self.folds):
                rest = sampled != k
                # A level that is large enough stays so where a value outside of the fold is left.
                there = enough & (_counts(num[:, rest], code[rest], size) > 0)
                found.append(self._tables(num[:, rest], code[rest], counts, there, overall))
            whole, *without = (torch.nn.functional.pad(t, (0, width - size)).flatten(0, 1) for t in found)
            tables.append(whole)
            out_of_fold.append(torch.cat(without, 1))
            told += [
                (f"{layout.num[column]}.{statistic}.{layout.cat[i]}", layout.num[column], statistic, layout.cat[i])
                for column in source
                for statistic in self.statistics
            ]
        names = [f"{name}{'' if r == 'value' else f'.{r}'}" for r in self.relations for name, *_ in told]
        added = layout.fresh(names)
        per = len(source) * len(self.statistics)
        module = Grouped(
            added=added,
            told=told,
            relations=self.relations,
            group=index_of([i for i in by for _ in range(per)]),
            source=index_of([column for _ in by for column in source for _ in self.statistics]),
            table=torch.cat(tables),
        )
        module.cross_fit(torch.cat(out_of_fold), fold)
        return Fitted(module, replace(layout, num=layout.num + added))

    def _tables(self, num: Tensor, code: Tensor, counts: Tensor, enough: Tensor, overall: Tensor) -> Tensor:
        """Statistics ``(F, S, C)`` of each number by code, or ``overall`` ``(F, S)`` where it has not ``enough``.

        ``enough`` and ``counts`` are ``(F, C)``; counts are told, not counted.
        """
        order = code.argsort(stable=True)
        parts = num[:, order].split(torch.bincount(code, minlength=counts.shape[1]).tolist(), dim=1)
        result = overall[:, :, None].repeat(1, 1, counts.shape[1])
        for place in enough.any(0).nonzero().flatten().tolist():
            found = self._statistics(parts[place], counts[:, place])
            result[:, :, place] = torch.where(enough[:, place, None], found, overall)
        return result

    def _statistics(self, num: Tensor, count: Tensor) -> Tensor:
        """``(F, S)`` of the values that are there; ``count`` ``(F,)`` is told, not counted."""
        valid = num.isfinite()
        there = valid.sum(1).to(torch.float64)
        mean = torch.where(valid, num, 0.0).sum(1) / there
        found = {"count": count.to(torch.float64), "mean": mean}
        if "std" in self.statistics:
            found["std"] = torch.where(valid, num - mean[:, None], 0.0).square().sum(1).div(there).sqrt()
        if {"min", "median", "max"} & {*self.statistics}:
            levels = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
            found |= zip(("min", "median", "max"), quantiles(num, levels).unbind(1), strict=True)
        return torch.stack([found[name] for name in self.statistics], dim=1)


def _counts(num: Tensor, code: Tensor, size: int) -> Tensor:
    """Values ``(F, size)`` that are there of each number by code, int64."""
    return torch.stack([torch.bincount(code[row], minlength=size) for row in num.isfinite()])


class Grouped(FittedStep):
    """Fitted :class:`Groups`. What only train rows need is not stored.

    Args:
        added: columns it adds, relation after relation.
        told: name, number, statistic and category of each row of the table.
        relations: see :class:`Groups`.
        group, source: ``(R,)`` int64, category and number of each row of the table.
        table: ``(R, C)`` float64, the statistic of each code.
    """

    group: Tensor
    source: Tensor
    table: Tensor
    _out_of_fold: Tensor | None = None
    _fold: Tensor | None = None

    def __init__(
        self,
        *,
        added: Sequence[str],
        told: Sequence[Sequence[str]],
        relations: Sequence[str],
        group: Tensor,
        source: Tensor,
        table: Tensor,
    ) -> None:
        super().__init__()
        self.added = tuple(added)
        self.told = [tuple(row) for row in told]
        self.relations = tuple(relations)
        self.register_buffer("group", group)
        self.register_buffer("source", source)
        self.register_buffer("table", table)

    def cross_fit(self, table: Tensor, fold: Tensor) -> None:
        """Give the tables without a fold, side by side ``(R, folds * C)``, and the fold of each train row ``(N,)``."""
        self._out_of_fold = table
        self._fold = fold

    def forward(self, columns: Columns) -> Columns:
        """Append the statistics, and what a row makes of them."""
        return self._append(columns, self.table.gather(1, columns.cat.index_select(0, self.group)))

    def encode_train(self, columns: Columns, rows: Tensor) -> Columns:
        """Append the statistics of the folds that a row is not in; of all of them where the step was loaded."""
        if self._out_of_fold is None or self._fold is None:
            # A run that begins from a pre-training: no target is in them, and its train rows may be others.
            return self(columns)
        codes = columns.cat.index_select(0, self.group) + self._fold[rows] * self.table.shape[1]
        return self._append(columns, self._out_of_fold.gather(1, codes))

    def _append(self, columns: Columns, usual: Tensor) -> Columns:
        """With the statistics ``(R, N)`` of the rows."""
        own = columns.num.index_select(0, self.source)
        made = []
        for relation in self.relations:
            if relation == "value":
                made.append(usual)
            elif relation == "difference":
                made.append(own - usual)
            else:
                made.append(torch.where(usual == 0, torch.nan, own / torch.where(usual == 0, 1.0, usual)))
        return columns._replace(num=torch.cat([columns.num, *made]))

    def options(self) -> dict[str, Any]:
        """Names and relations."""
        return {"added": self.added, "told": self.told, "relations": self.relations}

    def features(self) -> list[Feature]:
        """Statistic, number and category."""
        told = []
        for i, new in enumerate(self.added):
            relation, row = self.relations[i // len(self.told)], i % len(self.told)
            _, number, statistic, category = self.told[row]
            usual = f"{statistic} of {number} over the train rows with this {category}"
            formula = {"value": usual, "difference": f"{number} - {usual}", "ratio": f"{number} / {usual}"}[relation]
            told.append(Feature(new, formula, (number, category), {"by code": self.table[row]}))
        return told
