"""The child process of a peer: ``python -m reorder_solver.peers.child ENGINE``.

Reads its work from standard input and writes a JSON object per line to standard output.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
from typing import Any


def main() -> int:
    """Run the engine; what it prints itself goes nowhere."""
    # C code writes to descriptor 1, whatever sys.stdout is.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # Written by the parent process, on a pipe of its own.
    kill_at: float | None = pickle.load(sys.stdin.buffer)
    _end_at(kill_at)
    data: dict[str, Any] = pickle.load(sys.stdin.buffer)

    def tell(**word: Any) -> None:
        out.write(json.dumps(word) + "\n")
        out.flush()

    from reorder_solver.peers import engines

    try:
        getattr(engines, sys.argv[1])(tell=tell, **data)
    except Exception as error:
        lines = str(error).splitlines() or [""]
        tell(error=f"{type(error).__name__}: {lines[0]}")
        return 1
    return 0


def _end_at(moment: float | None) -> None:
    """Have the kernel end this process then, even if nobody is left to kill it."""
    if moment is not None and hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, moment - time.time() + 1.0))


if __name__ == "__main__":
    sys.exit(main())
