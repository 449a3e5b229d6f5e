"""One solve by implicit hitting sets: masters, fits and cuts in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.covering import Covering, greedy_cover
from formulations.covering_relaxation import CoveringRelaxation
from formulations.enumeration import Enumeration, can_enumerate
from reorder_solver.backends.base import Answer
from reorder_solver.backends.view_selection.improve import improve
from reorder_solver.backends.view_selection.selection import ViewSelection
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.covering import CoveringSolution
    from reorder_solver.backends.base import Task
    from reorder_solver.backends.view_selection.selection import Fitted
    from reorder_solver.presolve import Orders

#: Masters solved before the relaxation is asked for cuts; most problems are done by then.
_PLAIN_ROUNDS = 3
#: Further sequences that each solution of a master is separated in.
_SHUFFLES = 4
#: Effort of a master at first, and how much more the next one may take if it was not enough.
_EFFORT = 2.0
_MORE_EFFORT = 2.0
#: Most solutions of the relaxation that are cut off between two masters.
_CUT_ROUNDS = 20
#: Relative rise of the relaxation below which it is left alone.
_LEAST_RISE = 0.001
#: Noise on its values, by which sequences differ.
_SPREADS = (0.0, 0.2, 0.5)
#: Quick covers separated between two masters.
_PROBES = 20
#: Moves of the local search for an effort of one: at most so many, and less than so many leaves
#: of PQ-trees touched.
_MOVES = 100
_LEAVES = 200_000
#: Share of conflicting triples from which sets of views are enumerated.
_DENSE = 0.2
#: Effort of the local search before that, and share of the time left to list all triples.
_EFFORT_OF_DENSE = 10.0
_DENSE_SHARE = 0.3
#: Nodes of the enumeration between two looks at the deadline.
_NODES = 5000


class HittingSetRun:
    """What is known while one problem is being solved.

    Parameters
    ----------
    task : Task
    solve_master : callable
        Of a covering, the task, a hint and an effort.
    relaxes : bool
        Whether more may be done than solve masters: the linear relaxation (needs OR-Tools), and
        enumeration.
    """

    def __init__(
        self,
        task: Task,
        solve_master: Callable[[Covering, Task, list[int] | None, float], CoveringSolution],
        *,
        relaxes: bool,
    ) -> None:
        self._task = task
        self._solve_master = solve_master
        self._relaxes = relaxes
        self._rng = np.random.default_rng(task.seed)
        self._selection = ViewSelection.of(task.problem, task.deadline)
        self._bound = self._selection.certain
        self._cost: int | None = None
        self._places: list[int] = []
        self._orders: Orders = task.problem.identity()
        self._relaxation: CoveringRelaxation | None = None
        self._relaxed = 0
        self._enumerates = relaxes
        self._leaves = sum(
            wanted.size for access in task.problem.accesses for _, wanted in access.parts
        )

    def solve(self) -> Answer:
        """Return a proven optimum, or the best orders and bound when time ran out."""
        selection, deadline = self._selection, self._task.deadline
        everything = range(len(selection.items))
        start = self._start()
        if start:
            self._offer(selection.fit(start, deadline))
        self._offer(selection.fit(everything, deadline))
        if self._is_open() and not deadline.expired:
            selection.seed(deadline)
        reason = self._rounds()
        return Answer(self._orders, self._bound, reason, proof=selection.proof(self._bound))

    def _rounds(self) -> StopReason:
        selection, deadline = self._selection, self._task.deadline
        effort, rounds = _EFFORT, 0
        while self._is_open() and not deadline.expired:
            master = self._solve_master(selection.covering(), self._task, self._hint(), effort)
            self._raise_bound(selection.certain + master.lower_bound)
            if master.chosen is None:
                break
            known = len(selection.constraints)
            self._separate(set(master.chosen))
            rounds += 1
            if rounds >= _PLAIN_ROUNDS and self._is_open():
                self._cut()
                self._improve(effort)
                self._enumerate()
            if master.gave_up:
                effort *= _MORE_EFFORT
                self._probe()
            elif self._is_open() and len(selection.constraints) == known:
                # The same master would come back.
                return self._unless_expired(StopReason.FINISHED)
        return self._unless_expired(StopReason.FINISHED)

    def _unless_expired(self, reason: StopReason) -> StopReason:
        if not self._is_open():
            return StopReason.PROVEN
        return StopReason.TIME_LIMIT if self._task.deadline.expired else reason

    def _separate(self, paying: set[int]) -> None:
        """Find out whether the items not in `paying` fit; if not, why not, in many ways."""
        selection, deadline = self._selection, self._task.deadline
        sequence = [place for place in range(len(selection.items)) if place not in paying]
        fitted = selection.separate(sequence, deadline)
        is_cover = not fitted.rejected
        self._offer(fitted)
        for _ in range(0 if is_cover else _SHUFFLES):
            if deadline.expired:
                return
            selection.separate(self._rng.permutation(sequence).tolist(), deadline)

    def _cut(self) -> None:
        """Add constraints that solutions of the linear relaxation violate."""
        selection, deadline = self._selection, self._task.deadline
        if not self._relaxes:
            return
        if self._relaxation is None:
            self._relaxation = CoveringRelaxation(selection.weights)
        before = -1.0
        for _ in range(_CUT_ROUNDS):
            constraints = list(selection.constraints)
            self._relaxation.add(constraints[self._relaxed :])
            self._relaxed = len(constraints)
            solution = self._relaxation.solve(lambda: deadline.remaining)
            if solution is None:
                return
            values, height = solution
            for spread in _SPREADS:
                noise = spread * self._rng.random(values.size)
                sequence = np.argsort(values + noise, kind="stable").tolist()
                self._offer(selection.separate(sequence, deadline, values))
            if len(selection.constraints) == self._relaxed or deadline.expired:
                return
            if height < before + _LEAST_RISE * abs(before):
                return
            before = height

    def _probe(self) -> None:
        """Separate covers that are quickly found, so that fewer masters have to be solved."""
        selection, deadline = self._selection, self._task.deadline
        for _ in range(_PROBES):
            if deadline.expired:
                return
            # Integers, and no weight becomes zero.
            factors = self._rng.integers(64, 129, size=len(selection.weights)).tolist()
            weights = [w * f for w, f in zip(selection.weights, factors, strict=True)]
            cover = set(greedy_cover(Covering(tuple(weights), tuple(selection.constraints))))
            sequence = [place for place in range(len(weights)) if place not in cover]
            self._offer(selection.separate(sequence, deadline))

    def _enumerate(self) -> None:
        """Where nearly all triples conflict, go through the sets of views that remain."""
        selection, deadline = self._selection, self._task.deadline
        if not self._enumerates or not self._is_open():
            return
        self._enumerates = False
        if selection.triple_density() < _DENSE or not can_enumerate(selection.covering()):
            return
        self._improve(_EFFORT_OF_DENSE)
        selection.seed_all(deadline.share(_DENSE_SHARE))
        assert self._cost is not None
        search = Enumeration(selection.covering(), self._cost - selection.certain)
        while not search.is_exhausted and not deadline.expired:
            places = search.advance(_NODES)
            if places is None:
                continue
            fitted = selection.fit(places, deadline)
            if fitted.rejected:
                search.refuse(self._refusals(fitted))
            else:
                self._offer(fitted)
                search.accept(self._cost - selection.certain)
        if search.is_exhausted:
            self._raise_bound(self._cost)

    def _refusals(self, fitted: Fitted) -> list[tuple[tuple[int, ...], int]]:
        """Conflicts of the first item that does not fit, also from the other end."""
        selection, deadline = self._selection, self._task.deadline
        found = {
            (selection.conflict(accepted, fitted.rejected[0], deadline), 1): None
            for accepted in (fitted.places, fitted.places[::-1])
        }
        selection.constraints |= found
        return list(found)

    def _improve(self, effort: float) -> None:
        """Search for cheaper views, with more moves where they are quick."""
        selection = self._selection
        moves = max(1, int(effort * _LEAVES / max(self._leaves, _LEAVES / _MOVES)))
        places = improve(selection, self._places, self._task.deadline, moves, self._rng)
        if selection.cost(places) < (self._cost or 0):
            self._offer(selection.fit(places, self._task.deadline))

    def _start(self) -> list[int]:
        """Items that are views under the warm start."""
        start = self._task.start
        if start is None:
            return []
        facts = self._task.problem.facts(start)
        items = enumerate(self._selection.items)
        return [place for place, access in items if facts[access][0] <= 1]

    def _is_open(self) -> bool:
        return self._cost is None or self._cost > self._bound

    def _hint(self) -> list[int]:
        views = set(self._places)
        return [place for place in range(len(self._selection.items)) if place not in views]

    def _raise_bound(self, bound: int) -> None:
        if bound > self._bound:
            self._bound = bound
            self._task.report(None, bound)

    def _offer(self, fitted: Fitted) -> None:
        """Add what else fits, and keep the outcome if it is the cheapest so far."""
        selection, deadline = self._selection, self._task.deadline
        views = set(fitted.places)
        rest = [place for place in range(len(selection.items)) if place not in views]
        full = selection.fit(rest, deadline, fitted)
        cost = selection.cost(full.places)
        if self._cost is not None and cost >= self._cost:
            return
        self._cost, self._places = cost, full.places
        self._orders = selection.orders(full, deadline)
        self._task.report(self._orders, self._bound)
