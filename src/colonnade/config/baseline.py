"""Baseline: whether a configuration fits a model at once, and what of a trainer then makes no sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from colonnade.config.targets import find
from colonnade.core.errors import ColonnadeError, Faults

# What the trainer's settings must be where there is nothing to distribute.
ALONE = {"devices": (1, "1", [0], "0,", [1]), "num_nodes": (1,), "strategy": ("auto",)}


def fits_at_once(cfg: DictConfig | Mapping[str, Any]) -> bool:
    """Whether ``module:`` is that of a baseline."""
    node = cfg.get("module")
    if not isinstance(node, Mapping | DictConfig):
        return False
    try:
        found = find(str(node.get("_target_")))
    except ColonnadeError:
        return False
    from colonnade.baselines.module import BaselineModule

    return isinstance(found, type) and issubclass(found, BaselineModule)


def faults_of_trainer(trainer: Mapping[str, Any], faults: Faults) -> None:
    """Refuse settings that ask for several processes.

    Args:
        trainer: plain data of the node.
        faults: where a fault is added for each.
    """
    for key, allowed in ALONE.items():
        value = trainer.get(key, allowed[0])
        if value not in allowed:
            faults.add(
                f"trainer.{key}={value}: a baseline is fitted by one process; use trainer=auto, and threads= for more "
                "of its cores"
            )
