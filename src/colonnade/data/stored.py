"""Stored: classes that a run folder names."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from colonnade.core.errors import RunFolderError


def stored_class(path: str, base: type[Any], *, own: str, what: str) -> type[Any]:
    """The class of a stored name. As importing runs code, a name imports nothing but modules of this package.

    Args:
        path: ``module:class``.
        base: of which it must be a subclass.
        own: what the names of modules that may be imported begin with.
        what: that is stored, for errors.

    Raises:
        RunFolderError: the module is neither ours nor imported already, or holds no such class.
    """
    module, _, name = path.partition(":")
    if module.startswith(own):
        importlib.import_module(module)
    if module not in sys.modules:
        raise RunFolderError(
            f"pipeline.json names the {what} '{path}': import '{module}' before loading, if you trust it"
        )
    found = vars(sys.modules[module]).get(name)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise RunFolderError(f"pipeline.json names the {what} '{path}', but that is no {what}")
    return found
