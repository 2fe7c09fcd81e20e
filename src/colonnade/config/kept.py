"""Kept: of the same files a process composes once; words that set values are put into copies of it.

Files are chosen by group words (``model=mlp``), the other words set values in what they give. The first takes Hydra
some hundred milliseconds, the second a few.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from colonnade.config.copied import copied

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override

# Compositions that are kept, the last used.
ROOM = 32
# Files and folders that are looked through.
MOST = 5000
SEARCHPATH = "hydra.searchpath"
_kept: OrderedDict[object, DictConfig] = OrderedDict()


def divided(words: Sequence[str], loader: ConfigLoader) -> tuple[tuple[str, ...], list[Override]]:
    """The words that choose files, and those that set values.

    Args:
        words: as on the command line.
        loader: Hydra's, which knows the groups.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create(loader).parse_overrides(list(words))
    values = [o for o in parsed if o.key_or_group != SEARCHPATH and not is_group(o.key_or_group, loader)]
    return tuple(str(o.input_line) for o in parsed if o not in values), values


def is_group(key: str, loader: ConfigLoader) -> bool:
    """Whether a key chooses a file."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    # A loader copies its repository for each question; and a group has no dot in its name.
    asked = loader.repository if isinstance(loader, ConfigLoaderImpl) else loader
    return "." not in key and bool(asked.get_group_options(key))


def with_values(whole: DictConfig, values: Sequence[Override]) -> DictConfig:
    """A copy of a composition with values set in it, as Hydra sets them and with its errors."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    cfg = copied(whole)
    ConfigLoaderImpl._apply_overrides_to_config(list(values), cfg)
    return cfg


def kept(name: str, files: Sequence[str], loader: ConfigLoader, make: Callable[[], DictConfig]) -> DictConfig:
    """The composition of a primary file and the words that choose others, made again when a file of the search path
    has changed.

    Args:
        name: the primary file.
        files: the words.
        loader: Hydra's, on its search path.
        make: composes.
    """
    written = _written(loader)
    if written is None:
        return make()
    key = (name, tuple(files), written)
    if key in _kept:
        _kept.move_to_end(key)
        return _kept[key]
    made = make()
    # A file may name further folders to search (hydra.searchpath), which are not looked at here.
    if len(made.hydra.runtime.config_sources) == len(loader.get_sources()):
        _kept[key] = made
        while len(_kept) > ROOM:
            _kept.popitem(last=False)
    return made


def _written(loader: ConfigLoader) -> tuple[object, ...] | None:
    """Where configurations are looked for, and when each file there was written; None: too much lies there to look at
    for each composition, as where a home folder is given as one of configurations.
    """
    found: list[object] = []
    seen = 0
    for source in loader.get_sources():
        found.append(f"{source.scheme()}://{source.path}")
        for folder, _, names in os.walk(source.path) if source.scheme() == "file" else ():
            seen += len(names) + 1
            if seen > MOST:
                return None
            for path in sorted(os.path.join(folder, name) for name in names if name.endswith(".yaml")):
                # Editors leave links to nowhere beside a file that is being written.
                with suppress(FileNotFoundError):
                    status = os.stat(path)
                    found.append((path, status.st_mtime_ns, status.st_size))
    return tuple(found)
