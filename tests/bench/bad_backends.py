"""Backends that misbehave, installed for child processes through an entry point of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = '''
import ctypes, os, time
from pathlib import Path
from typing import ClassVar
from reorder_solver.backends.base import Answer, Backend


class Bad(Backend):
    summary: ClassVar[str] = "misbehaves"
    reduces: ClassVar[bool] = False


class Crashing(Bad):
    name: ClassVar[str] = "crashing"

    def solve(self, task):
        ctypes.string_at(0)


class Leaving(Bad):
    name: ClassVar[str] = "leaving"

    def solve(self, task):
        os._exit(7)


class Hungry(Bad):
    name: ClassVar[str] = "hungry"

    def solve(self, task):
        held = []
        while True:
            held.append(bytearray(os.urandom(1 << 20)) * 20)


class Deaf(Bad):
    """Ignores its limit, and so does its child."""

    name: ClassVar[str] = "deaf"

    def solve(self, task):
        task.report(task.problem.identity(), None)
        folder = os.environ.get("BAD_FOLDER")
        if folder:
            child = os.fork()
            name = "parent" if child else "child"
            Path(folder, f"{name}-{os.getpid()}").touch()
        while True:
            time.sleep(0.1)


class Raising(Bad):
    name: ClassVar[str] = "raising"

    def solve(self, task):
        raise RuntimeError("first line\\nsecond line")


class Choosy(Bad):
    name: ClassVar[str] = "choosy"

    def supports(self, problem):
        return "never likes it"

    def solve(self, task):
        raise AssertionError


class Noting(Bad):
    """Sound, but slow, and notes every call."""

    name: ClassVar[str] = "noting"

    def solve(self, task):
        print("noise on standard output")
        with open(os.environ["BAD_NOTES"], "a", encoding="utf-8") as notes:
            notes.write(f"{task.seed}\\n")
        time.sleep(0.15)
        return Answer(task.problem.identity())
'''

NAMES = ("crashing", "leaving", "hungry", "deaf", "raising", "choosy", "noting")


def install(folder: Path) -> None:
    """Make `folder` importable as a distribution with the entry points."""
    (folder / "bad_backends_module.py").write_text(SOURCE, encoding="utf-8")
    info = folder / "bad_backends-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: bad-backends\nVersion: 1.0\n", encoding="utf-8"
    )
    points = [f"{name} = bad_backends_module:{name.capitalize()}" for name in NAMES]
    (info / "entry_points.txt").write_text(
        "\n".join(["[reorder_solver.backends]", *points]) + "\n", encoding="utf-8"
    )


def path_with(folder: Path, inherited: list[str]) -> str:
    """A PYTHONPATH for child processes."""
    return os.pathsep.join([str(folder), *(each for each in inherited if each)])
