"""Job: a configuration on its way to the processes that train it together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from colonnade.config.build import parts
from colonnade.config.check import AUTO
from colonnade.config.record import ENVIRONMENT, INTERPOLATION, escaped
from colonnade.config.targets import find

UNESCAPED = re.compile(rf"(?<!\\){INTERPOLATION.pattern}")
# A call of a resolver that does not come with OmegaConf.
FOREIGN = re.compile(r"\$\{\s*(?!oc\.)[\w.]+\s*:")
RELATIVE = re.compile(r"\$\{\s*\.")
# A top-level key that nobody else has.
PROBE = "\ue000"


def portable(cfg: DictConfig) -> DictConfig:
    """A configuration that says in another process what it says in this one.

    Calls of resolvers that another process may not have, such as ``${now:...}``, ``${hydra:...}`` and the user's own,
    are replaced by what they give. The rest stays as it is: ``run_dir``, and the task under ``task=auto``, are filled
    in later, and what comes from the environment is not to be written down.
    """
    raw = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(raw, dict)
    late = ("run_dir", "task") if OmegaConf.select(cfg, "task.name") == AUTO else ("run_dir",)
    known = OmegaConf.create({key: _known(value, late=key in late) for key, value in raw.items()})
    settled: DictConfig = OmegaConf.create(_settled(raw, known))
    return settled


def load_job(path: Path) -> DictConfig:
    """Read what :func:`portable` gave.

    For a file of our own, written a moment ago from a configuration that was checked: unlike
    :func:`colonnade.config.record.load_config` it takes every interpolation.
    """
    cfg = OmegaConf.load(path)
    assert isinstance(cfg, DictConfig)
    for part in parts(OmegaConf.to_container(cfg, resolve=False)):
        if isinstance(part, Mapping) and "_target_" in part and "${" not in str(part["_target_"]):
            # Its module may bring resolvers.
            find(str(part["_target_"]))
    return cfg


def _known(node: Any, *, late: bool) -> Any:
    """A plain node of which all is missing that must not be looked at yet."""
    if isinstance(node, dict):
        return {key: _known(value, late=late) for key, value in node.items()}
    if isinstance(node, list):
        return [_known(value, late=late) for value in node]
    return MISSING if late or (isinstance(node, str) and ENVIRONMENT.search(node)) else node


def _settled(node: Any, known: DictConfig) -> Any:
    """A plain node with foreign calls replaced by what they give."""
    if isinstance(node, dict):
        return {key: _settled(value, known) for key, value in node.items()}
    if isinstance(node, list):
        return [_settled(value, known) for value in node]
    if not isinstance(node, str) or not FOREIGN.search(node):
        return node
    if UNESCAPED.fullmatch(node):
        return _given(node, known)
    return UNESCAPED.sub(lambda match: str(_given(match[0], known)), node)


def _given(text: str, known: DictConfig) -> Any:
    """What an interpolation gives, or itself where that is not known here and now."""
    if not FOREIGN.search(text) or RELATIVE.search(text) or ENVIRONMENT.search(text):
        return text
    known[PROBE] = text
    try:
        value = known[PROBE]
        if OmegaConf.is_config(value):
            value = OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
        OmegaConf.create([value])
    except OmegaConfBaseException:
        return text
    return escaped(value) if isinstance(value, str) else value
