"""Job: one training of a search, as it is handed to a launcher."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One training.

    Args:
        key: its name, unique in the search: the path of its folder below that of the search.
        folder: its run folder, absolute.
        config: YAML of its composed configuration, interpolations and secrets included. It is handed over in memory.
        cwd: folder that relative paths of the configuration begin in.
        monitor: the metric to show while it runs; None: not known yet.
        latency: whether the finished model is timed, for an objective or a constraint.
        threads: of torch, where the configuration does not say; None: torch's choice.
        environment: variables to set.
        others: jobs that are trained along with it in one process, as a pack.
    """

    key: str
    folder: Path
    config: str = field(repr=False)
    monitor: str | None = None
    latency: bool = False
    cwd: str = "."
    threads: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    others: tuple[Job, ...] = ()

    @property
    def members(self) -> tuple[Job, ...]:
        """The trainings of the job: one, or those of a pack."""
        return (self, *self.others)
