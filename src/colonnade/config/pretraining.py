"""Pretraining: whether a configuration learns without targets, and what then makes no sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from colonnade.config.targets import find
from colonnade.core.errors import ColonnadeError, Faults

# What follows a prediction, of which a pre-training makes none.
ENDS = ("cv", "calibration", "uncertainty", "export", "explain")


def pretrains(cfg: DictConfig | Mapping[str, Any]) -> bool:
    """Whether ``task:`` is one without targets."""
    task = _class_of(cfg.get("task"))
    if task is None:
        return False
    from colonnade.tasks.base import Task

    return issubclass(task, Task) and task.self_supervised


def faults_of_pretraining(tree: Mapping[str, Any], faults: Faults) -> None:
    """Refuse what does not go with a pre-training.

    Args:
        tree: plain data of a configuration whose task pre-trains.
        faults: where a fault is added for each.
    """
    from colonnade.data.dataset import TableDataset
    from colonnade.data.sequences.dataset import SequenceDataset
    from colonnade.nn.network import Network

    for key in ENDS:
        if tree.get(key):
            faults.add(
                f"{key}: a pre-training predicts no target; leave it to the run that begins from it (init_from=)"
            )
    if tree.get("init_from") is not None:
        faults.add("init_from: a pre-training begins anew; leave it out, or choose the task that is to be learned")
    data, model = _class_of(tree.get("data")), _class_of(tree.get("model"))
    if data is not None and (not issubclass(data, TableDataset) or issubclass(data, SequenceDataset)):
        faults.add("data: a pre-training takes tables; series are not pre-trained on yet")
    if model is not None and model is not Network:
        name = model.__name__
        faults.add(f"model: a pre-training takes networks of rows that do not see each other, not a {name}")


def _class_of(node: Any) -> type | None:
    """The class that a node names; None: there is none, which is told elsewhere."""
    if not isinstance(node, Mapping | DictConfig):
        return None
    try:
        found = find(str(node.get("_target_")))
    except ColonnadeError:
        return None
    return found if isinstance(found, type) else None
