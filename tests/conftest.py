"""What all tests share."""

from __future__ import annotations

import os

# Test processes run side by side, one thread each; must be set before numpy and torch load.
os.environ.setdefault("OMP_NUM_THREADS", "1")
