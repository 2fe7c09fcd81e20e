"""Targets: which classes a configuration may name in ``_target_``, and how they are found.

A configuration is code: whatever it names is called. So a target must begin with a listed prefix, and what is found
must be a class *defined* in a listed package, so that a path through some module's imports (``colonnade.x.os.system``)
leads nowhere.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable
from typing import Any

from colonnade.core.errors import ConfigError, MissingExtraError, closest

ALLOWED = (
    "colonnade.baselines.",
    "colonnade.data.",
    "colonnade.deploy.",
    "colonnade.evaluation.options.",
    "colonnade.explain.options.Explain",
    "colonnade.nn.",
    "colonnade.runs.ray_train.RayTrain",
    "colonnade.tasks.",
    "colonnade.training.",
    "colonnade.tuning.launchers.",
    "colonnade.tuning.settings.",
    "torch.nn.",
    "torch.optim.",
    "lightning.pytorch.Trainer",
    "lightning.pytorch.callbacks.",
    "lightning.pytorch.loggers.",
    "lightning.pytorch.plugins.",
    "lightning.pytorch.profilers.",
    "lightning.pytorch.strategies.",
)
# Where the classes that those names stand for may be defined.
HOMES = ("colonnade.", "torch.nn.", "torch.optim.", "lightning.pytorch.", "lightning.fabric.")
# The user's own packages, separated by commas. An environment variable, because no configuration file, least of all one
# that came with a model from elsewhere, may widen the list that guards it.
VARIABLE = "COLONNADE_TARGETS"


def own_packages() -> tuple[str, ...]:
    """Prefixes of the packages that the user allows through ``$COLONNADE_TARGETS``."""
    names = (name.strip().rstrip(".") for name in os.environ.get(VARIABLE, "").split(","))
    return tuple(f"{name}." for name in names if name)


def is_allowed(target: str) -> bool:
    """Whether the name of a target is on the list; nothing is imported.

    >>> is_allowed("colonnade.nn.network.Network"), is_allowed("torch.load")
    (True, False)
    """
    return target.startswith((*ALLOWED, *own_packages()))


def find(target: str) -> Callable[..., Any]:
    """Import what a target names.

    Raises:
        ConfigError: it is not on the list, does not exist, or is not a class of a listed package.
        MissingExtraError: its module needs an optional dependency that is not installed.
    """
    if not is_allowed(target):
        raise ConfigError(
            f"'{target}' is not among the targets that a configuration may name "
            f"({', '.join(p.rstrip('.') for p in ALLOWED)}); your own package: export {VARIABLE}=package"
        )
    found = _walk(target)
    home = f"{getattr(found, '__module__', '')}."
    ours = inspect.isclass(found) and home.startswith(HOMES)
    own = callable(found) and home.startswith(own_packages())
    if not ours and not own:
        raise ConfigError(f"'{target}' is not a class of its package")
    return found


def _walk(target: str) -> Any:
    """The object behind a dotted name: the longest importable module, then attributes."""
    parts = target.split(".")
    for n in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:n])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and f"{name}.".startswith(f"{error.name}."):
                continue
            raise ConfigError(f"'{target}': {name} needs {error.name}, which is not installed") from error
        except MissingExtraError:
            raise
        except ImportError as error:
            raise ConfigError(f"'{target}' cannot be imported: {error}") from error
        for i, attribute in enumerate(parts[n:]):
            if attribute not in vars(found) and not _lazy(found, attribute):
                where = ".".join(parts[: n + i])
                names = [k for k, v in vars(found).items() if inspect.isclass(v) and not k.startswith("_")]
                raise ConfigError(f"'{target}': {where} has no '{attribute}'{closest(attribute, names)}")
            found = getattr(found, attribute)
        return found
    raise ConfigError(f"'{target}': there is no package '{parts[0]}'")


def _lazy(module: Any, attribute: str) -> bool:
    """Whether a module gives an attribute on demand (PEP 562)."""
    try:
        getattr(module, attribute)
    except AttributeError:
        return False
    return True
