"""The interface every backend implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from reorder_solver.core.prices import Objective
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from reorder_solver.core.limits import Deadline
    from reorder_solver.core.proof import ComponentPart
    from reorder_solver.presolve import Orders, Problem


@cache
def package_version(package: str) -> str | None:
    """Version of an installed distribution, None if there is none; looked up once."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a backend is asked to do.

    Attributes
    ----------
    problem : Problem
        To minimise :meth:`Problem.cost` (violated, then primary, then tie).
    deadline : Deadline
        Wall clock; overshoot at most 10 % or 0.5 s.
    seed : int
        Same seed, same `threads` and no time limit reached: same answer.
    threads : int
    start : Orders or None
        A warm start. What is returned must not cost more.
    report : callable
        Call it with orders and a proven lower bound (or None) whenever either improves. What was
        reported is what an interrupted solve returns.
    """

    problem: Problem
    deadline: Deadline
    seed: int
    threads: int
    start: Orders | None
    report: Callable[[Orders | None, int | None], None]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a backend returns.

    Attributes
    ----------
    orders : Orders or None
        The best found; None if none without violations was found.
    lower_bound : int or None
        Proven: no orders have a smaller primary cost. None if nothing is claimed.
    stop_reason : StopReason
    infeasible : bool
        Proven: every choice of orders violates a required access.
    proof : ViewsPart, RunsPart or JunctionsPart, optional
        Of `lower_bound`, for those who do not trust the backend: accesses by number, nodes as
        (tensor number, class number).
    """

    orders: Orders | None
    lower_bound: int | None = None
    stop_reason: StopReason = StopReason.FINISHED
    infeasible: bool = False
    proof: ComponentPart | None = None


class Backend(ABC):
    """A way to solve problems.

    Subclasses are created without arguments and hold no state between calls. Heavy packages are
    imported inside :meth:`solve`, never at module level.

    Attributes
    ----------
    name : str
        As in ``solve(backend=name)``.
    summary : str
        One line for ``reorder-solver backends``.
    is_exact : bool
        Proves optimality where time allows and :meth:`supports` agrees.
    objectives : frozenset of Objective
        Those it takes.
    reduces : bool
        True (default): is given the presolved components, one at a time. False: is given the
        whole problem with one class per channel.
    leaves_ties : bool
        True: it cares for the primary cost alone; ``solve()`` lowers the tie-break afterwards,
        once everything else is done.
    requires : tuple of str
        Import names of the packages it needs.
    licence : str or None
        Of the solver that it calls, as its authors state it; None where all is this package's.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    is_exact: ClassVar[bool] = False
    objectives: ClassVar[frozenset[Objective]] = frozenset(Objective)
    reduces: ClassVar[bool] = True
    leaves_ties: ClassVar[bool] = False
    requires: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = None

    @classmethod
    def missing_packages(cls) -> tuple[str, ...]:
        """Required packages that are not installed; looks them up without importing them."""
        return tuple(package for package in cls.requires if find_spec(package) is None)

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Versions of the required packages that are installed."""
        found = {package: package_version(package) for package in cls.requires}
        return {package: number for package, number in found.items() if number is not None}

    def supports(self, problem: Problem) -> str | None:
        """None if the backend takes `problem`, else the reason why it does not."""
        if problem.objective not in self.objectives:
            known = ", ".join(sorted(each.value for each in self.objectives))
            return f"objective {problem.objective.value} is not among its objectives ({known})"
        return None

    @abstractmethod
    def solve(self, task: Task) -> Answer:
        """Solve ``task.problem``; see :class:`Task` and :class:`Answer`."""
