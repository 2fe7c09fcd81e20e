"""Warm start: what is known before a study begins: the model's defaults, points typed, and an earlier search."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.core.errors import ConfigError, Faults, closest
from colonnade.tuning.defaults import default_of
from colonnade.tuning.plan import Cell
from colonnade.tuning.queue import SWEEP, result_of
from colonnade.tuning.settings import Constraint, Objective, value_of

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

# User attributes of trials: the run folder below that of the search, or the one of another search that it came from.
FOLDER = "folder"
KNOWN = "known_from"


def default_point(cell: Cell) -> dict[str, Any]:
    """The defaults of the model that lie in the space; what lies outside, or has no default, is sampled."""
    points = {}
    for key, found in cell.space.items():
        with suppress(KeyError):
            points[key] = found.point(default_of(cell.cfg, key))
    return {key: point for key, point in points.items() if point is not None}


def typed_point(cell: Cell, point: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """One of ``tune.points`` as parameters of a trial, with a fault for each that the space does not have."""
    found = {}
    for key, value in point.items():
        if key not in cell.space:
            faults.add(f"tune.points: '{key}' is not searched{closest(key, cell.space)}")
            continue
        found[key] = cell.space[key].point(value)
        if found[key] is None:
            faults.add(f"tune.points: {key}={value} lies outside of {cell.space[key].distribution}")
    return found


def earlier(folder: str, here: BaseStorage) -> dict[str, list[FrozenTrial]]:
    """The trials of an earlier search, by the key of their study; each tells its run folder.

    Args:
        folder: of that search.
        here: the storage of this search, which may be a database that holds that one, too.

    Raises:
        ConfigError: the folder holds no search that sampled, or its studies are elsewhere.
    """
    import optuna

    from colonnade.tuning.storage import JOURNAL, storage

    path = Path(folder)
    if not (path / SWEEP).is_file():
        raise ConfigError(f"tune.warm_start: '{folder}' holds no search (no {SWEEP})")
    name = json.loads((path / SWEEP).read_text(encoding="utf-8")).get("study")
    if name is None:
        raise ConfigError(f"tune.warm_start: '{folder}' holds a grid, which keeps no study")
    kept = storage(None, path) if (path / JOURNAL).exists() else here
    found = {}
    for study in optuna.get_all_study_names(kept):
        if study == name or study.startswith(f"{name}/"):
            trials = optuna.load_study(study_name=study, storage=kept).get_trials()
            for trial in trials:
                if KNOWN not in trial.user_attrs:
                    trial.set_user_attr(KNOWN, str((path / trial.user_attrs.get(FOLDER, "")).resolve()))
            found[study.removeprefix(name).removeprefix("/")] = trials
    if not found:
        raise ConfigError(f"tune.warm_start: the studies of '{folder}' are in a database: tune.storage= names it")
    return found


def fitting(
    trials: Iterable[FrozenTrial], cell: Cell, objectives: Sequence[Objective], constraints: Sequence[Constraint]
) -> list[FrozenTrial]:
    """The finished ones that lie in a space, measured by what is optimised now. Nothing of their sampler is kept."""
    from optuna.trial import create_trial

    finished = [trial for trial in trials if trial.state.name == "COMPLETE"]
    found = []
    for trial in finished:
        result = result_of(Path(trial.user_attrs[KNOWN]))
        if result is None or not trial.params.keys() <= cell.space.keys():
            continue
        params = {key: cell.space[key].point(value) for key, value in trial.params.items()}
        values = [value_of(goal.name, result) for goal in objectives]
        bounds = {str(bound): value_of(bound.name, result) for bound in constraints}
        if any(value is None or not math.isfinite(value) for value in [*values, *bounds.values()]):
            continue
        if any(value is None for value in params.values()):
            continue
        found.append(
            create_trial(
                params=params,
                distributions={key: cell.space[key].distribution for key in params},
                values=values,  # type: ignore[arg-type]
                constraints={str(bound): bound.excess(bounds[str(bound)] or 0.0) for bound in constraints} or None,
                intermediate_values=trial.intermediate_values,
                user_attrs={KNOWN: trial.user_attrs[KNOWN]},
            )
        )
    if finished:
        log.info("%d of %d finished trials of an earlier search are brought along", len(found), len(finished))
    return found
