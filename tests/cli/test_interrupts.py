"""Interrupts: none gets lost, and none comes when the work is over."""

from __future__ import annotations

import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from reorder_solver.cli import interrupts
from reorder_solver.cli.interrupts import persistent_interrupts


def lose_an_interrupt():
    """What Python does where a callback from compiled code cannot raise."""
    sys.unraisablehook(SimpleNamespace(exc_type=KeyboardInterrupt))


def test_a_lost_interrupt_comes_again():
    """It reaches the work, soon."""

    def work():
        with persistent_interrupts():
            lose_an_interrupt()
            time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        work()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to threads")
def test_no_interrupt_once_the_work_is_over(monkeypatch):
    """A timer whose time had come when it was cancelled killed the program at its end."""
    sent = []

    class Late(threading.Timer):
        """Cannot be cancelled any more."""

        def cancel(self):
            pass

        def run(self):
            sent.append(self.function())

    monkeypatch.setattr(interrupts, "_AGAIN", 0.0)
    monkeypatch.setattr(Late, "start", lambda _: None)
    monkeypatch.setattr(Late, "join", Late.run)
    monkeypatch.setattr(threading, "Timer", Late)
    handler = signal.getsignal(signal.SIGINT)
    with persistent_interrupts():
        lose_an_interrupt()
    time.sleep(0.01)
    assert sent == [None]
    assert signal.getsignal(signal.SIGINT) is handler
