"""Grid: every cell is run once."""

from __future__ import annotations

from collections.abc import Sequence
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
from colonnade.tuning.queue import Queue, result_of, row


class Grid(Queue):
    """The cells of a grid.

    A cell is done when its folder holds a result; so a grid that has grown runs only what is new.

    Args:
        cells: all of them.
        folder: of the search.
        claims: shared with other workers.
        retry_failed: whether cells that failed in an earlier command are run again.

    Raises:
        SearchError: the folder of a cell holds a training of another configuration.
    """

    def __init__(self, cells: Sequence[Cell], folder: Path, claims: Claims, *, retry_failed: bool = False) -> None:
        self._cells = {cell.key: cell for cell in cells}
        self._folder = folder
        self._claims = claims
        self._done: dict[str, dict[str, Any]] = {}
        self._check_origin()
        self._retry = {
            key for key in self._cells if retry_failed and (self._ended(key) or {}).get("status") == "failed"
        }

    def _check_origin(self) -> None:
        """Refuse to go on where a file of the configuration has changed: the table would hold unlike things."""
        faults = Faults()
        for key, cell in self._cells.items():
            state = RunFolder(self._folder / key).state
            if state is not None and state["config_hash"] != config_hash(cell.cfg):
                faults.add(
                    f"'{self._folder / key}' was trained with another configuration (see its config.yaml): "
                    "fresh=true puts the search aside and begins anew, hydra.sweep.dir= names another folder"
                )
        faults.raise_if_any(SearchError, "search")

    def next(self) -> Job | None:
        """The first cell that nobody has done or does."""
        with self._claims.locked():
            for key, cell in self._cells.items():
                if (self._ended(key) and key not in self._retry) or not self._claims.take(key):
                    continue
                if key in self._retry:
                    # Whoever looks now sees a cell that has not ended.
                    self._retry.discard(key)
                    (self._folder / key / RESULT).unlink(missing_ok=True)
                    self._done.pop(key, None)
                return Job(key=key, folder=self._folder / key, config=OmegaConf.to_yaml(cell.cfg), cwd=str(Path.cwd()))
        return None

    def watch(self, job: Job) -> None:
        """Nothing: cells run to their end."""

    def settle(self, job: Job) -> None:
        """Give the cell back."""
        self._ended(job.key)
        self._claims.release(job.key)

    def open(self) -> bool:
        """Whether a cell has no result."""
        return bool(self._retry) or any(self._ended(key) is None for key in self._cells)

    def rows(self) -> list[Row]:
        """A row for each cell."""
        return [
            row(
                key,
                self._folder / key,
                dict(cell.outer),
                running=self._ended(key) is None and self._claims.held(key),
                result=self._ended(key),
            )
            for key, cell in self._cells.items()
        ]

    def _ended(self, key: str) -> dict[str, Any] | None:
        if key not in self._done:
            result = result_of(self._folder / key)
            if result is None:
                return None
            self._done[key] = result
        return self._done[key]
