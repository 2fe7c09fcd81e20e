"""Keys: whether a dotted key exists in a composed configuration, or in the signatures that it will be bound to."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from colonnade.config.locate import shipped
from colonnade.config.nodes import join, typed
from colonnade.config.signature import Argument
from colonnade.core.errors import Faults, closest

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


def resolve_key(word: str, override: Override, base: DictConfig, faults: Faults) -> str | None:
    """The word that sets a key, mended if need be.

    Args:
        word: as typed.
        override: the word, taken apart.
        base: a configuration composed without it.
        faults: where a key is added that exists nowhere, with the nearest one.

    Returns:
        The word, with ``++`` when YAML does not spell the key out but a signature has it; None when it exists nowhere.
    """
    if override.is_add() or override.is_force_add():
        return word
    path = override.key_or_group.split(".")
    node: Any = base
    annotation: Any = None
    for depth, part in enumerate(path):
        if isinstance(node, ListConfig) or not isinstance(node, DictConfig):
            kind = "a list" if isinstance(node, ListConfig) else f"the value {node}"
            faults.add(f"{override.key_or_group}: '{'.'.join(path[:depth])}' holds {kind}, set it as a whole")
            return None
        arguments = typed(node)
        if part not in node:
            if not override.is_delete() and (part in arguments or _is_open(annotation)):
                return f"++{word}"
            faults.add(_unknown(path[:depth], part, override.key_or_group, node, arguments, base))
            return None
        annotation = arguments[part].annotation if part in arguments else None
        node = None if OmegaConf.is_missing(node, part) else node[part]
        if node is None and depth < len(path) - 1:
            if part in base.get("choices", {}):
                faults.add(_not_chosen(override.key_or_group, part, base.choices[part]))
                return None
            return f"++{word}"
    return word


def _not_chosen(key: str, group: str, choice: str) -> str:
    """The text for a key of a group of which nothing is chosen."""
    others = sorted(path.stem for path in (shipped() / group).glob("*.yaml") if path.stem != choice)
    return f"{key}: goes with {' or '.join(f'{group}={name}' for name in others)}, and {group}={choice}"


def _is_open(annotation: Any) -> bool:
    """Whether an argument is a mapping from names that are the user's, such as columns, to plain values."""
    arms = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        values = [value for arm in arms[1:] for value in (typing.get_args(arm) or (arm,))]
        return all(v is Any or not inspect.isclass(v) or v.__module__ == "builtins" for v in values)
    return any(_is_open(arm) for arm in arms)


def _unknown(
    parents: list[str], part: str, key: str, node: DictConfig, arguments: Mapping[str, Argument], base: DictConfig
) -> str:
    """The text for a key that does not exist."""
    known = dict.fromkeys([*(str(name) for name in node), *arguments])
    text = closest(part, [name for name in known if not name.startswith("_")])
    where = ".".join(parents)
    if not text or not parents:
        same = [path for path in _paths(base) if path.rpartition(".")[2] == part]
        text = f"; did you mean {' or '.join(same[:3])}?" if same else text
    return f"{key}: {f'{where} has no' if where else 'there is no key'} '{part}'{text}"


def _paths(node: DictConfig, parent: str = "") -> list[str]:
    """Dotted keys of a configuration, those of signatures included."""
    paths = []
    for key in node:
        name = str(key)
        path = join(parent, name)
        paths.append(path)
        if not OmegaConf.is_missing(node, name) and not OmegaConf.is_interpolation(node, name):
            value = node[name]
            paths += _paths(value, path) if isinstance(value, DictConfig) else []
    return [*paths, *(join(parent, key) for key in typed(node) if key not in node)]
