"""Build: from a node of a configuration to a live object. The only caller of Hydra's ``instantiate``."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from colonnade.config.targets import find
from colonnade.core.errors import ColonnadeError, ConfigError

# What a node says to Hydra, of those that have no others in them.
POSITIONAL = "_args_"
OF_HYDRA = ("_target_", "_partial_", "_convert_", "_recursive_")


def build(node: DictConfig | Mapping[str, Any], **late: Any) -> Any:
    """Build the object that ``_target_`` names, its nested nodes first; they receive plain lists and dicts.

    Args:
        node: a mapping with ``_target_`` and arguments. A nested node with ``_partial_: true`` is handed over
            unfinished, for its owner to complete.
        late: arguments known only now, such as ``spec``; they are handed over as they are and win over the node's.

    Raises:
        ConfigError: a target is not on the list, a constructor refuses its arguments, or a package that it needs is not
            installed; the YAML key is named.
    """
    key = node._get_full_key(None) if isinstance(node, DictConfig) else ""
    try:
        return construct(node, **late)
    except (ValueError, TypeError, ModuleNotFoundError) as error:
        raise ConfigError(f"{key or node['_target_']}: {error}") from error


def construct(node: DictConfig | Mapping[str, Any], **late: Any) -> Any:
    """Like :func:`build`, with the constructor's own errors."""
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    # Resolved first: what an interpolation gives may hold a target too.
    plain: Any = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else node
    guard(plain)
    for part in parts(plain):
        if isinstance(part, str) and "${" in part:
            raise ConfigError(f"'{part}' still holds an interpolation, which Hydra would resolve unguarded")
    named = list(targets(plain))
    if len(named) == 1 and POSITIONAL not in plain:
        # One call, which takes Hydra a hundred times as long.
        arguments = {key: value for key, value in plain.items() if key not in OF_HYDRA}
        return find(named[0])(**{**copy.deepcopy(arguments), **late})
    # Hydra 1.4 asks for a list too; by now every target is on ours.
    takes_list = "_execution_whitelist_" in inspect.signature(instantiate).parameters
    listed = {"_execution_whitelist_": sorted(set(named))} if takes_list else {}
    try:
        # Completed outside of Hydra, which would take a dataclass among the late arguments for a configuration.
        return instantiate({**plain, "_partial_": True, "_convert_": "all"}, **listed)(**late)
    except InstantiationException as error:
        if isinstance(error.__cause__, (ColonnadeError, ValueError, TypeError)):
            raise error.__cause__ from None
        raise


def targets(node: Any) -> Iterator[str]:
    """The targets of a plain node, at any depth."""
    return (str(part["_target_"]) for part in parts(node) if isinstance(part, Mapping) and "_target_" in part)


def guard(node: Any) -> None:
    """Refuse a plain node with a target, at any depth, that a configuration may not name.

    Raises:
        ConfigError: see :func:`colonnade.config.targets.find`.
    """
    for target in targets(node):
        find(target)


def parts(node: Any) -> Iterator[Any]:
    """A plain node and all that is in it.

    >>> list(parts({"a": [1, "b"]}))
    [{'a': [1, 'b']}, [1, 'b'], 1, 'b']
    """
    yield node
    if isinstance(node, Mapping):
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for value in node:
            yield from parts(value)
