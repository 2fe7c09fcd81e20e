"""Signature: the arguments that a target takes, and what their annotations say."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)


@dataclass
class Argument:
    """One argument of a target.

    Args:
        annotation: what its annotation means; ``Any`` when there is none, or when it cannot be read at run time.
        default: its default; ``inspect.Parameter.empty`` when it is required.
    """

    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty


@dataclass
class Signature:
    """The arguments of a target by name.

    Args:
        arguments: those that can be given by keyword.
        open: whether any other keyword is taken too.
    """

    arguments: dict[str, Argument]
    open: bool


@cache
def signature(target: Callable[..., Any]) -> Signature:
    """Read the signature of a class or function."""
    function = inspect.unwrap(target.__init__ if inspect.isclass(target) else target)
    parameters = inspect.signature(target).parameters.values()
    scope = {**vars(sys.modules[target.__module__]), **getattr(function, "__globals__", {})}
    arguments = {
        p.name: Argument(_meaning(p.annotation, scope), p.default)
        for p in parameters
        if p.kind not in (*POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    }
    return Signature(arguments, open=any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters))


def _meaning(annotation: Any, scope: dict[str, Any]) -> Any:
    """An annotation with its strings evaluated."""
    if annotation is inspect.Parameter.empty:
        return Any
    holder = types.SimpleNamespace(__annotations__={"x": annotation})
    try:
        return typing.get_type_hints(holder, globalns=scope)["x"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        # A name that is imported for type checkers only.
        return Any
