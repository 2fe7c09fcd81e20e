"""StopSignals: each of several hears, and the handlers come back."""

from __future__ import annotations

import signal

import pytest

from colonnade.training.signals import StopSignals


def test_each_hears_whatever_the_order_in_which_they_leave():
    before = signal.getsignal(signal.SIGTERM)
    first, second = StopSignals(), StopSignals()
    first.install()
    second.install()
    signal.raise_signal(signal.SIGTERM)
    assert first.received == second.received == signal.SIGTERM
    first.remove()
    second.received = None
    signal.raise_signal(signal.SIGTERM)
    assert second.received == signal.SIGTERM
    second.remove()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_interrupt_is_passed_on():
    one = StopSignals()
    one.install()
    try:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        one.remove()
