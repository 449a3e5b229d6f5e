"""What all tests share."""

from __future__ import annotations

import gc
import os
import signal

# Test processes run side by side, one thread each; must be set before numpy and torch load.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Where colorama is installed, numba's coloured messages put the standard output of some earlier
# moment back, and what a test captures is lost.
os.environ["NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING"] = "1"

# A shell starts background jobs with SIGINT ignored, which child processes inherit; the tests of
# Ctrl-C need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Collect garbage less often, and nothing of what is loaded by now.

    Capturing networks makes very many small objects, and each time those of PyTorch and of all
    tests would be looked through again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
