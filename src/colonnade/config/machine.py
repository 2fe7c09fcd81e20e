"""Machine: what a configuration asks of the machine that it is trained on, as far as any machine can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colonnade.core.errors import Faults, closest

# Names of the plain precision of `trainer:`.
FLOAT32 = ("32-true", "32", 32)


def faults_of_machine(tree: Mapping[str, Any], faults: Faults) -> None:
    """Processes on a cluster, and what compiles.

    Args:
        tree: plain data of a configuration.
        faults: where a fault is added for each.
    """
    trainer, module = (node if isinstance(node, Mapping) else {} for node in (tree.get("trainer"), tree.get("module")))
    if tree.get("cluster") is not None:
        _devices(trainer.get("devices", 1), faults)
    _backend(module.get("compile"), trainer.get("precision", FLOAT32[0]), faults)


def _devices(devices: Any, faults: Faults) -> None:
    """On a cluster they are not this machine's to count."""
    if not str(devices).isdecimal() or int(devices) < 1:
        faults.add(f"trainer.devices={devices}: with cluster= it is the number of processes, 1 at least")


def _backend(name: Any, precision: Any, faults: Faults) -> None:
    """A backend of ``torch.compile``, which is looked up only when a network first runs."""
    if name == "auto" and precision not in FLOAT32:
        faults.add(f"module.compile=auto chooses the precision too: not trainer.precision={precision}")
    if not isinstance(name, str) or name == "auto":
        return
    from torch._dynamo import list_backends

    # Those for debugging are taken too, and not proposed.
    if name not in list_backends(exclude_tags=()):
        faults.add(f"module.compile: there is no backend '{name}'{closest(name, list_backends())}")
