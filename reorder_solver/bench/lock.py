"""A lock for the one process that writes to a store; it ends with the process."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError
from reorder_solver.formats.files import StrPath, label

if TYPE_CHECKING:
    from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:
    # Windows; SQLite's own locks still keep the file whole there.
    fcntl = None


class WriterLock:
    """Held from its making to :meth:`release`, or to the end of the process.

    The lock is on a file beside the store: locks on the store itself are SQLite's.

    Raises
    ------
    InputError
        If another process holds it, or its file cannot be made.
    """

    def __init__(self, store: StrPath) -> None:
        self._path = f"{os.path.abspath(store)}.lock"
        self._file = -1
        source = label(store)
        try:
            while self._file < 0:
                self._file = self._taken(source)
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise InputError(f"cannot be written: {reason}", source=source) from None

    def _taken(self, source: str) -> int:
        """The locked file; -1 if its former owner removed it meanwhile."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise InputError("another process writes to it", source=source) from None
        with suppress(FileNotFoundError):
            if os.stat(self._path).st_ino == os.fstat(file).st_ino:
                return file
        os.close(file)
        return -1

    def release(self) -> None:
        """Let others write."""
        if self._file < 0:
            return
        with suppress(OSError):
            # While the lock is held, so that no one can lock a file about to be removed unseen.
            os.unlink(self._path)
        os.close(self._file)
        self._file = -1
