"""The child process of a peer: ``python child.py ENGINE``, engines beside it.

Reads its work from standard input and writes a JSON object per line to standard output. Nothing
of this package is imported, but what the engine needs.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run the engine; what it prints itself goes nowhere."""
    # Ctrl-C is the parent's to hear, which then ends this process. They stay in one process
    # group, so that whoever ends the group ends both.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Beside this file lie modules of this package, which are no packages of their own.
    sys.path.remove(str(Path(__file__).parent))
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

    try:
        _engine(sys.argv[1])(tell=tell, **data)
    except Exception as error:
        lines = str(error).splitlines() or [""]
        tell(error=f"{type(error).__name__}: {lines[0]}")
        return 1
    return 0


def _engine(name: str) -> Callable[..., None]:
    """A function of the engines' file, loaded by its path."""
    path = Path(__file__).with_name("engines.py")
    spec = importlib.util.spec_from_file_location("peer_engines", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., None] = getattr(module, name)
    return found


def _end_at(moment: float | None) -> None:
    """Have the kernel end this process then, even if nobody is left to kill it."""
    if moment is not None and hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, max(0.01, moment - time.time() + 1.0))


if __name__ == "__main__":
    sys.exit(main())
