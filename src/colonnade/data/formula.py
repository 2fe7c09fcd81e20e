"""Formula: an expression over columns as a person types it, read by a small grammar of our own.

Python's parser reads it, but nothing of Python is run: every node of the tree is on a list, or the formula is refused.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from colonnade.core.errors import closest

LONGEST, DEEPEST = 500, 40
"""Characters of a formula, and how deep it may be nested."""

NUMBERS = {
    **dict.fromkeys(("abs", "sign", "sqrt", "exp", "log", "log1p", "sin", "cos", "floor", "ceil"), 1),
    **dict.fromkeys(("min", "max"), 2),
    "where": 3,
}
"""Functions of numbers, and how many they take."""
TIMES = ("year", "month", "day", "weekday", "dayofyear", "hour", "minute")
"""Functions of a datetime column."""
MISSING = "missing"
"""The function of a column of any kind that is 1 where it has no value."""
FUNCTIONS = (*NUMBERS, *TIMES, MISSING)

OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)

# A text in quotes, or the name of a column in backticks.
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`([^`]*)`")
_STAND_IN = "column__"


@dataclass(frozen=True)
class Formula:
    """A formula that was read.

    Args:
        text: as typed.
        tree: of nodes that are all on the list.
        columns: names that it mentions, in their order.
    """

    text: str
    tree: ast.expr
    columns: tuple[str, ...]


def parse(text: str) -> Formula:
    """Read a formula.

    ``+ - * / **`` and comparisons of numbers, ``and``, ``or``, ``not``, the functions of :data:`FUNCTIONS`; the
    difference of two datetimes; a category compared with a level, ``colour == 'red'``. A name that is no identifier
    stands in backticks.

    >>> parse("(`total rooms` - bedrooms) / max(households, 1)").columns
    ('total rooms', 'bedrooms', 'households')

    Raises:
        ValueError: naming everything in it that is not understood, a line each.
    """
    if len(text) > LONGEST:
        raise ValueError(f"a formula has at most {LONGEST} characters, '{text[:40]}...' has {len(text)}")
    names: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        names.append(match[1])
        return f"{_STAND_IN}{len(names) - 1}"

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(_QUOTED.sub(replaced, text).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        what = error.msg if isinstance(error, SyntaxError) else "it is nested too deeply"
        raise ValueError(
            f"'{text}' is no formula: {what}; a name that holds blanks or signs goes in backticks"
        ) from None
    faults = list(dict.fromkeys(_faults(tree, names, 0)))
    columns = tuple(dict.fromkeys(_columns(tree)))
    if not faults and not columns:
        faults = ["it names no column"]
    if faults:
        raise ValueError("\n".join(f"'{text}': {fault}" for fault in faults))
    return Formula(text, tree, columns)


def is_text(node: ast.AST) -> bool:
    """Whether a node is a text in quotes."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _faults(node: ast.AST, names: list[str], depth: int) -> Iterator[str]:
    """What is not on the list, in words; names in backticks are put back on the way."""
    if depth > DEEPEST:
        yield f"it is nested deeper than {DEEPEST}"
        return
    children: list[ast.expr] = []
    match node:
        case ast.Name():
            if node.id.startswith(_STAND_IN):
                node.id = names[int(node.id.removeprefix(_STAND_IN))]
        case ast.Constant(value=value):
            yield from _constant(value)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, OPERATORS):
            children = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            children = [operand]
        case ast.BoolOp(values=values):
            children = values
        case ast.Compare(left=left, ops=[op], comparators=[right]) if isinstance(op, COMPARISONS):
            level = isinstance(left, ast.Name) and isinstance(op, (ast.Eq, ast.NotEq)) and is_text(right)
            children = [left] if level else [left, right]
        case ast.Compare(ops=[_, _, *_]):
            yield "a chain of comparisons is written with 'and': 0 < a and a < 1"
        case ast.Call(func=ast.Name(id=name), args=args):
            yield from _call(node, name)
            children = args
        case ast.Attribute() | ast.Subscript():
            written = ast.unparse(node)[:40]
            yield f"'{written}' is not understood: a name that holds blanks or signs goes in backticks, `{written}`"
        case _:
            yield f"'{ast.unparse(node)[:40]}' is not understood: see 'Expressions' in docs/features.md"
    for child in children:
        yield from _faults(child, names, depth + 1)


def _constant(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield f"the text '{value}' stands alone: a category is compared, as in colour == 'red'"
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        yield f"{value!r} is no number"
    elif not -1e300 < value < 1e300:
        yield "a number is too large"


def _call(node: ast.Call, name: str) -> Iterator[str]:
    if name not in FUNCTIONS:
        yield f"there is no function '{name}'{closest(name, FUNCTIONS)}"
        return
    wanted = NUMBERS.get(name, 1)
    if node.keywords or len(node.args) != wanted or any(isinstance(arg, ast.Starred) for arg in node.args):
        yield f"{name} takes {wanted} argument{'s' if wanted > 1 else ''}"
    elif name not in NUMBERS and not isinstance(node.args[0], ast.Name):
        yield f"{name} takes the name of a column"


def _columns(node: ast.AST) -> Iterator[str]:
    """Names of columns, not of functions, from left to right."""
    if isinstance(node, ast.Name):
        yield node.id
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.Call) and child is node.func):
            yield from _columns(child)
