from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from colonnade.config.signature import signature

if TYPE_CHECKING:
    from nowhere import Unknown


class Base:
    def __init__(self, *, rate: float = 0.1, size: int, other: Unknown | None = None, plain=3) -> None:
        pass


class Child(Base):
    pass


class Open:
    def __init__(self, first: int, *rest: int, **options: Any) -> None:
        pass


def test_arguments_of_a_class_and_of_the_one_it_inherits_from():
    for target in (Base, Child):
        found = signature(target)
        assert list(found.arguments) == ["rate", "size", "other", "plain"]
        assert not found.open
        assert found.arguments["rate"].annotation is float
        assert found.arguments["rate"].default == 0.1
        assert found.arguments["size"].required
        assert not found.arguments["rate"].required


def test_annotations_that_only_a_type_checker_can_read_accept_anything():
    assert signature(Base).arguments["other"].annotation is Any
    assert signature(Base).arguments["plain"].annotation is Any


def test_open_signatures():
    found = signature(Open)
    assert list(found.arguments) == ["first"]
    assert found.open


def test_functions():
    def make(n: int = 2) -> None:
        pass

    assert signature(make).arguments["n"].annotation is int
    assert signature(make).arguments["n"].default is not inspect.Parameter.empty
