"""What every launcher does."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from types import TracebackType

from colonnade.tuning.job import Job


class Handle(ABC):
    """A job that was started."""

    @abstractmethod
    def poll(self) -> int | None:
        """The exit status; None while the job waits or runs. A job that died without one has some other than 0."""

    @abstractmethod
    def stop(self) -> None:
        """Ask the job to save its state and end."""

    @abstractmethod
    def kill(self) -> None:
        """End the job at once, with all its processes."""


class Launcher(ABC):
    """Starts jobs. A context: at its end no job is left running."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """Number of jobs to keep running at once."""

    @abstractmethod
    def start(self, job: Job) -> Handle:
        """Start a job and come back at once."""

    def prepare(self) -> None:  # noqa: B027
        """Begin what takes a while before the first job, and come back at once."""

    def wait(self, seconds: float) -> None:
        """Come back after that time, or earlier when a job has ended."""
        time.sleep(seconds)

    def __enter__(self) -> Launcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027
        """Give back what was taken."""
