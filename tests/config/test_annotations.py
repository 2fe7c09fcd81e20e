from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from colonnade.config.annotations import UNKNOWN, mismatch


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part:
    pass


BOTH = "a number that is meant as text is typed with both quotes"
NODE = {"_target_": "colonnade.nn.network.Network"}


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (3, int),
        (3, float),
        (3.5, float | None),
        (None, float | None),
        ("a", str),
        ("a/b", Path),
        (True, bool),
        ("red", Colour),
        ("min", Literal["min", "max"]),
        ([1, 2], Sequence[int]),
        ([0.9, 0.999], tuple[float, float]),
        ([1, 2, 3], tuple[int, ...]),
        ({"a": 1}, Mapping[str, int]),
        (NODE, Part),
        (NODE, Callable[..., Part]),
        ({"a": NODE}, dict[str, Part]),
        ("x", str | list[str]),
        (["x"], str | list[str]),
        (object(), Any),
        (UNKNOWN, int),
    ],
)
def test_what_fits(value, annotation):
    assert mismatch(value, annotation) is None


@pytest.mark.parametrize(
    ("value", "annotation", "text"),
    [
        ("abc", float, "a number, got text 'abc'"),
        ("1e-3", float, "a number, got text '1e-3'; write 1e-3 without quotes"),
        (0.001, int, "an integer, got 0.001"),
        (256.0, int, "an integer, got 256.0; write 256"),
        (True, int, "an integer, got true"),
        (True, float, "a number, got true"),
        (False, str, "text, got false; YAML reads yes, no, on and off as true and false: put the text in quotes"),
        (16, str | None, f"text or null, got 16; {BOTH}: \"'16'\""),
        ([16], Sequence[str], f"a list of text, got [16]; {BOTH}: \"'16'\""),
        (1, bool, "true or false, got 1"),
        (None, int, "an integer, got null"),
        ("abc", int | None, "an integer or null, got text 'abc'"),
        ("mni", Literal["min", "max"], "one of min, max, got text 'mni'; did you mean 'min'?"),
        ("green", Colour, "one of red, blue, got text 'green'"),
        ("ab", Sequence[str], "a list, got text 'ab'"),
        ([1, "b"], list[int], "a list of an integer, got [1, 'b']"),
        ([0.9], tuple[float, float], "a list of 2, got [0.9]"),
        ({"a": "b"}, Mapping[str, int], "a mapping to an integer, got {'a': 'b'}"),
        ("cosine", Part, "a Part (a node with _target_), got text 'cosine'"),
        ({"a": 1}, Part, "a Part (a node with _target_), got {'a': 1}"),
        (NODE, int, "an integer, got the node colonnade.nn.network.Network"),
    ],
)
def test_what_does_not(value, annotation, text):
    assert mismatch(value, annotation) == text
