"""Kept: whether a study that is there goes with what is asked for; a table of unlike things would mislead."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colonnade.config.record import config_hash
from colonnade.core.errors import Faults
from colonnade.tuning.plan import Cell
from colonnade.tuning.settings import Constraint, Objective

if TYPE_CHECKING:
    from optuna import Study

# User attributes of a study.
CONFIG = "config_hash"
BOUNDS = "constraints"
ANEW = "fresh=true begins anew, hydra.sweep.dir= names another folder"


def check_kept(
    study: Study,
    cell: Cell,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    folder: Path,
    faults: Faults,
) -> None:
    """Compare a study with what is asked for; of a new one, note it.

    Args:
        study: the study.
        cell: configuration and space.
        objectives: what is optimised.
        constraints: what a trial must satisfy.
        folder: where its trials lie.
        faults: where what differs is added.
    """
    from optuna.exceptions import ExperimentalWarning

    name = f"the study '{cell.key}'" if cell.key else "the study"
    before, bounds, now = study.user_attrs, [str(bound) for bound in constraints], config_hash(cell.cfg)
    if before.get(CONFIG, now) != now:
        faults.add(f"{name} was begun with another configuration (a file of it has changed): {ANEW}")
    goals = [f"{d.name[:3].lower()}:{metric}" for d, metric in zip(study.directions, study.metric_names or ())]
    if goals and goals != [f"{goal.mode}:{goal.name}" for goal in objectives]:
        faults.add(f"{name} was begun with other objectives ({', '.join(goals)}): {ANEW}")
    if before.get(BOUNDS, bounds) != bounds:
        faults.add(f"{name} was begun with other constraints ({', '.join(before[BOUNDS]) or 'none'}): {ANEW}")
    _check_space(study, cell, name, faults)
    n_trials = len(study.get_trials(deepcopy=False))
    numbers = {path: path.name.removeprefix("trial-") for path in folder.glob("trial-*")}
    strange = [path for path, number in numbers.items() if number.isdecimal() and int(number) >= n_trials]
    if strange:
        faults.add(f"{name} knows nothing of '{strange[0]}': its journal or database was removed: {ANEW}")
    if len(faults):
        return
    study.set_user_attr(CONFIG, now)
    study.set_user_attr(BOUNDS, bounds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([goal.name for goal in objectives])


def _check_space(study: Study, cell: Cell, name: str, faults: Faults) -> None:
    """Bounds may move and dimensions come and go; choices stay, and so does the kind of a dimension."""
    from optuna.distributions import check_distribution_compatibility

    for key, dimension in cell.space.items():
        known = (trial.distributions[key] for trial in study.get_trials(deepcopy=False) if key in trial.distributions)
        before = next(known, dimension.distribution)
        try:
            check_distribution_compatibility(before, dimension.distribution)
        except ValueError:
            faults.add(f"{name} sampled {key} from {before}, which cannot become {dimension.distribution}: {ANEW}")
