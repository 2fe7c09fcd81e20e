"""Best: the best run of a search, told by its folder."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from colonnade.core.errors import ConfigError, SearchError
from colonnade.report.ranking import PROBLEM, Row, best_row, monitored_value
from colonnade.report.table import number
from colonnade.tuning.queue import RESULT, SWEEP, result_of, row
from colonnade.tuning.settings import Constraint, value_of

log = logging.getLogger(__name__)


def best_run(folder: Path) -> Path:
    """The finished run of a search with the best value of what its task monitors.

    Runs that break a constraint are left out, where the command of the search spelled it out.

    Args:
        folder: of the search.

    Raises:
        ConfigError: the folder holds no search.
        SearchError: no run has finished with a value; or the runs are of several data sets or tasks.
    """
    if not (folder / SWEEP).is_file():
        instead = f", but a run: run={folder}" if (folder / RESULT).is_file() else ""
        raise ConfigError(f"sweep: '{folder}' holds no search (no {SWEEP}){instead}")
    search = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
    unlike = [key for key in search["swept"] if key in PROBLEM]
    if unlike:
        raise SearchError(
            f"'{folder}': its runs differ in {', '.join(unlike)}, so none is the best of all; run=<folder> names one"
        )
    rows = _rows(folder, _constraints(search["command"]))
    best = best_row(rows)
    if best is None:
        counts = Counter(row.status for row in rows)
        listed = ", ".join(f"{n} {status}" for status, n in counts.items()) or "none has ended"
        raise SearchError(f"'{folder}': no run has finished with a value of what it monitors ({listed})")
    finished = sum(row.status == "finished" for row in rows)
    monitor = (best.result or {}).get("monitor")
    log.info("best of %d runs: '%s' (%s %s)", finished, best.key, monitor, number(monitored_value(best)))
    return folder / best.key


def _rows(folder: Path, bounds: Sequence[Constraint]) -> list[Row]:
    """The runs that have ended: those of a grid lie one level deep, those of studies one or two."""
    paths = sorted([*folder.glob(f"*/{RESULT}"), *folder.glob(f"*/*/{RESULT}")])
    found = []
    for run in (path.parent for path in paths):
        result = result_of(run)
        # Other runs may lie below the search, such as its refit.
        if result is None or "refit" in result:
            continue
        entry = row(run.relative_to(folder).as_posix(), run, {}, running=False, result=result)
        values = [(bound, value_of(bound.name, result)) for bound in bounds if entry.status == "finished"]
        feasible = all(value is not None and bound.excess(value) <= 0 for bound, value in values)
        found.append(entry if feasible else replace(entry, status="infeasible"))
    return found


def _constraints(command: Sequence[str]) -> list[Constraint]:
    """The constraints among the words of a search; those in a file of ``conf/tune`` are not known here."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    words = [word for word in command if re.match(r"\+*tune\.constraints=", word)]
    given: list[Any] = [OverridesParser.create().parse_override(word).value() for word in words[-1:]]
    return [Constraint.parse(text) for texts in given for text in texts or ()]
