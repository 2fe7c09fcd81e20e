"""Check: every fault of a configuration, before any data is read, all at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from colonnade.config.annotations import mismatch
from colonnade.config.by_target import settled
from colonnade.config.copied import copied
from colonnade.config.locate import load_choice
from colonnade.config.nodes import inspect_node, plain
from colonnade.core.errors import ConfigError, Faults, closest

# Top-level nodes that become one object each, and those that hold several by name.
SINGLE = ("task", "split", "pipeline", "loader", "optim", "data", "model", "module", "trainer")
NAMED = ("callbacks", "logger", "export")
# Those that may be null, or be absent from what an earlier version stored.
OPTIONAL = ("cv", "cluster", "explain", "calibration", "uncertainty")
# Those of a search, which a training does without.
SEARCH = ("tune", "launcher")
# Top-level values: what they must be, and the least of them.
VALUES: dict[str, tuple[Any, int | None]] = {
    "seed": (int, 0),
    "overwrite": (bool, None),
    "threads": (int | None, 1),
    "debug": (bool, None),
    "init_from": (str | None, None),
    "run_dir": (str | None, None),
    "fresh": (bool, None),
    "search": (dict | None, None),
    "by_target": (dict | None, None),
    "choices": (dict, None),
    "overrides": (list, None),
}
AUTO = "auto"
# Nodes that may count in horizons, and how.
OF_STEPS = ("split", "cv")
HORIZON = "${data.horizon}"


def check(cfg: DictConfig) -> None:
    """Check a composed configuration: names, targets, arguments, types, ranges, and what does not go together.

    Constructors that need no data are called, those of networks on a made-up table of three columns.

    Raises:
        ConfigError: with every fault, a line each.
    """
    faults_of(cfg).raise_if_any(ConfigError, "configuration")


def faults_of(cfg: DictConfig) -> Faults:
    """The faults of a composed configuration."""
    faults = Faults()
    stand_in = concrete(cfg)
    tree = plain(settled(stand_in), "", faults)
    _top(tree, faults)
    for group in (*SINGLE, *OPTIONAL, *SEARCH, *NAMED):
        inspect_node(tree.get(group), group, faults)
    from colonnade.config.rehearse import rehearse

    rehearse(tree, faults, auto=stand_in.task != cfg.task)
    return faults


def concrete(cfg: DictConfig) -> DictConfig:
    """The configuration with a stand-in for what is filled in later: the task under ``task=auto``, the run folder; and
    for a horizon that folds and splits of steps refer to where none is, which is told once, and not of each key.
    """
    cfg = copied(cfg)
    OmegaConf.set_struct(cfg, False)
    if "task" in cfg and cfg.task is not None and cfg.task.get("name") == AUTO and "_target_" not in cfg.task:
        cfg.task = load_choice("task", "binary")
    if cfg.get("run_dir") is None:
        cfg.run_dir = "."
    if OmegaConf.select(cfg, "data.horizon") is None:
        for node in (cfg.get(key) for key in OF_STEPS):
            written = OmegaConf.to_container(node) if isinstance(node, DictConfig) else None
            for key, value in written.items() if isinstance(written, dict) else ():
                if value == HORIZON:
                    node[key] = 1
    return cfg


def _top(tree: Mapping[str, Any], faults: Faults) -> None:
    """Top-level keys: known, present, and of the right kind."""
    known = (*SINGLE, *OPTIONAL, *SEARCH, *NAMED, *VALUES)
    for key, value in tree.items():
        # Keys that begin with an underscore are the user's own, to be referred to.
        if key not in known and not key.startswith("_"):
            faults.add(f"{key}: there is no such key{closest(key, known)}")
        if key in VALUES:
            annotation, least = VALUES[key]
            wrong = mismatch(value, annotation)
            if wrong:
                faults.add(f"{key}: expected {wrong}")
            elif least is not None and value is not None and value < least:
                faults.add(f"{key}: must be at least {least}, got {value}")
    for key in (*SINGLE, *(key for key in SEARCH if key in tree), *(key for key in OPTIONAL if tree.get(key))):
        if not (isinstance(tree.get(key), Mapping) and "_target_" in tree[key]):
            faults.add(f"{key}: must be a node with _target_, got {_short(tree.get(key))}")
    for key in NAMED:
        _entries(key, tree.get(key), faults)


def _entries(key: str, node: Any, faults: Faults) -> None:
    """Each entry of ``callbacks:`` or ``logger:`` names its class; null switches one off."""
    if node is None:
        return
    if not isinstance(node, Mapping):
        faults.add(f"{key}: expected a mapping from names to nodes, got {_short(node)}")
        return
    for name, entry in node.items():
        if entry is not None and not (isinstance(entry, Mapping) and "_target_" in entry):
            faults.add(f"{key}.{name}: must be a node with _target_ or null, got {_short(entry)}")


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"keys {', '.join(map(str, value))}"
    return "nothing" if value is None else str(value)
