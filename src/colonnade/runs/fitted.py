"""Fitted: what follows the decoder of a finished run, as its files have it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from colonnade.core.errors import ConfigError, closest
from colonnade.data.lookup import Lookup
from colonnade.evaluation.conformal import build_conformal
from colonnade.evaluation.options import WINDOW, Uncertainty
from colonnade.tasks.base import Task
from colonnade.tasks.calibrator import Calibrator
from colonnade.tasks.forecast import ForecastTask
from colonnade.tasks.scaling import SCALINGS
from colonnade.tasks.window_scale import WindowScale

CALIBRATION = "calibration.json"
STATE = "calibration.safetensors"
NEEDED_OF_CALIBRATION = (CALIBRATION, STATE)
KEYS = ("calibration", "uncertainty")
"""Nodes of a configuration that ask for something after the decoder."""
OPTIONS = ("level", "group", "by_class", "scaling", "penalty", "free", "randomized")
"""Of conformal prediction, which its record keeps."""


def calibrates(cfg: DictConfig) -> bool:
    """Whether a configuration, which may be one of an earlier version, asks for anything after the decoder."""
    return any(cfg.get(key) is not None for key in KEYS)


@dataclass(frozen=True)
class Groups:
    """A column of categories, each with thresholds of its own.

    Args:
        name: of the column.
        position: among the raw categories.
        names: of the groups, by code.
    """

    name: str
    position: int
    names: tuple[str, ...]

    @classmethod
    def find(cls, lookup: Lookup, name: str) -> Groups:
        """The groups of a column.

        Raises:
            ConfigError: the model sees no such column of categories.
        """
        names = [category.name for category in lookup.cat]
        if name not in names:
            raise ConfigError(
                f"uncertainty.group='{name}' is no column of categories that the model sees{closest(name, names)}; "
                f"there are: {', '.join(names) or 'none'}"
            )
        position = names.index(name)
        return cls(name, position, ("(missing)", "(unknown)", *lookup.cat[position].levels))


@dataclass(frozen=True)
class Fitted:
    """What follows the decoder of a finished run, as its files have it.

    Args:
        told: content of ``calibration.json``.
        state: content of ``calibration.safetensors``.
    """

    told: Mapping[str, Any]
    state: Mapping[str, Tensor]

    @classmethod
    def read(cls, folder: Path) -> Fitted:
        """Read both files."""
        from safetensors.torch import load_file

        return cls(json.loads((folder / CALIBRATION).read_text(encoding="utf-8")), load_file(folder / STATE))

    @property
    def disagreement(self) -> bool:
        """Whether predictions say how far members are apart."""
        return bool(self.told["disagreement"])

    @property
    def conformal(self) -> dict[str, Any] | None:
        """Method, level and column of groups of intervals or sets."""
        told = self.told.get("conformal")
        return None if told is None else {key: told[key] for key in ("method", "level", "group")}

    def calibrator(self, task: Task, lookup: Lookup) -> Calibrator:
        """The module.

        Args:
            task: set up.
            lookup: of the raw columns.
        """
        kind = str(task.target_kind)
        found = Calibrator(kind)
        if "calibration" in self.told:
            state = {k.removeprefix("scaling."): v for k, v in self.state.items() if k.startswith("scaling.")}
            found.scaling = SCALINGS[self.told["calibration"]["method"]](kind, **state)
        if "conformal" in self.told:
            told = self.told["conformal"]
            kept = {key: told[key] for key in OPTIONS if key in told}
            options = Uncertainty(conformal=told["method"], **kept)
            threshold = self.state["conformal.threshold"]
            found.conformal = build_conformal(told["method"], options, threshold, task.quantiles)
            found.drawn = len(lookup.num) if options.randomized else None
            found.group = None if told["group"] is None else Groups.find(lookup, told["group"]).position
            if told.get("scaling") == WINDOW and isinstance(task, ForecastTask):
                found.scale = WindowScale.of(task.spec, task.values, lookup.num)
        return found.eval()
