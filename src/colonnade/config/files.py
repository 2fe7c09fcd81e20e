"""Files: Hydra's repository of configurations, which reads a file once, and again when it has changed.

Each choice of files is composed of some thirty, most of which the choice before had, too; reading them is half of the
work.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hydra._internal.defaults_list as room
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf

# Of each file when it was written, and what Hydra made of it: pickled, as whoever composes changes it.
_read: dict[tuple[str, str, str], tuple[object, bytes]] = {}


class Files(ConfigRepository):
    """Gives what Hydra's own gives."""

    def load_config(self, config_path: str) -> ConfigResult | None:
        """See the base class."""
        source = self._find_object_source(config_path=config_path, object_type=ObjectType.CONFIG)
        written = None if source is None else _written(source, config_path)
        if source is None or written is None:
            return super().load_config(config_path)
        key = (source.scheme(), source.path, config_path)
        if key not in _read or _read[key][0] != written:
            _read[key] = written, pickle.dumps(super().load_config(config_path), pickle.HIGHEST_PROTOCOL)
        found: ConfigResult = pickle.loads(_read[key][1])  # noqa: S301
        return found


def _written(source: ConfigSource, config_path: str) -> object | None:
    """When a file was written; None: what a program has registered, which may be registered anew."""
    if source.scheme() == "pkg":
        # Hydra's own.
        return 0
    if source.scheme() != "file":
        return None
    status = os.stat(os.path.join(source.path, source._normalize_file_name(config_path)))
    return status.st_mtime_ns, status.st_size


@contextmanager
def choices_where_asked() -> Iterator[None]:
    """Within it Hydra makes a table of all choices for a file whose list of defaults refers to one, and not for each
    file: a fifth of a composition."""
    make = room._create_interpolation_map

    def made(overrides: Any, defaults_list: list[Any], self_added: bool) -> DictConfig:
        if any(default.is_interpolation() for default in defaults_list):
            return make(overrides, defaults_list, self_added)
        return OmegaConf.create()

    room._create_interpolation_map = made
    try:
        yield
    finally:
        room._create_interpolation_map = make
