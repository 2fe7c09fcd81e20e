"""Defaults: the value that a key has when no one sets it, from YAML or from a signature."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from colonnade.config.nodes import typed


def default_of(cfg: DictConfig, key: str) -> Any:
    """The value at a dotted key, as plain data: of the configuration, or else of the signature of the target above it.

    Args:
        cfg: a composed configuration.
        key: such as ``model.backbone.n_shared``, which no YAML file spells out.

    Raises:
        KeyError: neither has a value: the key does not exist, or must be given, or refers to what does not exist.
    """
    *parents, name = key.split(".")
    node: Any = cfg
    try:
        for parent in parents:
            node = node[parent]
        if name in node:
            value = node[name]
            return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    except (OmegaConfBaseException, TypeError, KeyError) as error:
        raise KeyError(key) from error
    argument = typed(node).get(name) if isinstance(node, DictConfig) else None
    if argument is None or argument.required or OmegaConf.is_missing(node, name):
        raise KeyError(key)
    return list(argument.default) if isinstance(argument.default, tuple) else argument.default
