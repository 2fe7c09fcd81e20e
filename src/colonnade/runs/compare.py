"""Compare: several run folders in one table, and whether their predictions differ by more than chance."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from colonnade.config.record import MAX_BYTES, UNHASHED, SafeLoader
from colonnade.core.errors import ConfigError, Faults, RunFolderError
from colonnade.report.ranking import PROBLEM, Group, Row, ranking
from colonnade.report.significance import Comparison, holm
from colonnade.report.wording import base_of, brief, who
from colonnade.runs.folder import CONFIG, LOG, RESULT, STATE, RunFolder
from colonnade.runs.paired import Unpaired, paired, read_predictions

# What runs are told apart by is what was typed for them, but not how they were shown or where they lie.
UNTOLD = (*UNHASHED, *PROBLEM, "hydra", "callbacks", "trainer.logger")
MAX_NOTES = 3


@dataclass(frozen=True)
class Compared:
    """What several runs have to say together.

    Args:
        rows: the runs.
        reference: name of the best run, by what is monitored on the validation rows; None when no run has a value.
        tests: names of other runs, with what their test of significance against the best says.
        basis: what was compared and on which rows; empty without a test.
        notes: why runs were not tested.
    """

    rows: list[Row]
    reference: str | None = None
    tests: list[tuple[str, Comparison]] = field(default_factory=list)
    basis: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """A run folder, read without building anything."""

    name: str
    folder: RunFolder
    result: dict[str, Any] | None
    config: dict[str, Any]
    origin: tuple[tuple[str, str], ...]


def compare(folders: Sequence[Path | str]) -> Compared:
    """Read runs, rank them, and test each against the best on the test rows.

    Two runs are tested where they have the same test rows with the same truth; see
    :mod:`colonnade.report.significance` for the tests.

    Args:
        folders: at least two run folders, of the same data and task.

    Raises:
        RunFolderError: a folder holds no run.
        ConfigError: fewer than two runs, or runs of different data, targets or tasks.
    """
    runs = read_runs(folders)
    if len(runs) < 2:
        raise ConfigError(f"'{runs[0].name}' has nothing to be compared with; name at least two runs")
    refuse_strangers(runs)
    rows = [_row(run, settings) for run, settings in zip(runs, _settings(runs))]
    notes = [
        f"'{row.folder}' has no {RESULT}: it is being trained, or was cut off"
        for row in rows
        if row.status == "running"
    ]
    groups = ranking(rows)
    best = groups[0].best if groups[0].rank == 1 else None
    if best is None:
        return Compared(rows, notes=[*notes, "no test: no finished run has a value of what is monitored"])
    tests, basis, why = _tests(rows, best, groups[0])
    return Compared(rows, _named(best), tests, basis, [*notes, *why])


def runs_below(folder: Path | str) -> list[Path]:
    """The run folders of a search, or the folds of a cross-validation.

    Raises:
        ConfigError: there are none.
    """
    found = {path.parent for name in (RESULT, STATE) for path in Path(folder).rglob(name)}
    # The folds of a cross-validation are part of it.
    runs = sorted(
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and found.isdisjoint(parent for parent in path.parents if parent != Path(folder))
    )
    runs = [path for path in runs if path != Path(folder)] or runs
    if not runs:
        raise ConfigError(f"sweep='{folder}' holds no run folders")
    return runs


def read_runs(folders: Sequence[Path | str]) -> list[Run]:
    """Read run folders, each once, however often it is named.

    Raises:
        RunFolderError: a folder holds no run, or a damaged one; all are named.
    """
    faults, runs = Faults(), []
    for path in {os.path.realpath(path): os.path.normpath(path) for path in folders}.values():
        folder = RunFolder(path)
        if not any((folder / name).is_file() for name in (RESULT, STATE, CONFIG)):
            there = "holds no run" if folder.path.is_dir() else "is no folder"
            faults.add(f"'{path}' {there}")
            continue
        try:
            origin = tuple((str(o["file"]), str(o["sha256"])) for o in (folder.state or {}).get("origin", []))
            runs.append(Run(path, folder, folder.result, _config(folder), origin))
        except (OSError, KeyError, TypeError, json.JSONDecodeError, yaml.YAMLError) as error:
            faults.add(f"'{path}' is damaged: {type(error).__name__}: {error}")
    faults.raise_if_any(RunFolderError, "compare")
    return runs


def _config(folder: RunFolder) -> dict[str, Any]:
    """The stored configuration as plain data: nothing is resolved or built, so that nothing needs to be trusted."""
    path = folder / CONFIG
    if not path.exists() or path.stat().st_size > MAX_BYTES:
        return {}
    found = yaml.load(path.read_text(encoding="utf-8"), Loader=SafeLoader)  # noqa: S506
    return found if isinstance(found, dict) else {}


def refuse_strangers(runs: Sequence[Run], heading: str = "these runs cannot be compared") -> None:
    """Runs of other data, targets or tasks have no order.

    Args:
        runs: of which the first is taken as it is.
        heading: what is refused.

    Raises:
        ConfigError: naming the first run and every one that differs from it.
    """
    faults = Faults()
    tellers: dict[str, Any] = {
        "is of task": lambda run: (run.result or {}).get("task") if (run.result or {}).get("metrics") else None,
        "predicts": lambda run: _text(_dig(run.config, "data.target")),
        "learned from": lambda run: _digests(run) or None,
    }
    strangers: set[str] = set()
    for verb, tell in tellers.items():
        known = [run for run in runs if tell(run) is not None]
        for run in known[1:]:
            if tell(run) != tell(known[0]) and run.name not in strangers:
                strangers.add(run.name)
                told = [
                    f"'{r.name}' {verb} {_sources(r) if verb == 'learned from' else tell(r)}" for r in (known[0], run)
                ]
                faults.add(", ".join(told))
    faults.raise_if_any(ConfigError, heading)


def _sources(run: Run) -> str:
    return " and ".join(f"{file} (SHA-256 {digest[:8]}…)" for file, digest in run.origin)


def _digests(run: Run) -> list[str]:
    return sorted(digest for _, digest in run.origin)


def _settings(runs: Sequence[Run]) -> list[dict[str, str]]:
    """What was typed for any run and is not the same in all; the folder where that does not tell all runs apart."""
    keys = dict.fromkeys(_key(word) for run in runs for word in run.config.get("overrides") or ())
    keys = dict.fromkeys(key for key in keys if not any(key == k or key.startswith(f"{k}.") for k in UNTOLD))
    values = {key: [_value(run.config, key) for run in runs] for key in keys}
    differing = {key: found for key, found in values.items() if len(set(found)) > 1}
    settings = [
        {key: text for key, found in differing.items() if (text := found[i]) is not None} for i in range(len(runs))
    ]
    times = Counter(tuple(sorted(told.items())) for told in settings)
    base = base_of(run.name for run in runs)
    for told, run in zip(settings, runs):
        if times[tuple(sorted(told.items()))] > 1:
            told["run"] = os.path.relpath(run.name, base) if base else run.name
    return settings


def _key(word: str) -> str:
    """The key of an override.

    >>> _key("++optim.lr=0.1"), _key("model=mlp"), _key("~callbacks.progress")
    ('optim.lr', 'model', 'callbacks.progress')
    """
    return word.lstrip("+~").partition("=")[0].partition("@")[0]


def _value(config: Mapping[str, Any], key: str) -> str | None:
    """A choice of a group, or else a value, as it is typed."""
    choices = config.get("choices") or {}
    return _text(choices[key]) if key in choices else _text(_dig(config, key))


def _dig(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config.get(part) if isinstance(config, Mapping) else None
    return config


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(str(_text(item)) for item in value)}]"
    return None if value is None else str(value)


def _row(run: Run, settings: Mapping[str, str]) -> Row:
    status = str(run.result["status"]) if run.result else "running"
    log = run.folder / LOG
    return Row(
        key=run.name,
        folder=run.name,
        status=status,
        settings=settings,
        result=run.result,
        log=str(log) if status == "failed" and log.exists() else None,
    )


def _named(row: Row) -> str:
    """A run by the last parts of its keys."""
    short = brief(list(row.settings))
    return who({short[key]: value for key, value in row.settings.items()}, row.key)


def _tests(rows: Sequence[Row], best: Row, group: Group) -> tuple[list[tuple[str, Comparison]], str, list[str]]:
    """Each finished run against the best one; why a run could not be tested is told."""
    others = [row for row in rows if row is not best and row.status == "finished"]
    if not others:
        return [], "", []
    try:
        reference = read_predictions(best.folder)
    except Unpaired as reason:
        return [], "", [f"no test: {reason}"]
    found: list[tuple[str, Comparison]] = []
    basis, notes = "", []
    for row in others:
        name = _named(row)
        try:
            comparison, basis = paired(read_predictions(row.folder), reference, group.monitor or "")
        except Unpaired as reason:
            notes.append(f"no test of {name}: {reason}")
        else:
            found.append((name, comparison))
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"no test of {len(notes) - MAX_NOTES} more, for such reasons"]
    adjusted = holm([comparison for _, comparison in found])
    return [(name, comparison) for (name, _), comparison in zip(found, adjusted)], basis, notes
