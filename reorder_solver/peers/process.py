"""Run a peer's engine in a child process: improvements are told as they come, the limit is kept.

Engines in C do not all look at the clock, nor let Ctrl-C through, and some crash. In a child
they can be ended at any moment, with the best they told so far in hand.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from math import isinf
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CHILD = Path(__file__).with_name("child.py")
#: Seconds past the limit after which the child is killed.
GRACE = 0.2
#: Seconds before the limit at which engines are told to stop.
RESERVE = 0.2


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child ended.

    Attributes
    ----------
    finished : bool
        The engine came to its own end; False if it was stopped at the limit.
    """

    finished: bool


def run_engine(
    engine: str,
    data: Mapping[str, Any],
    *,
    seconds: float,
    tell: Callable[[dict[str, Any]], None],
) -> Outcome:
    """Run a function of :mod:`reorder_solver.peers.engines` in a child.

    Parameters
    ----------
    engine : str
        Name of the function.
    data : mapping
        Its keyword arguments, pickled; it also gets ``end``, a time in seconds since the epoch or
        None.
    seconds : float
        Wall seconds from now; ``inf`` for no limit.
    tell : callable
        Called in this thread with whatever the engine tells.

    Raises
    ------
    RuntimeError
        If the engine failed, with its last words.
    """
    end = None if isinf(seconds) else time.time() + seconds
    child = subprocess.Popen(
        # By its path: to import this package would take longer than most engines need.
        [sys.executable, str(_CHILD), engine],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # The child finds the same packages, wherever this process has them from.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    heard: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(child, heard), daemon=True).start()
    payload = pickle.dumps({**data, "end": None if end is None else end - RESERVE})
    threading.Thread(target=_feed, args=(child, payload, end), daemon=True).start()
    try:
        return _follow(engine, child, heard, end, tell)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


def _feed(child: subprocess.Popen[bytes], payload: bytes, end: float | None) -> None:
    """Write the work in a thread: a child that does not read must not hold us up."""
    assert child.stdin is not None
    try:
        child.stdin.write(pickle.dumps(None if end is None else end + GRACE) + payload)
        child.stdin.close()
    except OSError:
        pass  # It has ended; the exit code says how.


def _listen(
    child: subprocess.Popen[bytes], heard: queue.SimpleQueue[dict[str, Any] | None]
) -> None:
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            # A child killed while it writes leaves half a line.
            if line.endswith(b"\n"):
                heard.put(json.loads(line))
    heard.put(None)


def _follow(
    engine: str,
    child: subprocess.Popen[bytes],
    heard: queue.SimpleQueue[dict[str, Any] | None],
    end: float | None,
    tell: Callable[[dict[str, Any]], None],
) -> Outcome:
    finished = False
    while True:
        left = None if end is None else end + GRACE - time.time()
        if left is not None and left <= 0:
            return Outcome(finished)
        try:
            # Waits in slices, so that Ctrl-C is heard on every platform.
            word = heard.get(timeout=0.1 if left is None else min(0.1, left))
        except queue.Empty:
            continue
        if word is None:
            break
        if "error" in word:
            raise RuntimeError(f"{engine}: {word['error']}")
        finished = finished or bool(word.get("finished"))
        tell(word)
    code = child.wait()
    late = end is not None and time.time() >= end
    if code and not finished and not late:
        raise RuntimeError(f"{engine}: its process ended with exit code {code}")
    return Outcome(finished)
