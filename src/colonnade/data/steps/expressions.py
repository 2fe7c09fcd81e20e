"""Expressions: columns that a person defines by formulas, ``ratio: total_rooms / households``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from colonnade.core.errors import ConfigError, Faults, closest
from colonnade.data.columns import FIRST_LEVEL, Columns, Layout, TrainRows
from colonnade.data.formula import TIMES, is_text, parse
from colonnade.data.steps.base import Feature, Fitted, FittedStep, Step
from colonnade.data.steps.computation import CATEGORY, FLAG, NUMBER, TIME, TRUTH, Computation

NO_LEVEL = -1
"""The code of a level that no train row has."""


class Expressions(Step):
    """Add measured columns that are computed from other columns of their row.

    A value is missing where a column that it needs is missing, where a number is divided by 0, where a function has
    no value (``log`` of 0, ``sqrt`` of -1) and where the result is too large for float64; a step behind fills and flags
    it, as all missing numbers. Comparisons, ``and``, ``or`` and ``not`` give 0 and 1. The difference of two datetimes
    is in days. See :func:`colonnade.data.formula.parse` for the grammar.

    Args:
        columns: name and formula of each new column, which the ones after it may use.

    Raises:
        ValueError: naming everything in the formulas that is not understood.
    """

    makes_missing = True

    def __init__(self, *, columns: Mapping[str, str]) -> None:
        self.columns = dict(columns)
        texts = []
        for name, text in self.columns.items():
            try:
                parse(text)
            except ValueError as error:
                texts += [f"{name}: {line}" for line in str(error).splitlines()]
        if texts:
            raise ValueError("\n".join(texts))

    def fit(self, train: TrainRows, layout: Layout, generator: torch.Generator) -> Fitted:
        """Find the columns; nothing is learned. See :meth:`Step.fit`.

        Raises:
            ConfigError: naming every column that is not there or of another kind than its place asks for.
        """
        if not self.columns:
            return Fitted(None, layout)
        places = _places(layout)
        codes: dict[str, dict[str, int]] = {}
        log: list[str] = []
        faults = Faults()
        for new, text in self.columns.items():
            formula = parse(text)
            for fault in _faults(formula.tree, places):
                faults.add(f"expression {new}='{text}': {fault}")
            if new in places:
                faults.add(f"expression {new}='{text}': there is a column of that name: call it otherwise")
            for name, level in _levels(formula.tree):
                if name in layout.cat:
                    known = layout.levels[layout.cat.index(name)]
                    codes.setdefault(name, {})[level] = known.index(level) + FIRST_LEVEL if level in known else NO_LEVEL
                    if level not in known:
                        log.append(f"column '{new}': no train row has {name} '{level}'{closest(level, known)}")
            places[new] = (NUMBER, -1)
        faults.raise_if_any(ConfigError)
        used = {name: place for name, place in places.items() if place[1] >= 0}
        module = Expressed(formulas=self.columns, places=used, codes=codes)
        return Fitted(module, replace(layout, num=(*layout.num, *self.columns)), log)


def _places(layout: Layout) -> dict[str, tuple[str, int]]:
    """Kind of each column, and its position in its block."""
    blocks = ((NUMBER, layout.num), (FLAG, layout.flag), (CATEGORY, layout.cat), (TIME, layout.time))
    places = {name: (kind, i) for kind, names in blocks for i, name in enumerate(names)}
    for i, (name, levels) in enumerate(zip(layout.cat, layout.levels, strict=True)):
        if levels == ("false", "true"):
            places[name] = (TRUTH, i)
    return places


def _faults(node: ast.AST, places: Mapping[str, tuple[str, int]]) -> Iterator[str]:
    """Columns that are not there, or of another kind than their place asks for."""

    def kind(name: str) -> str | None:
        return places[name][0] if name in places else None

    match node:
        case ast.Name(id=name) if name not in places:
            yield f"there is no column '{name}' here{closest(name, places)}"
        case ast.Name(id=name) if kind(name) == TIME:
            yield f"'{name}' is a datetime: take the difference of two, or {', '.join(TIMES)} of one"
        case ast.Name(id=name) if kind(name) == CATEGORY:
            yield f"'{name}' is a category: compare it with a level, {name} == '...'"
        case ast.Compare(left=ast.Name(id=name), comparators=[right]) if is_text(right):
            if name not in places:
                yield from _faults(node.left, places)
            elif kind(name) not in (CATEGORY, TRUTH):
                yield f"'{name}' is a {kind(name)}, which has no levels to compare with"
        case ast.BinOp(left=ast.Name(id=a), op=ast.Sub(), right=ast.Name(id=b)) if kind(a) == kind(b) == TIME:
            pass
        case ast.Call(func=ast.Name(id="missing"), args=[ast.Name(id=name)]) if name in places:
            pass
        case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name)]) if function in TIMES and name in places:
            if kind(name) != TIME:
                yield f"{function} takes a datetime, and '{name}' is a {kind(name)}"
        case ast.Call(args=args):
            for child in args:
                yield from _faults(child, places)
        case _:
            for other in ast.iter_child_nodes(node):
                yield from _faults(other, places)


def _levels(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """The comparisons of a category with a level: name and level."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=ast.Name(id=name), comparators=[ast.Constant(value=str() as level)]):
                yield name, level


class Expressed(FittedStep):
    """Fitted :class:`Expressions`.

    Args:
        formulas: see there.
        places: kind of each column that was given, and its position in its block.
        codes: of each level that a category is compared with.
    """

    def __init__(
        self,
        *,
        formulas: Mapping[str, str],
        places: Mapping[str, Sequence[Any]],
        codes: Mapping[str, Mapping[str, int]],
    ) -> None:
        super().__init__()
        self.formulas = {name: parse(text) for name, text in formulas.items()}
        self.places = {name: (str(kind), int(i)) for name, (kind, i) in places.items()}
        self.codes = {name: dict(levels) for name, levels in codes.items()}

    def forward(self, columns: Columns) -> Columns:
        """Append the values."""
        computation = Computation(columns, self.places, self.codes)
        for name, formula in self.formulas.items():
            computation.add(name, formula.tree)
        return columns._replace(num=torch.cat([columns.num, torch.stack(list(computation.made.values()))]))

    def options(self) -> dict[str, Any]:
        """Formulas and places."""
        formulas = {name: formula.text for name, formula in self.formulas.items()}
        return {"formulas": formulas, "places": self.places, "codes": self.codes}

    def features(self) -> list[Feature]:
        """The formulas as they were typed."""
        return [Feature(name, formula.text, formula.columns) for name, formula in self.formulas.items()]
