"""Annotations: whether a value from YAML fits what a signature asks for."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union

from colonnade.core.errors import closest

# A value that is known only later, such as a reference to what a data set decides.
UNKNOWN = object()

WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null", Path: "a path"}


def mismatch(value: Any, annotation: Any) -> str | None:
    """What was expected, when ``value`` does not fit ``annotation``; None when it fits.

    Numbers are checked strictly, since YAML turns ``no`` into false and a quoted ``"1e-3"`` into text. A whole
    number is taken where a float is asked for, not the reverse.

    >>> mismatch("abc", float)
    "a number, got text 'abc'"
    >>> mismatch(3, float | None) is None
    True
    """
    expected = _expected(value, annotation)
    return None if expected is None else f"{expected}, got {_describe(value)}{_hint(value, annotation)}"


def _expected(value: Any, annotation: Any) -> str | None:
    """The phrase for ``annotation`` when ``value`` does not fit it."""
    if value is UNKNOWN or annotation is Any or isinstance(annotation, (typing.TypeVar, str)):
        return None
    if isinstance(value, Mapping) and "_target_" in value:
        return WORDS.get(annotation)
    origin, arms = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        phrases = [_expected(value, arm) for arm in arms]
        return None if None in phrases else " or ".join(dict.fromkeys(p for p in phrases if p))
    if origin is typing.Annotated:
        return _expected(value, arms[0])
    if origin is Literal:
        fits = any(value == arm and type(value) is type(arm) for arm in arms)
        return None if fits else "one of " + ", ".join(str(arm) for arm in arms)
    if origin is not None and inspect.isclass(origin):
        return _container(value, origin, arms)
    return _plain(value, annotation)


def _plain(value: Any, annotation: Any) -> str | None:
    """The same for an annotation without arguments."""
    if annotation is None:
        annotation = type(None)
    if not inspect.isclass(annotation):
        return None
    if issubclass(annotation, Enum):
        names = [str(member.value) for member in annotation]
        return None if str(value) in names else "one of " + ", ".join(names)
    if annotation is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif annotation is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif issubclass(annotation, Path):
        fits = isinstance(value, str)
    elif annotation in (list, tuple, set, frozenset) or annotation in (dict,):
        return _container(value, annotation, ())
    else:
        fits = isinstance(value, annotation)
    return None if fits else WORDS.get(annotation, f"a {annotation.__name__} (a node with _target_)")


def _container(value: Any, origin: type, arms: tuple[Any, ...]) -> str | None:
    """The same for lists, mappings and generic classes."""
    if origin is type or issubclass(origin, Callable):  # type: ignore[arg-type]
        return f"a {origin.__name__} (a node with _target_)" if isinstance(value, (int, float, str)) else None
    if issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            return "a mapping"
        return _first(value.values(), arms[1:2], "a mapping to")
    if issubclass(origin, Iterable):
        if not isinstance(value, (list, tuple)):
            return "a list"
        if issubclass(origin, tuple) and len(arms) > 1 and arms[-1] is not Ellipsis:
            if len(value) != len(arms):
                return f"a list of {len(arms)}"
            phrases = [_expected(v, arm) for v, arm in zip(value, arms, strict=True)]
            return next((f"a list with {p}" for p in phrases if p), None)
        return _first(value, arms[:1], "a list of")
    return None


def _first(values: Iterable[Any], arms: tuple[Any, ...], phrase: str) -> str | None:
    """The phrase of the first element that does not fit."""
    found = (_expected(value, arm) for value in values for arm in arms)
    return next((f"{phrase} {text}" for text in found if text), None)


def _describe(value: Any) -> str:
    """A value as a person would name it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"text '{value}'"
    if isinstance(value, Mapping) and "_target_" in value:
        return f"the node {value['_target_']}"
    text = str(value)
    return text if len(text) <= 80 else f"{text[:76]} ..."


def _hint(value: Any, annotation: Any) -> str:
    """How a frequent slip is mended."""
    kinds = set(typing.get_args(annotation)) or {annotation}
    if isinstance(value, str):
        if typing.get_origin(annotation) is Literal:
            return closest(value, typing.get_args(annotation)) if len(kinds) > 12 else _near(value, kinds)
        if kinds & {int, float} and _is_number(value):
            return f"; write {value} without quotes"
    if isinstance(value, bool) and str in kinds:
        return "; YAML reads yes, no, on and off as true and false: put the text in quotes"
    if isinstance(value, float) and int in kinds and value.is_integer():
        return f"; write {int(value)}"
    if str in kinds and not kinds & {int, float}:
        numbers = [v for v in (value if isinstance(value, list) else [value]) if type(v) in (int, float)]
        return f"; a number that is meant as text is typed with both quotes: \"'{numbers[0]}'\"" if numbers else ""
    return ""


def _near(value: str, known: Iterable[Any]) -> str:
    """The nearest choice, without repeating the whole list."""
    text = closest(value, known)
    return text if "did you mean" in text else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
