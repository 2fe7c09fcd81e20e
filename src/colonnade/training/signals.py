"""StopSignals: remembers that the process was told to stop, so that it stops where everything can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None


class StopSignals:
    """Catches SIGTERM and SIGINT while it is installed.

    Lightning's own handler of SIGTERM exchanges tensors between processes from within the signal, and leaves with
    status 0. A second SIGINT is passed on, for those who cannot wait.
    """

    NUMBERS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Handler] = {}

    def install(self) -> None:
        """Catch from now on; does nothing outside of the main thread, where Python allows no handlers."""
        self.received = None
        if threading.current_thread() is threading.main_thread() and not self._before:
            self._before = {number: signal.signal(number, self._note) for number in self.NUMBERS}

    def remove(self) -> None:
        """Put back the handlers that were there."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
