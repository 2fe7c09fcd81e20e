"""Nodes: every ``_target_`` of a configuration against the signature it will be called with, without calling it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from colonnade.config.annotations import UNKNOWN, mismatch
from colonnade.config.build import CONTROL
from colonnade.config.signature import Argument, signature
from colonnade.config.targets import find
from colonnade.core.errors import ColonnadeError, Faults, closest

# Arguments that runs add when it builds a node: not missing, and not to be typed.
LATE = {
    "model": frozenset({"spec"}),
    "module": frozenset({"network", "task", "optim", "spec", "seed"}),
    "trainer": frozenset({"callbacks", "logger", "plugins", "default_root_dir"}),
}
# Lightning's own class checks these late or not at all: the least value of each.
LEAST = {
    "lightning.pytorch.Trainer": {
        "max_epochs": -1,
        "min_epochs": 0,
        "max_steps": -1,
        "min_steps": 0,
        "num_nodes": 1,
        "log_every_n_steps": 0,
        "check_val_every_n_epoch": 1,
        "num_sanity_val_steps": -1,
        "limit_train_batches": 0,
        "limit_val_batches": 0,
        "limit_test_batches": 0,
        "accumulate_grad_batches": 1,
    }
}
# It refuses these to a module that takes its steps itself, once all data is read: the most of each, and what to use.
MOST = {
    "lightning.pytorch.Trainer": {
        "gradient_clip_val": (0, "optim.grad_clip"),
        "accumulate_grad_batches": (1, "a larger loader.batch_size, and module.micro_batch if memory is short"),
    }
}


def plain(node: Any, path: str, faults: Faults) -> Any:
    """A node as plain data, interpolations resolved.

    A mandatory value that was not given (``???``) and a reference that leads nowhere are faults; what refers to a
    value that is not given is :data:`~colonnade.config.annotations.UNKNOWN`.
    """
    if isinstance(node, DictConfig):
        return {key: _item(node, key, join(path, key), faults) for key in node}
    if isinstance(node, ListConfig):
        return [_item(node, i, f"{path}[{i}]", faults) for i in range(len(node))]
    return node


def _item(node: Any, key: Any, path: str, faults: Faults) -> Any:
    if OmegaConf.is_missing(node, key):
        if not OmegaConf.is_interpolation(node, key):
            faults.add(f"{path}: must be given, {path}=...")
        return UNKNOWN
    try:
        return plain(node[key], path, faults)
    except InterpolationToMissingValueError:
        return UNKNOWN
    except OmegaConfBaseException as error:
        faults.add(f"{path}: {str(error).splitlines()[0]}")
        return UNKNOWN


def join(path: str, key: object) -> str:
    """A dotted YAML key."""
    return f"{path}.{key}" if path else str(key)


def inspect_node(node: Any, path: str, faults: Faults) -> None:
    """Bind every target under ``node`` to its signature.

    Args:
        node: plain data, from :func:`plain`.
        path: its YAML key.
        faults: where every unknown, missing or mistyped argument is added.
    """
    if isinstance(node, list):
        for i, value in enumerate(node):
            inspect_node(value, f"{path}[{i}]", faults)
    elif isinstance(node, Mapping):
        if "_target_" in node:
            _bind(node, path, faults)
        for key, value in node.items():
            inspect_node(value, join(path, key), faults)


def _bind(node: Mapping[str, Any], path: str, faults: Faults) -> None:
    """Arguments of one target."""
    target = str(node["_target_"])
    try:
        found = find(target)
    except ColonnadeError as error:
        faults.add(f"{path}._target_: {error}")
        return
    name, taken = target.rpartition(".")[2], signature(found)
    given = {key: value for key, value in node.items() if key not in CONTROL}
    late = LATE.get(path, frozenset())
    for key, value in given.items():
        if key in late:
            faults.add(f"{join(path, key)}: is set by the run, leave it out")
            continue
        argument = taken.arguments.get(key)
        if argument is None:
            if not taken.open or key.startswith("_"):
                known = [k for k in typed(node) if k not in late]
                faults.add(f"{join(path, key)}: {name} takes no '{key}'{closest(key, known)}")
            continue
        wrong = None if value is None and argument.default is None else mismatch(value, argument.annotation)
        if wrong:
            faults.add(f"{join(path, key)}: expected {wrong}")
    if node.get("_partial_"):
        return
    for key, argument in taken.arguments.items():
        if argument.required and key not in given and key not in late:
            faults.add(f"{join(path, key)}: must be given, {name} requires it")
    _limits(given, target, path, faults)


def _limits(given: Mapping[str, Any], target: str, path: str, faults: Faults) -> None:
    """Values out of the range that a class of Lightning makes sense of here."""
    numbers = {key: value for key, value in given.items() if isinstance(value, (int, float))}
    for key, least in LEAST.get(target, {}).items():
        if key in numbers and numbers[key] < least:
            faults.add(f"{join(path, key)}: must be at least {least}, got {numbers[key]}")
    for key, (most, instead) in MOST.get(target, {}).items():
        if key in numbers and numbers[key] > most:
            faults.add(f"{join(path, key)}: the module takes its steps itself; use {instead}")


def typed(node: Mapping[Any, Any]) -> dict[str, Argument]:
    """The arguments of a node's target that a person may type; empty without a target that can be found.

    What a ``_partial_`` node requires and does not hold is handed over by its owner.
    """
    try:
        arguments = signature(find(str(node.get("_target_")))).arguments
    except ColonnadeError:
        return {}
    return {k: a for k, a in arguments.items() if not (a.required and node.get("_partial_") and k not in node)}
