"""Range checks of constructor arguments: the text names the argument, its value and the range."""

from __future__ import annotations

from collections.abc import Collection


def positive(**values: int | float) -> None:
    """Every value must be above zero.

    Raises:
        ValueError: naming the first argument that is not.
    """
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name}={value} is out of range: expected {name} > 0")


def fraction(**values: int | float) -> None:
    """Every value must lie in ``[0, 1)``, as a dropout rate does.

    Raises:
        ValueError: naming the first argument that does not.
    """
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}={value} is out of range: expected 0 <= {name} < 1")


def one_of(known: Collection[str], **values: str) -> None:
    """Every value must be one of the known words.

    Raises:
        ValueError: naming the first argument that is not, and the words.
    """
    for name, value in values.items():
        if value not in known:
            raise ValueError(f"{name}={value!r} is unknown: expected one of {', '.join(sorted(known))}")
