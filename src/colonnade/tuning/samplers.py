"""Samplers and pruners of Optuna, by the names of ``tune:``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from colonnade.tuning.settings import Tune


def sampler(tune: Tune, n_trials: int) -> BaseSampler:
    """The sampler for the next trial.

    Made anew for each: a fixed seed would give a command that is repeated the points that it has tried, so the number
    of trials so far is part of it. What a sampler must remember, it keeps in the study.

    Args:
        tune: the settings.
        n_trials: trials that the study has.
    """
    with _no_experiments():
        return _sampler(tune, n_trials)


def _sampler(tune: Tune, n_trials: int) -> BaseSampler:
    from optuna import samplers

    seed = 1_000_003 * tune.seed + n_trials
    match tune.sampler:
        case "random":
            return samplers.RandomSampler(seed=seed)
        case "tpe":
            return samplers.TPESampler(seed=seed)
        case "cmaes":
            return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        case "gp":
            return samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        case "qmc":
            # Its place in the sequence is kept in the study, so that the seed has to stay.
            return samplers.QMCSampler(
                scramble=True,
                seed=tune.seed,
                independent_sampler=samplers.RandomSampler(seed=seed),
                warn_independent_sampling=False,
                warn_asynchronous_seeding=False,
            )
        case "nsga2":
            return samplers.NSGAIISampler(seed=seed)
    raise ValueError(f"sampler {tune.sampler} does not sample")


def pruner(tune: Tune, max_epochs: int) -> BasePruner:
    """The pruner.

    Args:
        tune: the settings.
        max_epochs: the most that a trial runs.
    """
    with _no_experiments():
        return _pruner(tune, max_epochs)


def _pruner(tune: Tune, max_epochs: int) -> BasePruner:
    from optuna import pruners

    warmup = tune.warmup_epochs
    match tune.pruner:
        case "median":
            return pruners.MedianPruner(n_warmup_steps=warmup)
        case "successive_halving":
            return pruners.SuccessiveHalvingPruner(min_resource=max(1, warmup))
        case "hyperband":
            return pruners.HyperbandPruner(min_resource=max(1, warmup), max_resource=max(max_epochs, warmup, 1))
        case "wilcoxon":
            return pruners.WilcoxonPruner(n_startup_steps=warmup)
    return pruners.NopPruner()


@contextmanager
def _no_experiments() -> Iterator[None]:
    """Spare people the warning that an interface of Optuna, which they do not see, may change."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
