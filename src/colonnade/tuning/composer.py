"""Composer: the configurations of many trainings that share most of their words."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import DictConfig

from colonnade.config.compose import of_training, with_record

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader


class Composer:
    """Composes what Hydra would, but for each combination of files only once.

    Files are chosen by group words (``model=mlp``), the other words set values in what they give. The first takes
    Hydra some hundred milliseconds, the second a few.

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
        from hydra.core.override_parser.overrides_parser import OverridesParser

        parsed = OverridesParser.create(self.loader).parse_overrides(list(words))
        values = [o for o in parsed if not self.is_group(o.key_or_group)]
        files = tuple(str(o.input_line) for o in parsed if o not in values)
        if files not in self._known:
            self._known[files] = self.loader.load_sweep_config(self._config, list(files))
        cfg = copy.deepcopy(self._known[files])
        ConfigLoaderImpl._apply_overrides_to_config(values, cfg)
        cfg.hydra.overrides.task = list(words)
        return cfg

    def training(self, words: Sequence[str]) -> DictConfig:
        """The configuration of one training."""
        whole = self.whole(words)
        return of_training(with_record(whole, whole.hydra))

    def is_group(self, key: str) -> bool:
        """Whether a key chooses a file."""
        return bool(self.loader.get_group_options(key))
