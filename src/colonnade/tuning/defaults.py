"""Defaults: the value that a key has when no one sets it, from YAML or from a signature."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from colonnade.baselines.base import Baseline
from colonnade.config.by_target import settled
from colonnade.config.nodes import typed
from colonnade.config.targets import find
from colonnade.core.schema import TargetKind


def default_of(cfg: DictConfig, key: str) -> Any:
    """The value at a dotted key, as plain data: of the configuration, or else of the signature of the target above it.

    Args:
        cfg: a composed configuration.
        key: such as ``model.backbone.n_shared``, which no YAML file spells out.

    Raises:
        KeyError: neither has a value: the key does not exist, or must be given, or refers to what does not exist.
    """
    *parents, name = key.split(".")
    cfg = settled(cfg)
    node: Any = cfg
    try:
        for parent in parents:
            node = node[parent]
        if name in node:
            value = node[name]
            if value is None:
                return _by_target(cfg, node, name)
            return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    except (OmegaConfBaseException, TypeError, KeyError) as error:
        raise KeyError(key) from error
    argument = typed(node).get(name) if isinstance(node, DictConfig) else None
    if argument is None or argument.required or OmegaConf.is_missing(node, name):
        raise KeyError(key)
    if argument.default is None:
        return _by_target(cfg, node, name)
    return list(argument.default) if isinstance(argument.default, tuple) else argument.default


def _by_target(cfg: DictConfig, node: Any, name: str) -> Any:
    """What None stands for in a baseline, by the kind of the target; None where the task is found later."""
    if not isinstance(node, DictConfig) or "_target_" not in node or "_target_" not in cfg.get("task", {}):
        return None
    found = find(str(node["_target_"]))
    if not (isinstance(found, type) and issubclass(found, Baseline)):
        return None
    real = find(str(cfg.task["_target_"])).target_kind is TargetKind.REAL  # type: ignore[attr-defined]
    return (found.for_numbers if real else found.for_classes).get(name)
