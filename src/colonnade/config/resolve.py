"""Resolve: a configuration as plain data, its interpolations replaced by what they refer to.

OmegaConf parses each ``${a.b}`` by a grammar, half a millisecond a time, and copies every node where one value is to be
another: together a tenth of what a short training took. Here what refers to a key by its whole name is looked up;
whatever else an interpolation may be is left to OmegaConf.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from colonnade.config.copied import copied

# A key by its whole name; not one of an outer node (``${.a}``), of a list, or a resolver.
REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}")
# What depends on no other key, if nothing is nested in it.
ALONE = re.compile(r"\$\{oc\.(?:create|decode|env):")
# A mapping or list written as text, with nothing nested in it: what a word of the command line cannot say otherwise.
WRITTEN = re.compile(r'\$\{oc\.create:"[^$]*"\}')
# What looks like an interpolation and is text: behind an odd number of backslashes.
ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\\$\{")
_ABSENT = object()


class _OthersDecide(Exception):
    """A text may depend on a value that is replaced."""


def resolved(node: DictConfig, **instead: Any) -> Any:
    """What ``OmegaConf.to_container(node, resolve=True)`` gives.

    Args:
        node: a configuration or a node of one, which stays as it is.
        instead: values of keys at the top of the configuration, in the place of those that stand there.

    Raises:
        omegaconf.errors.OmegaConfBaseException: an interpolation leads nowhere.
    """
    root: Any = node._get_root()
    plain: Any = OmegaConf.to_container(node, resolve=False)
    if node is root:
        plain.update(instead)
    try:
        return _Look(root, instead).at(plain, node)
    except _OthersDecide:
        whole = copied(root)
        OmegaConf.set_struct(whole, False)
        whole.update(instead)
        key = node._get_full_key(None)
        return OmegaConf.to_container(OmegaConf.select(whole, key) if key else whole, resolve=True)


class _Look:
    """Looks references up.

    Args:
        root: the whole configuration.
        instead: see :func:`resolved`.
    """

    def __init__(self, root: Any, instead: Mapping[str, Any]) -> None:
        self.root = root
        self.instead = instead

    def at(self, plain: Any, node: Any) -> Any:
        """Plain data with its references replaced.

        Args:
            plain: of a container.
            node: which it is.
        """
        if isinstance(plain, dict):
            return {key: self._item(value, node, key) for key, value in plain.items()}
        return [self._item(value, node, i) for i, value in enumerate(plain)]

    def _item(self, plain: Any, parent: Any, key: Any) -> Any:
        if isinstance(plain, dict | list):
            return self.at(plain, parent._get_node(key))
        if not isinstance(plain, str) or "${" not in plain:
            return plain
        if "\\" not in plain and "${" not in REFERENCE.sub("", plain):
            found = {name: self._value(name) for name in REFERENCE.findall(plain)}
            if REFERENCE.fullmatch(plain):
                (value,) = found.values()
                if value is not _ABSENT:
                    return value
            elif not any(value is _ABSENT or isinstance(value, dict | list) for value in found.values()):
                return REFERENCE.sub(lambda match: str(found[match[1]]), plain)
        if WRITTEN.fullmatch(plain) or "${" not in ESCAPED.sub("", plain):
            return deepcopy(_by_itself(plain))
        if self.instead and not (ALONE.search(plain) and plain.count("${") == 1):
            raise _OthersDecide
        # Or tells what is wrong.
        value = parent[key]
        return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value

    def _value(self, key: str) -> Any:
        """What a key stands for."""
        first, _, rest = key.partition(".")
        if first in self.instead:
            return _ABSENT if rest else self.instead[first]
        value = OmegaConf.select(self.root, key, default=_ABSENT)
        return self.at(OmegaConf.to_container(value, resolve=False), value) if OmegaConf.is_config(value) else value


@lru_cache(maxsize=256)
def _by_itself(text: str) -> Any:
    """What a text stands for that refers to nothing; parsed once, and looked at many times in a run."""
    return OmegaConf.to_container(OmegaConf.create({"value": text}), resolve=True)["value"]  # type: ignore[call-overload, index]
