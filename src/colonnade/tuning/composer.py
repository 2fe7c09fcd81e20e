"""Composer: the configurations of many trainings that share most of their words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from colonnade.config.compose import of_training, with_record
from colonnade.config.kept import divided, is_group, with_values

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader


class Composer:
    """Composes what Hydra would, but for each combination of files only once (see :mod:`colonnade.config.kept`).

    Args:
        config: as Hydra composed it for several jobs.
        loader: Hydra's.
    """

    def __init__(self, config: DictConfig, loader: ConfigLoader) -> None:
        self._config = config
        self.loader = loader
        self._known: dict[tuple[str, ...], DictConfig] = {}

    def whole(self, words: Sequence[str]) -> DictConfig:
        """The configuration, with the nodes of Hydra and of the search."""
        files, values = divided(words, self.loader)
        if files not in self._known:
            self._known[files] = self.loader.load_sweep_config(self._config, list(files))
        cfg = with_values(self._known[files], values)
        cfg.hydra.overrides.task = list(words)
        return cfg

    def training(self, words: Sequence[str]) -> DictConfig:
        """The configuration of one training."""
        whole = self.whole(words)
        return of_training(with_record(whole, whole.hydra))

    def is_group(self, key: str) -> bool:
        """Whether a key chooses a file."""
        return is_group(key, self.loader)
