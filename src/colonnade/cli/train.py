"""The verb ``train``: Hydra composes, the runs room trains."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from colonnade.cli.show import without_secrets
from colonnade.config.auto import WORD, with_model
from colonnade.config.compose import SEARCH, Request, composed, defaults_of_hydra, of_training, refusals, with_record
from colonnade.config.loader import composing_once
from colonnade.config.locate import PRIMARY, shipped
from colonnade.config.overrides import correct, hydra_text
from colonnade.core.errors import ColonnadeError, ConfigError

FULL_ERROR = "HYDRA_FULL_ERROR"


def train(words: Sequence[str]) -> None:
    """Hand the words to Hydra, which runs :func:`job`, or with ``-m`` our search.

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

    words = flags_first(words)
    command = hydra.main(**defaults_of_hydra(), config_path=str(shipped()), config_name=PRIMARY)(task)

    def run(words: Sequence[str]) -> None:
        settled = _named(words)
        with _arguments(settled), without_secrets(settled), composing_once():
            command()

    try:
        os.environ[FULL_ERROR] = "1"
        try:
            run(words)
        except refusals() as refused:
            if begun:
                raise
            mended = _mend(words, refused)
            try:
                run(mended)
            except refusals() as again:
                if begun:
                    raise
                raise ConfigError(hydra_text(again)) from again
    finally:
        os.environ.pop(FULL_ERROR)
        if asked is not None:
            os.environ[FULL_ERROR] = asked


def flags_first(words: Sequence[str]) -> list[str]:
    """The words with flags before overrides: argparse, by which Hydra reads them, takes overrides at one place only.

    >>> flags_first(["model=mlp", "-m", "seed=0,1", "~logger", "--config-dir", "mine"])
    ['-m', '--config-dir', 'mine', 'model=mlp', 'seed=0,1', '~logger']
    """
    overrides = [word for word in words if not word.startswith("-") and ("=" in word or word.startswith("~"))]
    return [*(word for word in words if word not in overrides), *overrides]


def job(cfg: DictConfig) -> dict[str, Any]:
    """Train one composed configuration in the folder that Hydra chose.

    Returns:
        The content of ``result.json``.
    """
    settings = cast(DictConfig, HydraConfig.get())
    try:
        _check_single(settings)
        from colonnade.runs.fit import fit

        return fit(of_training(with_record(cfg, settings)), settings.runtime.output_dir)
    except ColonnadeError as error:
        raise _Carried(error) from error


def _check_single(settings: DictConfig) -> None:
    """Refuse what only a search understands."""
    words = [word for word in settings.overrides.task if re.match(rf"\+*({'|'.join(SEARCH)})[.=]", word)]
    if words:
        raise ConfigError(f"{', '.join(words)}: only a search takes this: add -m")


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


def _named(words: Sequence[str]) -> list[str]:
    """The words with a model in place of ``model=auto``; a search does so for each of its trainings."""
    asked, ask = _asked(words)
    if WORD not in asked or ask.sweep:
        return list(words)
    settled = dict(zip(asked, with_model(asked, lambda some: composed(some, ask))))
    print(f"{WORD}: {settled[WORD]}", file=sys.stderr)
    return [settled.get(word, word) for word in words]


def _mend(words: Sequence[str], error: Exception) -> list[str]:
    """The words with those mended that Hydra refused.

    Raises:
        ConfigError: with everything that is wrong.
    """
    asked, ask = _asked(words)
    new = dict(zip(asked, correct(asked, ask, error)))
    return [new.get(word, word) for word in words]


def _asked(words: Sequence[str]) -> tuple[list[str], Request]:
    """The overrides among the words, and where they are composed."""
    arguments = get_args_parser().parse_args(list(words))
    folders = (arguments.config_dir,) if arguments.config_dir else ()
    return arguments.overrides, Request(arguments.config_name or PRIMARY, folders, sweep=arguments.multirun)
