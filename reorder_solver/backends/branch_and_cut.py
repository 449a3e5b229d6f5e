"""Runs, exactly: the shortest tour through channel classes, found and proven by branch and cut.

Tensors are laid end to end (:mod:`reorder_solver.backends.concatenation`), which makes the
weighted runs half the length of a tour. Tours come from a local search; the bound from the subtour
programme, rounded up to the next length that a tour can have: a multiple of twice the weights'
common divisor. If these do not meet, several tensors are taken one by one
(:mod:`reorder_solver.backends.folding`). Else tours of just the bound's length are looked for among
the few edges that such a tour can have, by branch and cut; where there are none the bound rises by
one step, and so on.

References
----------
L. T. Kou, "Polynomial complete consecutive information retrieval problems", SIAM Journal on
Computing 6 (1977) 67-75, DOI 10.1137/0206004.

G. Dantzig, R. Fulkerson, S. Johnson, "Solution of a large-scale traveling-salesman problem",
Journal of the Operations Research Society of America 2 (1954) 393-410, DOI 10.1287/opre.2.4.393.

M. Padberg, G. Rinaldi, "A branch-and-cut algorithm for the resolution of large-scale symmetric
traveling salesman problems", SIAM Review 33 (1991) 60-100, DOI 10.1137/1033004.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, ClassVar

from reorder_solver.backends.base import Answer, Task
from reorder_solver.backends.concatenation import Concatenations
from reorder_solver.backends.folding import ChainSolver
from reorder_solver.backends.junctions import kept_apart
from reorder_solver.backends.local_search import feasible_start
from reorder_solver.backends.runs_backend import RunsBackend
from reorder_solver.backends.tour_proof import runs_part
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from reorder_solver.backends.concatenation import Sequence
    from reorder_solver.backends.shortest_tour import TourAnswer
    from reorder_solver.core.limits import Deadline
    from reorder_solver.core.proof import ComponentPart
    from reorder_solver.presolve import Orders, Problem

#: More classes than this are refused: all their distances are kept.
MOST_CLASSES = 4096
#: Without so many seconds for each pair of nodes, distances and first bounds are not begun.
_PER_PAIR = 1e-7
#: Share of the time for what cut accesses can join.
_FOR_CUTS = 0.2
#: Distances times nodes may be this much.
_DISTANCE_LIMIT = 2**50


class SequenceBound(RunsBackend):
    """Shortest tours through the columns of each sequence of tensors.

    Where accesses disagree on a sequence they are cut, and what is proven is a bound only.
    """

    name: ClassVar[str] = "sequence-bound"
    summary: ClassVar[str] = "bound on runs by sequences of tensors"
    takes_required: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("numba", "ortools")
    #: What solves a sequence.
    solver: ClassVar[type[ChainSolver]] = ChainSolver

    def _too_large(self, problem: Problem, weights: list[int]) -> str | None:
        if problem.classes > MOST_CLASSES:
            return f"{problem.classes} channel classes; it takes up to {MOST_CLASSES}"
        if (problem.classes + 1) * sum(weights) > _DISTANCE_LIMIT * max(1, gcd(*weights)):
            return "the weights are too large for its 64-bit integers"
        return None

    def solve(self, task: Task) -> Answer:
        """Return a proven optimum, or the best orders and bound when time ran out."""
        start = feasible_start(task.problem, task.start)
        if start is None:
            return Answer(None, stop_reason=StopReason.PROVEN, infeasible=True)
        return _Solving(task, start, self.solver).run()


class BranchAndCut(SequenceBound):
    """The same where there is one sequence, and so the optimum."""

    name: ClassVar[str] = "branch-and-cut"
    summary: ClassVar[str] = "proven optimum for runs (subtour LP, cuts, few branches; GLOP)"
    is_exact: ClassVar[bool] = True

    def supports(self, problem: Problem) -> str | None:
        """Refuse also what bounds do not settle: accesses that disagree on a sequence."""
        reason = super().supports(problem)
        if reason is None and not Concatenations.of(problem).is_exact:
            return "accesses disagree on how the tensors follow each other"
        return reason


class _Solving:
    """One call: sequence after sequence."""

    def __init__(self, task: Task, start: Orders, solver: type[ChainSolver]) -> None:
        self._task = task
        self._kind = solver
        self._problem = task.problem
        self._model = Concatenations.of(task.problem)
        self._orders = start
        self._cost = task.problem.cost(start)
        self._bounds = [0] * len(self._model.sequences)
        self._apart = 0
        self._proof: ComponentPart | None = None

    def run(self) -> Answer:
        """Solve every sequence within its share of the time."""
        task, sequences = self._task, self._model.sequences
        task.report(self._orders, None)
        if self._model.cuts and not task.deadline.expired:
            self._apart = kept_apart(
                self._problem,
                self._model.cuts,
                task.deadline.share(_FOR_CUTS),
                seed=task.seed,
                threads=task.threads,
            )
            task.report(self._orders, self._bound)
        for number, sequence in enumerate(sequences):
            deadline = task.deadline.share(1 / (len(sequences) - number))
            if not any(sequence.weights) or deadline.remaining < _PER_PAIR * sequence.nodes**2:
                continue
            solver = self._solver(number, sequence, deadline)
            solver.run()
            self._take(number, sequence, solver.answer)
            if len(sequences) == 1 and self._model.is_exact and solver.answer.proof is not None:
                self._proof = runs_part(sequence, solver.answer.proof, self._bound)
        if self._cost.primary == self._bound:
            reason = StopReason.PROVEN
        else:
            reason = StopReason.TIME_LIMIT if task.deadline.expired else StopReason.FINISHED
        return Answer(self._orders, self._bound, reason, proof=self._proof)

    @property
    def _bound(self) -> int:
        return max(0, sum(self._bounds) + self._apart)

    def _solver(self, number: int, sequence: Sequence, deadline: Deadline) -> ChainSolver:
        def report() -> None:
            self._take(number, sequence, solver.answer)
            self._task.report(self._orders, self._bound)

        start = sequence.tour(self._orders)
        solver = self._kind(
            sequence, gcd(*sequence.weights), start, deadline, self._task.seed, report
        )
        return solver

    def _take(self, number: int, sequence: Sequence, answer: TourAnswer) -> None:
        """Take over a bound, and orders that are better."""
        cost = gcd(*sequence.weights) * answer.bound // 2 - sequence.first_runs
        self._bounds[number] = max(self._bounds[number], cost)
        orders = list(self._orders)
        if sequence.fill(answer.tour, orders):
            found = self._problem.cost(tuple(orders))
            if found < self._cost:
                self._orders, self._cost = tuple(orders), found
