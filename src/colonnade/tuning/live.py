"""Live: what a search shows while it runs; a table in a terminal, a line for each event elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from colonnade.report.ranking import Row, best_row, monitored_value
from colonnade.report.table import duration, number
from colonnade.runs.folder import METRICS
from colonnade.runs.illustrate import epochs
from colonnade.tuning.queue import Queue, shown
from colonnade.tuning.worker import Running

if TYPE_CHECKING:
    from rich.console import RenderableType

EVERY = 0.5
ENDED = ("finished", "pruned", "failed", "infeasible")


class Live:
    """Shows a search; a context.

    Args:
        queue: of the search.
        folder: of the search.
        total: trainings that are wanted.
    """

    def __init__(self, queue: Queue, folder: Path, total: int) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._queue = queue
        self._folder = folder
        self._total = total
        self._start = time.monotonic()
        self._shown = -EVERY
        self._told: set[str] | None = None
        self._before = 0
        self._terminal = sys.stderr.isatty()
        self._live = RichLive(console=Console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> Live:
        sys.stderr.write(f"search in {shown(self._folder)}\n")
        if self._terminal:
            self._live.start()
        self.update((), now=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.update((), now=True)
        if self._terminal:
            self._live.stop()

    def update(self, running: Sequence[Running], *, now: bool = False) -> None:
        """Show the present state, twice a second at most."""
        if not now and time.monotonic() - self._shown < EVERY:
            return
        rows = self._queue.rows()
        ended = {row.key for row in rows if row.status in ENDED}
        if self._told is None:
            self._told, self._before = set(ended), len(ended)
            if ended:
                sys.stderr.write(f"{len(ended)} of {self._wanted(rows)} had ended before\n")
        # What is tried again has not ended.
        self._told &= ended
        if self._terminal:
            self._live.update(self._table(rows, running), refresh=True)
        else:
            for row in rows:
                if row.key in ended - self._told:
                    sys.stderr.write(f"[{len(self._told) + 1}/{self._wanted(rows)}] {told(row)}\n")
                    self._told.add(row.key)
            sys.stderr.flush()
        self._told |= ended
        self._shown = time.monotonic()

    def _wanted(self, rows: Sequence[Row]) -> int:
        return max(self._total, len(rows))

    def _table(self, rows: Sequence[Row], running: Sequence[Running]) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        counts = {status: sum(row.status == status for row in rows) for status in ("running", *ENDED)}
        line = " · ".join(f"{count} {status}" for status, count in counts.items() if count)
        ended = sum(counts[status] for status in ENDED)
        wanted = self._wanted(rows)
        parts: list[RenderableType] = [Text(f"{ended} of {wanted} ended · {line}{self._left(ended, wanted)}", "bold")]
        best = best_row(rows)
        if best is not None:
            parts.append(Text(f"best so far: {told(best)}", "cyan"))
        table = Table(box=None, show_header=bool(running), header_style="dim")
        for name in ("running", "epoch", "last", "time"):
            table.add_column(name)
        for one in running:
            told_lines = epochs(one.job.folder / METRICS)
            last = told_lines[-1] if told_lines else {}
            value = f"{one.job.monitor} {number(last[one.job.monitor])}" if one.job.monitor in last else ""
            more = f" and {len(one.job.others)} more" if one.job.others else ""
            table.add_row(Text(one.job.key + more), str(len(told_lines)), value, duration(time.monotonic() - one.begun))
        return Group(*parts, table)

    def _left(self, ended: int, wanted: int) -> str:
        """The time left, at the pace of this command."""
        done = ended - self._before
        if done < 1 or wanted <= ended:
            return ""
        return f" · about {duration((time.monotonic() - self._start) / done * (wanted - ended))} left"


def told(row: Row) -> str:
    """One training in a line."""
    settings = " ".join(f"{key}={value}" for key, value in row.settings.items())
    if row.status == "failed":
        error = str((row.result or {}).get("error")).splitlines()[0]
        return f"failed: {settings}: {error}{f' (log: {row.log})' if row.log else ''}"
    value = monitored_value(row)
    measured = "" if value is None else f"{(row.result or {}).get('monitor')} {number(value)} "
    status = "" if row.status == "finished" else f"{row.status} "
    return f"{status}{measured}{settings}"
