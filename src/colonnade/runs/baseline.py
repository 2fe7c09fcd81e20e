"""Baseline: fit one, and keep the record of its rounds that a network keeps of its epochs."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from omegaconf import DictConfig

from colonnade.baselines.base import Job
from colonnade.baselines.module import BaselineModule
from colonnade.config.locate import load_choice
from colonnade.core.errors import ConfigError
from colonnade.runs.assemble import Parts, build_loggers
from colonnade.runs.folder import METRICS, PRUNE, RunFolder
from colonnade.runs.launch import is_worker
from colonnade.runs.trained import Trained

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

log = logging.getLogger(__name__)

# Words of a training by steps.
OF_NETWORKS = ("optim", "callbacks", "loader.batch_size", "loader.chunk", "trainer.")
# What a preset may set without an effect.
NODES = {"optim", "callbacks", "module", "trainer"}
# Those of the trainer that a baseline follows too.
FOLLOWED = ("trainer.accelerator", "trainer.devices")
# Seconds between two lines of progress.
EVERY = 10.0


def train_baseline(parts: Parts, folder: RunFolder) -> Trained:
    """Fit ``parts.module``, a :class:`~colonnade.baselines.module.BaselineModule`.

    A fit that was interrupted begins again: the libraries keep no state to go on from.

    Raises:
        ConfigError: several processes were started for it.
    """
    import torch

    module, data = parts.module, parts.datamodule
    assert isinstance(module, BaselineModule)
    if is_worker():
        raise ConfigError("a baseline is fitted by one process: start it without torchrun")
    idle = without_effect(parts.cfg)
    if idle:
        name = parts.cfg.get("choices", {}).get("model", type(module.network).__name__)
        log.warning("model=%s is not trained by steps: no effect of %s", name, ", ".join(idle))
    loggers = build_loggers(parts.cfg, folder.path)
    with Rounds(folder, loggers, parts.task.monitor) as rounds:
        job = Job(threads=torch.get_num_threads(), device=device(parts.cfg), report=rounds)
        train, val = (data.loader_for(part).store for part in ("train", "val"))
        fitted = module.fit(train, val, job, balanced=bool(parts.cfg.loader.get("balanced")))
        if not rounds.pruned and not rounds.measured and len(val):
            rounds.close_with(_measured(module, parts), fitted.rounds)
    for logger in loggers:
        logger.finalize("success")
    return Trained(
        epochs=fitted.rounds,
        parameters=fitted.size,
        pruned=rounds.pruned,
        global_step=rounds.number + 1,
        loggers=loggers,
    )


def _measured(module: BaselineModule, parts: Parts) -> dict[str, float]:
    """All measures of the validation rows, where no round was measured."""
    collected = module.collect(parts.datamodule.loader_for("val"))
    values = parts.task.metrics(parts.task.decode(collected.raw), collected.target, collected.weight)
    return {f"val/{name}": value for name, value in values.items()}


def device(cfg: DictConfig) -> str:
    """``cuda`` where the trainer would use it."""
    import torch

    wanted = str(cfg.trainer.get("accelerator", "auto"))
    return "cuda" if wanted in ("gpu", "cuda") or (wanted == "auto" and torch.cuda.is_available()) else "cpu"


def without_effect(cfg: DictConfig) -> list[str]:
    """The words that were typed and say nothing to a baseline."""
    words = {str(word): str(word).lstrip("+~") for word in cfg.get("overrides", [])}
    return [
        said
        for said, word in words.items()
        if (word.startswith(OF_NETWORKS) or _idle_preset(word)) and not word.startswith(FOLLOWED)
    ]


def _idle_preset(word: str) -> bool:
    """Whether a word chooses an experiment that says nothing but how to train by steps."""
    group, _, name = word.partition("=")
    if group != "experiment":
        return False
    try:
        return NODES.issuperset(load_choice(group, name))
    except ConfigError:
        # A list of presets, or one that is made of others.
        return False


class Rounds:
    """Writes a line of ``metrics.jsonl`` for each round, and tells loggers; a context.

    Args:
        folder: the run folder; a file ``prune`` in it asks the training to end.
        loggers: to be told.
        monitor: what the lines of progress show.

    Attributes:
        number: of the last round, from 0; -1 before the first.
        measured: whether a round was measured on validation rows.
        pruned: whether the search gave the training up.
    """

    def __init__(self, folder: RunFolder, loggers: Sequence[Logger], monitor: str) -> None:
        self._path = folder / METRICS
        self._prune = folder / PRUNE
        self._loggers = loggers
        self._monitor = monitor
        self._shown = time.monotonic()
        self._file: TextIO | None = None
        self.number = -1
        self.measured = False
        self.pruned = False

    def __enter__(self) -> Rounds:
        self._file = self._path.open("w", encoding="utf-8")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def __call__(self, number: int, measures: Mapping[str, float]) -> bool:
        """Note a round; true when the training shall end."""
        self.number = number
        finite = {name: value for name, value in measures.items() if math.isfinite(value)}
        if finite:
            self.measured = True
            self._write(number, finite)
        if time.monotonic() - self._shown >= EVERY:
            self._shown = time.monotonic()
            shown = f" · {self._monitor} {finite[self._monitor]:.4g}" if self._monitor in finite else ""
            log.info("round %d%s", number + 1, shown)
        self.pruned = self._prune.exists()
        return self.pruned

    def close_with(self, measures: Mapping[str, float], rounds: int) -> None:
        """The one line of a fit whose rounds were not measured."""
        self.number = rounds - 1
        self._write(self.number, {name: value for name, value in measures.items() if math.isfinite(value)})

    def _write(self, number: int, measures: Mapping[str, float]) -> None:
        assert self._file is not None
        self._file.write(json.dumps({"epoch": number, "step": number + 1, **measures}) + "\n")
        self._file.flush()
        for logger in self._loggers:
            logger.log_metrics(dict(measures), step=number + 1)
