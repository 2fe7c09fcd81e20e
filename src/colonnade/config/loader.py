"""Loader: Hydra's, which composes the same files once.

A command composes twice: Hydra asks a first configuration whether one job or several are meant, and runs a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import hydra._internal.hydra as room
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobRuntime
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from colonnade.config.files import Files, choices_where_asked
from colonnade.config.kept import divided, kept, with_values


class Loader(ConfigLoaderImpl):
    """Composes what Hydra would, but each choice of files once in a process (see :mod:`colonnade.config.kept`)."""

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self.repository = Files(config_search_path)

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """See the base class."""

        def anew(words: list[str], mode: RunMode) -> DictConfig:
            make = super(Loader, self).load_configuration
            with choices_where_asked():
                return make(config_name, words, mode, from_shell, validate_sweep_overrides)

        parsed = OverridesParser.create(self).parse_overrides(overrides)
        of_one = run_mode == RunMode.RUN or not validate_sweep_overrides
        if not of_one or any(override.is_sweep_override() for override in parsed):
            return anew(overrides, run_mode)
        files, values = divided(overrides, self)
        name = f"{JobRuntime().get('name')}: {config_name}"
        cfg = with_values(kept(name, files, self, lambda: anew(list(files), RunMode.RUN)), values)
        # What Hydra notes of the words and of this process, as it does.
        cfg.hydra.overrides.hydra = [override.input_line for override in parsed if override.is_hydra_override()]
        ours = [override for override in parsed if not override.is_hydra_override()]
        cfg.hydra.overrides.task = [override.input_line for override in ours]
        cfg.hydra.runtime.cwd = os.getcwd()
        with open_dict(cfg.hydra):
            for key in cfg.hydra.job.env_copy:
                cfg.hydra.job.env_set[key] = os.environ[key]
        naming = cfg.hydra.job.config.override_dirname
        cfg.hydra.job.override_dirname = get_overrides_dirname(
            ours, exclude_keys=naming.exclude_keys, item_sep=naming.item_sep, kv_sep=naming.kv_sep
        )
        return cfg


@contextmanager
def composing_once() -> Iterator[None]:
    """Hydra's commands use :class:`Loader`."""
    before = room.ConfigLoaderImpl
    room.ConfigLoaderImpl = Loader  # type: ignore[misc]
    try:
        yield
    finally:
        room.ConfigLoaderImpl = before  # type: ignore[misc]
