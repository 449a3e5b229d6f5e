"""Ctrl-C that cannot get lost."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds until a lost interrupt is raised again.
_AGAIN = 0.05


@contextmanager
def persistent_interrupts() -> Iterator[None]:
    """Raise a :class:`KeyboardInterrupt` again where a callback from compiled code swallowed it.

    A signal that arrives in such a callback (the just-in-time compiler makes many) can only be
    reported as unraisable; the program would print a traceback and go on.
    """
    before = sys.unraisablehook
    timers: list[threading.Timer] = []

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            # Not at once: then it would be lost in the same place.
            timer = threading.Timer(_AGAIN, _interrupt)
            timer.daemon = True
            timers.append(timer)
            timer.start()
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        # A signal once the work is over would kill the program.
        with _ignored():
            sys.unraisablehook = before
            for timer in timers:
                timer.cancel()
            # One whose time had come before it was cancelled still sends its signal.
            for timer in timers:
                timer.join()


@contextmanager
def _ignored() -> Iterator[None]:
    """No interrupts meanwhile, where handlers may be changed: in the main thread."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):
        # A real signal, and to the main thread: it may be asleep in a system call.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
