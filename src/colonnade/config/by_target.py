"""ByTarget: what a model's file says for targets of classes, and for targets that are numbers."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from colonnade.config.copied import copied
from colonnade.config.targets import find
from colonnade.core.errors import ColonnadeError

BY_TARGET = "by_target"


def settled(cfg: DictConfig) -> DictConfig:
    """The configuration with nulls replaced by what ``by_target`` says for the kind of target of its task.

    ::

        by_target:
          classes: {optim: {lr: 0.04}}
          numbers: {optim: {lr: 0.2}}
        optim:
          lr: null

    A key that is not null, or not there, is left alone: what a person types wins.

    Args:
        cfg: a composed configuration, which stays as it is; nothing is done while its task is ``auto`` or unknown.
    """
    if BY_TARGET not in cfg or "_target_" not in (cfg.get("task") or {}):
        return cfg
    try:
        task = find(str(cfg.task._target_))
    except ColonnadeError:
        # The check of the configuration tells.
        return cfg
    from colonnade.core.schema import TargetKind
    from colonnade.tasks.base import Task

    if not (isinstance(task, type) and issubclass(task, Task)):
        return cfg
    kind = "numbers" if task.target_kind is TargetKind.REAL else "classes"
    cfg = copied(cfg)
    with open_dict(cfg):
        columns = cfg.pop(BY_TARGET) or {}
        _fill(cfg, OmegaConf.to_container(columns.get(kind) or OmegaConf.create()))
    return cfg


def _fill(node: Any, values: Any) -> None:
    """Replace the nulls of a node."""
    for key, value in values.items():
        if key not in node:
            continue
        if isinstance(value, dict):
            if node[key] is not None:
                _fill(node[key], value)
        elif node[key] is None:
            node[key] = value
