"""Grid: every cell is run once."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from colonnade.config.record import config_hash
from colonnade.core.errors import Faults, SearchError
from colonnade.report.leaderboard import Row
from colonnade.runs.folder import RESULT, RunFolder
from colonnade.tuning.claims import Claims
from colonnade.tuning.job import Job
from colonnade.tuning.plan import Cell
from colonnade.tuning.queue import Queue, Results, row

log = logging.getLogger(__name__)


class Grid(Queue):
    """The cells of a grid.

    A cell is done when its folder holds a result; so a grid that has grown runs only what is new.

    Args:
        cells: all of them.
        folder: of the search.
        claims: shared with other workers.
        retry_failed: whether cells that failed in an earlier command are run again.
        packs: into how many packs the cells of one model and data set are divided, each a job; 0: every cell is a job.

    Raises:
        SearchError: the folder of a cell holds a training of another configuration.
    """

    def __init__(
        self, cells: Sequence[Cell], folder: Path, claims: Claims, *, retry_failed: bool = False, packs: int = 0
    ) -> None:
        self._cells = {cell.key: cell for cell in cells}
        self._folders = {key: folder / key for key in self._cells}
        self._claims = claims
        self._results = Results()
        self._rows: dict[str, Row] = {}
        self._check_origin()
        self._beside = beside(cells, packs)
        # With the mark of the failure: what another worker has run again meanwhile is left alone.
        self._retry = {
            key: self._results.mark(self._folders[key])
            for key in self._cells
            if retry_failed and (self._ended(key) or {}).get("status") == "failed"
        }

    def _check_origin(self) -> None:
        """Refuse to go on where a file of the configuration has changed: the table would hold unlike things."""
        faults = Faults()
        for key, cell in self._cells.items():
            state = RunFolder(self._folders[key]).state
            if state is not None and state["config_hash"] != config_hash(cell.cfg):
                faults.add(
                    f"'{self._folders[key]}' was trained with another configuration (see its config.yaml): "
                    "fresh=true puts the search aside and begins anew, hydra.sweep.dir= names another folder"
                )
        faults.raise_if_any(SearchError, "search")

    def next(self) -> Job | None:
        """The first cell that nobody has done or does, and those of its pack."""
        with self._claims.locked():
            for key in self._cells:
                job = self._claimed(key)
                if job is not None:
                    others = (self._claimed(other) for other in self._beside[key] if other != key)
                    return replace(job, others=tuple(other for other in others if other is not None))
        return None

    def _claimed(self, key: str) -> Job | None:
        """Claim a cell; None where there is nothing to do."""
        if (self._ended(key) and key not in self._retry) or not self._claims.take(key):
            return None
        cell, folder = self._cells[key], self._folders[key]
        if key in self._retry and self._results.mark(folder) == self._retry.pop(key):
            # Whoever looks now sees a cell that has not ended.
            (folder / RESULT).unlink(missing_ok=True)
        if self._ended(key):
            # Meanwhile, by a job of somebody who is gone or who has tried again.
            self._claims.release(key)
            return None
        return Job(
            key=key,
            folder=folder,
            config=OmegaConf.to_yaml(cell.cfg),
            monitor=cell.cfg.task.get("monitor"),
            cwd=str(Path.cwd()),
        )

    def watch(self, job: Job) -> None:
        """Nothing: cells run to their end."""

    def settle(self, job: Job) -> None:
        """Give its cells back."""
        with self._claims.locked():
            for member in job.members:
                self._claims.release(member.key)

    def open(self) -> bool:
        """Whether a cell has no result."""
        return bool(self._retry) or any(self._ended(key) is None for key in self._cells)

    def rows(self) -> list[Row]:
        """A row for each cell."""
        return [self._row(key) for key in self._cells]

    def _row(self, key: str) -> Row:
        """Its row, made anew only when its result is another one: a table of thousands is drawn twice a second."""
        result = self._ended(key)
        if result is None or key not in self._rows or self._rows[key].result is not result:
            running = result is None and self._claims.held(key)
            settings = dict(self._cells[key].outer)
            self._rows[key] = row(key, self._folders[key], settings, running=running, result=result)
        return self._rows[key]

    def _ended(self, key: str) -> dict[str, Any] | None:
        return self._results.of(self._folders[key])


def beside(cells: Sequence[Cell], packs: int) -> dict[str, Sequence[str]]:
    """The keys of the pack that each cell belongs to, its own among them.

    Args:
        cells: of a grid.
        packs: into how many the cells of one model and data set are divided; 0: every cell is alone.
    """
    alone: dict[str, Sequence[str]] = {cell.key: (cell.key,) for cell in cells}
    if not packs:
        return alone
    from colonnade.runs.packed import unpackable

    groups: dict[str, list[str]] = {}
    told: set[str] = set()
    for cell in cells:
        why = list(unpackable(cell.cfg))
        if not why:
            group = OmegaConf.to_yaml({"model": cell.cfg.choices.get("model"), "data": cell.cfg.data})
            groups.setdefault(group, []).append(cell.key)
        elif why[0] not in told:
            told.add(why[0])
            log.warning("not in a pack: %s: %s", cell.key, "; ".join(why))
    found: dict[str, Sequence[str]] = dict(alone)
    for keys in groups.values():
        size = math.ceil(len(keys) / packs)
        for start in range(0, len(keys), size):
            found.update(dict.fromkeys(keys[start : start + size], keys[start : start + size]))
    return found
