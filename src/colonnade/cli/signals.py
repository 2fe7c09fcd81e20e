"""Signals: SIGTERM ends every verb with status 143, at once or, while Lightning trains, at the end of a batch."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

TERMINATED = 128 + signal.SIGTERM


class Termination:
    """Context in which SIGTERM is noted.

    Lightning calls an earlier handler beside its own, and stops by itself at the end of a batch: then this one only
    takes note, since raising in the middle of a step would save a half-made one. At any other time it raises.

    Attributes:
        received: whether SIGTERM has come.
    """

    def __init__(self) -> None:
        self.received = False
        self._ours = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Termination:
        if self._ours:
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ours:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        if signal.getsignal(signal.SIGTERM) == self._note:
            raise SystemExit(TERMINATED)
