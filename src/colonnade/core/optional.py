"""Deferred import of optional dependencies."""

from __future__ import annotations

import importlib
from types import ModuleType

from colonnade.core.errors import MissingExtraError


def optional_import(module: str, extra: str) -> ModuleType:
    """Import ``module`` or say which extra brings it.

    Args:
        module: dotted module name, for example ``"sqlalchemy"``.
        extra: the extra of ``colonnade`` that installs it, for example ``"sql"``.

    Raises:
        MissingExtraError: if the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(module.split(".")[0], extra) from error
