"""StopSignals: remembers that the process was told to stop, so that it stops where everything can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar

Handler = Callable[[int, FrameType | None], Any] | int | None


class StopSignals:
    """Catches SIGTERM and SIGINT while it is installed; several may be, and each hears of every signal.

    Lightning's own handler of SIGTERM exchanges tensors between processes from within the signal, and leaves with
    status 0. A second SIGINT is passed on, for those who cannot wait.
    """

    NUMBERS = (signal.SIGTERM, signal.SIGINT)
    _listening: ClassVar[list[StopSignals]] = []
    _before: ClassVar[dict[int, Handler]] = {}

    def __init__(self) -> None:
        self.received: int | None = None

    def install(self) -> None:
        """Catch from now on; does nothing outside of the main thread, where Python allows no handlers."""
        self.received = None
        if threading.current_thread() is not threading.main_thread() or self in self._listening:
            return
        if not self._listening:
            self._before.update({number: signal.signal(number, _note) for number in self.NUMBERS})
        self._listening.append(self)

    def remove(self) -> None:
        """Catch no more; the last one puts back the handlers that were there."""
        if self not in self._listening:
            return
        self._listening.remove(self)
        if not self._listening:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before.clear()


def _note(number: int, frame: FrameType | None) -> None:
    listening = StopSignals._listening
    if number == signal.SIGINT and any(one.received == signal.SIGINT for one in listening):
        raise KeyboardInterrupt
    for one in listening:
        one.received = number
