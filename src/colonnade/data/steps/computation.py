"""Computation: what a formula gives over the columns of rows, by torch."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from colonnade.data.columns import FIRST_LEVEL, MISSING, MISSING_TIME, Columns
from colonnade.data.formula import TIMES
from colonnade.data.steps.base import exact
from colonnade.data.steps.calendar import DAY, parts_of

NUMBER, FLAG, TRUTH, CATEGORY, TIME = "number", "flag", "truth", "category", "time"
"""Kinds of columns: a truth is a category of the levels false and true, and counts as 0 and 1."""


class Computation:
    """Computes formulas over the columns of rows.

    Args:
        columns: the rows.
        places: kind of each column, and its position in its block.
        codes: of each level that a category is compared with.
    """

    def __init__(
        self, columns: Columns, places: Mapping[str, tuple[str, int]], codes: Mapping[str, Mapping[str, int]]
    ) -> None:
        self.columns = columns
        self.places = places
        self.codes = codes
        self.made: dict[str, Tensor] = {}

    def add(self, name: str, tree: ast.expr) -> None:
        """Compute a new column, which later formulas may use; NaN where it has no value that is finite."""
        found = self.number(tree)
        self.made[name] = torch.where(found.abs() < torch.inf, found, torch.nan)

    def number(self, node: ast.AST) -> Tensor:
        """Value of a node, ``(N,)`` float64 or, of a number, ``()``."""
        match node:
            case ast.Constant(value=int() | float() as value):
                return exact(value)
            case ast.Name(id=name):
                return self._column(name)
            case ast.BinOp(left=ast.Name(id=a), op=ast.Sub(), right=ast.Name(id=b)) if self._is_time(a):
                (later, no_later), (earlier, no_earlier) = self._time(a), self._time(b)
                days = (later - earlier).to(torch.float64) / exact(DAY)
                return torch.where(no_later | no_earlier, torch.nan, days)
            case ast.BinOp(left=left, op=op, right=right):
                return _BINARY[type(op)](self.number(left), self.number(right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                x = self.number(operand)
                return _truth(x == 0, x)
            case ast.UnaryOp(op=op, operand=operand):
                return -self.number(operand) if isinstance(op, ast.USub) else self.number(operand)
            case ast.BoolOp(op=op, values=values):
                truths = [_truth(x != 0, x) for x in map(self.number, values)]
                for other in truths[1:]:
                    truths[0] = _minimum(truths[0], other) if isinstance(op, ast.And) else _maximum(truths[0], other)
                return truths[0]
            case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[ast.Constant(value=str() as level)]):
                code = self.columns.cat[self.places[name][1]]
                known = (code == self.codes[name][level]) if isinstance(op, ast.Eq) else code != self.codes[name][level]
                return torch.where(code == MISSING, torch.nan, known.to(torch.float64))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                x, y = self.number(left), self.number(right)
                return _truth(_COMPARE[type(op)](x, y), x, y)
            case ast.Call(func=ast.Name(id="missing"), args=[ast.Name(id=name)]):
                return self._absent(name).to(torch.float64)
            case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name)]) if function in TIMES:
                time, absent = self._time(name)
                return torch.where(absent, torch.nan, parts_of(time, [function])[function].to(torch.float64))
            case ast.Call(func=ast.Name(id=function), args=args):
                return _FUNCTIONS[function](*map(self.number, args))
        raise TypeError(f"{ast.dump(node)} is no part of a formula")

    def _is_time(self, name: str) -> bool:
        return name in self.places and self.places[name][0] == TIME

    def _column(self, name: str) -> Tensor:
        if name in self.made:
            return self.made[name]
        kind, i = self.places[name]
        if kind == NUMBER:
            return self.columns.num[i]
        if kind == FLAG:
            return self.columns.flag[i].to(torch.float64)
        code = self.columns.cat[i]
        return torch.where(code < FIRST_LEVEL, torch.nan, (code - FIRST_LEVEL).to(torch.float64))

    def _time(self, name: str) -> tuple[Tensor, Tensor]:
        """Microseconds, and where there is none; arithmetic on its stand-in would leave the range of int64."""
        time = self.columns.time[self.places[name][1]]
        return torch.where(time == MISSING_TIME, 0, time), time == MISSING_TIME

    def _absent(self, name: str) -> Tensor:
        kind, i = self.places.get(name, (NUMBER, 0))
        if kind == TIME:
            return self.columns.time[i] == MISSING_TIME
        if kind in (CATEGORY, TRUTH):
            return self.columns.cat[i] == MISSING
        return self._column(name).isnan()


def _truth(found: Tensor, *values: Tensor) -> Tensor:
    """A truth as 0 and 1, missing where a value is."""
    result = found.to(torch.float64)
    for value in values:
        result = torch.where(value.isnan(), torch.nan, result)
    return result


def _where(valid: Tensor, x: Tensor, stand_in: float, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function where it has a value, elsewhere missing."""
    return torch.where(valid, function(torch.where(valid, x, exact(stand_in))), torch.nan)


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(b == 0, torch.nan, a / torch.where(b == 0, exact(1.0), b))


def _power(a: Tensor, b: Tensor) -> Tensor:
    return torch.where((a == 0) & (b < 0), torch.nan, torch.pow(a, b))


# Exporters differ on NaN in the largest and least of two.
def _maximum(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a.isnan() | (a > b), a, b)


def _minimum(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a.isnan() | (a < b), a, b)


def _choose(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(condition.isnan(), torch.nan, torch.where(condition != 0, a, b))


_BINARY: dict[type[ast.operator], Callable[[Tensor, Tensor], Tensor]] = {
    ast.Add: torch.add,
    ast.Sub: torch.sub,
    ast.Mult: torch.mul,
    ast.Div: _divide,
    ast.Pow: _power,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Tensor, Tensor], Tensor]] = {
    ast.Lt: torch.lt,
    ast.LtE: torch.le,
    ast.Gt: torch.gt,
    ast.GtE: torch.ge,
    ast.Eq: torch.eq,
    ast.NotEq: torch.ne,
}
_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "abs": torch.abs,
    "sign": lambda x: torch.where(x.isnan(), x, torch.sign(x)),
    "sqrt": lambda x: _where(x >= 0, x, 0.0, torch.sqrt),
    "exp": torch.exp,
    "log": lambda x: _where(x > 0, x, 1.0, torch.log),
    "log1p": lambda x: _where(x > -1, x, 0.0, torch.log1p),
    "sin": torch.sin,
    "cos": torch.cos,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "min": _minimum,
    "max": _maximum,
    "where": _choose,
}
