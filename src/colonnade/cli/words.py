"""Words: the ``key=value`` arguments of the verbs that compose no configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from colonnade.core.errors import ConfigError, Faults, closest

HELP = ("-h", "--help")


def parse(
    verb: str, words: Sequence[str], required: Mapping[str, str], optional: Mapping[str, str]
) -> dict[str, str] | None:
    """Read the words of a verb.

    Args:
        verb: its name.
        words: what was typed behind it.
        required, optional: the keys it takes, each with what it means.

    Returns:
        Key to value; None when ``--help`` was asked for.

    Raises:
        ConfigError: with every word that is no ``key=value``, is unknown or given twice, and every required one that
            is absent.
    """
    if any(word in HELP for word in words):
        return None
    known, faults, given = {**required, **optional}, Faults(), {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            faults.add(f"'{word}': expected key=value{'' if key in known else closest(key, known)}")
        elif key not in known:
            faults.add(f"'{key}': there is no such key{closest(key, known)}")
        elif key in given:
            faults.add(f"'{key}': given twice")
        else:
            given[key] = value
    for key, meaning in required.items():
        if key not in given and not any(word.startswith(f"{key}=") for word in words):
            faults.add(f"{key}=... is required: {meaning}")
    faults.raise_if_any(ConfigError, f"colonnade {verb}")
    return given


def usage(verb: str, purpose: str, required: Mapping[str, str], optional: Mapping[str, str]) -> str:
    """Help of a verb."""
    asked = " ".join([*(f"{key}=..." for key in required), *(f"[{key}=...]" for key in optional)])
    meanings = {**required, **optional}
    width = max(12, max(map(len, meanings)) + 2)
    lines = "\n".join(f"  {key:<{width}}{meaning}" for key, meaning in meanings.items())
    return f"colonnade {verb} {asked}\n\n{purpose}\n\n{lines}\n"


def show_messages() -> None:
    """Messages of the library as plain lines on standard error, as ``train`` shows them."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
