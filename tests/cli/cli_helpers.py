"""Instances, command lines and odd backends for the tests of the commands."""

from __future__ import annotations

import sys
from typing import Any

import reorder_solver as rs

BACKENDS = '''
import ctypes
import signal
import time
from typing import ClassVar
from pathlib import Path
import os

from reorder_solver.backends.base import Answer, Backend
from reorder_solver.backends.portfolio import Portfolio


class Sleepy(Backend):
    """Reports the original order, says so by a file, and sleeps."""

    name: ClassVar[str] = "sleepy"
    summary: ClassVar[str] = "sleeps until interrupted"
    reduces: ClassVar[bool] = False

    def solve(self, task):
        task.report(task.problem.identity(), None)
        Path(os.environ["SLEEPY_SIGNAL"]).touch()
        time.sleep(600)
        return Answer(None)


class Announced(Portfolio):
    """The default backend, which says by a file that it has begun."""

    name: ClassVar[str] = "announced"

    def solve(self, task):
        Path(os.environ["SLEEPY_SIGNAL"]).touch()
        return super().solve(task)


class Interrupted(Backend):
    """Behaves as if Ctrl-C was pressed in the middle."""

    name: ClassVar[str] = "interrupted"
    summary: ClassVar[str] = "is interrupted"
    reduces: ClassVar[bool] = False

    def solve(self, task):
        task.report(task.problem.identity(), None)
        raise KeyboardInterrupt


class Swallowed(Backend):
    """Gets its Ctrl-C in a callback from compiled code, where no exception can leave."""

    name: ClassVar[str] = "swallowed"
    summary: ClassVar[str] = "is interrupted in a callback"
    reduces: ClassVar[bool] = False

    def solve(self, task):
        task.report(task.problem.identity(), None)
        compare = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: os.kill(os.getpid(), signal.SIGINT) or 0)
        compare()
        time.sleep(600)
        return Answer(None)


class Liar(Backend):
    """Claims a bound that no layout can keep."""

    name: ClassVar[str] = "liar"
    summary: ClassVar[str] = "lies"
    reduces: ClassVar[bool] = False

    def solve(self, task):
        return Answer(task.problem.identity(), 10**9)


class Needy(Backend):
    """Needs a package that does not exist."""

    name: ClassVar[str] = "needy"
    summary: ClassVar[str] = "needs [bold]more[/bold]"
    requires: ClassVar[tuple[str, ...]] = ("no_such_package_at_all",)

    def solve(self, task):
        raise AssertionError
'''
ENTRY_POINTS = """[reorder_solver.backends]
sleepy = odd_cli_backends:Sleepy
announced = odd_cli_backends:Announced
interrupted = odd_cli_backends:Interrupted
swallowed = odd_cli_backends:Swallowed
liar = odd_cli_backends:Liar
needy = odd_cli_backends:Needy
broken = odd_cli_backends_that_are_missing:Backend
"""


def command_line(*arguments: object) -> list[str]:
    """The program with these arguments, as a list for a new process."""
    return [sys.executable, "-m", "reorder_solver.cli.main", *map(str, arguments)]


def small_instance(name: str = "small", **changes: Any) -> rs.Instance:
    """Three accesses of which all can be views, in an order that makes none one."""
    access: dict[str, Any] = {"bytes": 4, **changes}
    return rs.Instance(
        name,
        [rs.Tensor("x", 6)],
        [
            rs.Access("first", [rs.Part("x", [0, 2])], **access),
            rs.Access("second", [rs.Part("x", [2, 4, 5])], **access),
            rs.Access("third", [rs.Part("x", [1, 3, 4])], **access),
        ],
    )
