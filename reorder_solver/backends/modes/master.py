"""Latency of many accesses: an integer programme over runs and spans, with cuts from few at a time.

The programme has, for every access, its number of runs, the unwanted positions that it spans, and
one option that says what they cost. At first runs and spans are almost free. What it chooses is
checked some accesses at a time: a weighted sum of their runs and spans has a least value over all
orders, and where the choice stays below it, the inequality is added. All inequalities hold for
every layout, so the value of the programme is a lower bound after every round. This is Benders'
decomposition with combinatorial subproblems.

References
----------
J. N. Hooker, G. Ottosson, "Logic-based Benders decomposition", Mathematical Programming 96 (2003)
33-60, DOI 10.1007/s10107-003-0375-9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from formulations.engines import import_cp_model
from formulations.interruptible import solve_interruptibly

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reorder_solver.backends.dynamic.anatomy import Shape
    from reorder_solver.backends.modes.options import Option
    from reorder_solver.core.limits import Deadline

#: Prices in the programme stay below.
LARGEST_PRICE = 1 << 48


class Term(NamedTuple):
    """What one access adds to a cut: ``run * (r - 1) + gap * (s - n)``."""

    access: int
    run: int
    gap: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the programme chose for one access."""

    option: Option
    runs: int
    gap: int


@dataclass(frozen=True, slots=True)
class Solved:
    """A solution of the programme: a bound, and unless time ran out what was chosen."""

    bound: int
    chosen: tuple[Chosen, ...] | None
    is_infeasible: bool = False


class Master:
    """The programme.

    Parameters
    ----------
    options : sequence of tuple of Option
        Per access.
    shapes : sequence of Shape
    """

    def __init__(
        self, options: Sequence[tuple[Option, ...]], shapes: Sequence[Shape | None]
    ) -> None:
        self._cp: Any = import_cp_model()
        self._model = self._cp.CpModel()
        self._options = options
        self._runs: list[Any] = []
        self._gaps: list[Any] = []
        self._views: list[Any] = []
        self._chosen: list[list[Any]] = []
        self._costs = [self._add_access(*each) for each in zip(options, shapes, strict=True)]
        self._model.minimize(sum(self._costs))

    @staticmethod
    def takes(options: Sequence[tuple[Option, ...]], shapes: Sequence[Shape | None]) -> bool:
        """Whether the prices leave room in 64 bits."""
        most = sum(
            max(o.fixed + o.run * shape.most_runs + o.gap * shape.most_gap for o in each)
            for each, shape in zip(options, shapes, strict=True)
            if shape is not None
        )
        return most < LARGEST_PRICE

    def _add_access(self, options: tuple[Option, ...], shape: Shape | None) -> Any:
        """Variables of one access; what it costs."""
        model = self._model
        least_gaps = (0,) if shape is None else shape.least_gaps
        most_gap = 0 if shape is None else shape.most_gap
        runs = model.new_int_var(1, len(least_gaps), "")
        gap = model.new_int_var(least_gaps[0], max(most_gap, least_gaps[0]), "")
        view = model.new_bool_var("")
        model.add(runs == 1).only_enforce_if(view)
        model.add(runs >= 2).only_enforce_if(~view)
        if len(least_gaps) > 1:
            model.add(gap >= least_gaps[1]).only_enforce_if(~view)
        # An access that always spans what it does not want is never a view.
        model.add(gap == 0).only_enforce_if(view)
        chosen = [model.new_bool_var("") for _ in options]
        model.add_exactly_one(chosen)
        terms: list[Any] = []
        for option, x in zip(options, chosen, strict=True):
            if option.view:
                model.add_implication(x, view)
                continue
            if option.fixed:
                terms.append(option.fixed * x)
            if option.run or option.gap:
                most = option.run * len(least_gaps) + option.gap * most_gap
                paid = model.new_int_var(0, most, "")
                model.add(paid >= option.run * (runs - 1) + option.gap * gap).only_enforce_if(x)
                terms.append(paid)
        self._runs.append(runs)
        self._gaps.append(gap)
        self._views.append(view)
        self._chosen.append(chosen)
        return sum(terms)

    def add_cut(self, terms: Iterable[Term], least: int) -> None:
        """Of these accesses, runs and spans are at least so much, under every layout."""
        total = sum(
            run * (self._runs[access] - 1) + gap * self._gaps[access] for access, run, gap in terms
        )
        self._model.add(total >= least)

    def add_cost(self, members: Iterable[int], least: int) -> None:
        """These accesses cost at least so much, under every layout."""
        if least > 0:
            self._model.add(sum(self._costs[each] for each in members) >= least)

    def add_most_views(self, members: Iterable[int], most: int) -> None:
        """At most so many of these accesses are views."""
        self._model.add(sum(self._views[each] for each in members) <= most)

    def solve(self, deadline: Deadline, *, threads: int, seed: int) -> Solved | None:
        """Solve; None if nothing is known."""
        cp, solver = self._cp, self._cp.CpSolver()
        solver.parameters.num_workers = threads
        solver.parameters.random_seed = seed % (1 << 31)
        if deadline.remaining < 1e9:
            solver.parameters.max_time_in_seconds = max(0.01, deadline.remaining)
        status = solve_interruptibly(solver, self._model)
        if status == cp.INFEASIBLE:
            return Solved(0, None, is_infeasible=True)
        if status == cp.OPTIMAL:
            return Solved(round(solver.objective_value), self._read(solver))
        if status in (cp.FEASIBLE, cp.UNKNOWN):
            # All costs are whole numbers well below 2^53: the bound is one as well.
            bound = max(0, round(solver.best_objective_bound))
            return Solved(bound, self._read(solver) if status == cp.FEASIBLE else None)
        return None

    def _read(self, solver: Any) -> tuple[Chosen, ...]:
        return tuple(
            Chosen(
                next(o for o, x in zip(options, chosen, strict=True) if solver.value(x)),
                int(solver.value(runs)),
                int(solver.value(gap)),
            )
            for options, chosen, runs, gap in zip(
                self._options, self._chosen, self._runs, self._gaps, strict=True
            )
        )
