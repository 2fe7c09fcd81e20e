"""The verb ``train``: Hydra composes, the runs room trains."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from colonnade.config.compose import Request, refusals, with_record
from colonnade.config.locate import PRIMARY, shipped
from colonnade.core.errors import ColonnadeError

log = logging.getLogger(__name__)
FULL_ERROR = "HYDRA_FULL_ERROR"


def train(words: Sequence[str]) -> None:
    """Hand the words to Hydra, which runs :func:`job` once, or once per cell of a sweep.

    Args:
        words: overrides and Hydra's flags, as on the command line.

    Raises:
        ColonnadeError: from the configuration or from the run.
    """
    # Hydra would print its own errors; ours are raised, and become text in one place.
    asked, begun = os.environ.get(FULL_ERROR), False

    def task(cfg: DictConfig) -> dict[str, Any]:
        nonlocal begun
        begun = True
        return job(cfg)

    command = hydra.main(version_base="1.3", config_path=str(shipped()), config_name=PRIMARY)(task)
    try:
        os.environ[FULL_ERROR] = "1"
        try:
            with _arguments(words):
                command()
        except refusals() as error:
            if begun:
                raise
            with _arguments(_mend(words, error)):
                command()
    finally:
        os.environ.pop(FULL_ERROR)
        if asked is not None:
            os.environ[FULL_ERROR] = asked


def job(cfg: DictConfig) -> dict[str, Any]:
    """Train one composed configuration in the folder that Hydra chose.

    Returns:
        The content of ``result.json``.
    """
    settings = cast(DictConfig, HydraConfig.get())
    if settings.mode is RunMode.MULTIRUN:
        # Hydra's copy of all the settings, with their secrets; each run folder keeps its own record without.
        (Path(settings.sweep.dir) / "multirun.yaml").unlink(missing_ok=True)
    with _contained() if settings.mode is RunMode.MULTIRUN else nullcontext():
        try:
            from colonnade.runs.fit import fit

            return fit(with_record(cfg, settings), settings.runtime.output_dir)
        except ColonnadeError as error:
            if settings.mode is RunMode.MULTIRUN:
                # The other cells of the sweep still run; Hydra raises the first error at the end.
                log.error("job %s: %s: %s", settings.job.num, type(error).__name__, error)
                raise
            raise _Carried(error) from error


class _Carried(BaseException):
    """Takes an error past Hydra, which would announce it in its own words."""

    def __init__(self, error: ColonnadeError) -> None:
        self.error = error


@contextmanager
def _arguments(words: Sequence[str]) -> Iterator[None]:
    """The words as those of the process, where Hydra reads them."""
    before = sys.argv
    sys.argv = [before[0], *words]
    try:
        yield
    except _Carried as carried:
        raise carried.error from carried.error.__cause__
    finally:
        sys.argv = before


@contextmanager
def _contained() -> Iterator[None]:
    """Keep what a job changes in this process from the next one."""
    environment = dict(os.environ)
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        if torch and threads:
            torch.set_num_threads(threads)
        gc.collect()


def _mend(words: Sequence[str], error: Exception) -> list[str]:
    """The words with those mended that Hydra refused.

    Raises:
        ConfigError: with everything that is wrong.
    """
    from colonnade.config.overrides import correct

    arguments = get_args_parser().parse_args(list(words))
    folders = (arguments.config_dir,) if arguments.config_dir else ()
    ask = Request(arguments.config_name or PRIMARY, folders, sweep=arguments.multirun)
    mended = correct(arguments.overrides, ask, error)
    new = dict(zip(arguments.overrides, mended))
    return [new.get(word, word) for word in words]
