"""Backends that prove what they claim, for small problems: so that the checker has proofs to check.

They are made for completeness, not speed: every minimal conflict for the view-or-pay objectives,
and for runs the whole subtour programme (every set of nodes) with branching on fractional edges.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations, permutations
from math import gcd
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.optimize import linprog

from formulations.covering import Covering
from formulations.hitting_set import solve_cpsat
from reorder_solver.backends import Answer, Backend, Task, make_backend
from reorder_solver.core.proof import Leaf, RunsPart, Sieve, Split, ViewsPart
from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from reorder_solver.core.proof import ComponentPart, Tree
    from reorder_solver.presolve import Problem, ProblemAccess

    Edges: TypeAlias = tuple[tuple[int, int], ...]

EXPONENT = 20


class Proving(Backend):
    """The dynamic programme for orders, and a proof of what it can prove itself."""

    name: ClassVar[str] = "proving"
    summary: ClassVar[str] = "small problems, with proofs"

    def __init__(self, *steps: str) -> None:
        self._steps = steps

    def solve(self, task: Task) -> Answer:
        """Orders of the dynamic programme, and our own bound."""
        silent = replace(task, report=lambda orders, _: task.report(orders, None))
        answer = make_backend("subset-dp").solve(silent)
        part: ComponentPart
        if task.problem.objective.value in ("copies", "bytes"):
            part = views_part(task.problem)
        else:
            part = runs_part(task.problem, *self._steps)
        return Answer(answer.orders, part.bound, answer.stop_reason, proof=part)


def least_price(access: ProblemAccess) -> int:
    """What an access pays at least as no view."""
    return sum(each.cheapest(access.channels, 2, access.channels + 1)[0] for each in access.prices)


def views_part(problem: Problem) -> ViewsPart[int]:
    """All minimal conflicts, and the cheapest way to meet them."""
    base = ViewSet(problem)
    for number, access in enumerate(problem.accesses):
        if access.required:
            assert base.add(number)
    open_items = [number for number, access in enumerate(problem.accesses) if not access.required]
    conflicts: list[tuple[int, ...]] = []
    for size in range(1, len(open_items) + 1):
        for chosen in combinations(open_items, size):
            if any(set(known) <= set(chosen) for known in conflicts):
                continue
            views = base.copy()
            if not all(views.add(each) for each in chosen):
                conflicts.append(chosen)
    constraints = _joined(conflicts, open_items)
    weights = tuple(least_price(access) for access in problem.accesses)
    solution = solve_cpsat(Covering(weights, constraints))
    assert solution.is_optimal
    return ViewsPart(constraints, solution.lower_bound)


def _joined(
    conflicts: list[tuple[int, ...]], items: list[int]
) -> tuple[tuple[tuple[int, ...], int], ...]:
    """One cardinality constraint where all triples of all items conflict."""
    triples = {each for each in conflicts if len(each) == 3}
    if len(items) > 3 and len(triples) == len(list(combinations(items, 3))):
        rest = [each for each in conflicts if len(each) != 3]
        return ((tuple(items), len(items) - 2), *((each, 1) for each in rest))
    return tuple((each, 1) for each in conflicts)


def runs_part(problem: Problem, *steps: str) -> RunsPart[int, tuple[int, int]]:
    """A tree of subtour programmes over the accesses along the best sequence of tensors.

    It begins with `steps`, each ``split`` or ``sieve``, even where there is no need.
    """
    sequence, numbers = max(
        ((each, _along(problem, each)) for each in permutations(range(len(problem.sizes)))),
        key=lambda pair: len(pair[1]),
    )
    return _Programme(problem, sequence, numbers).part(steps)


def _along(problem: Problem, sequence: Sequence[int]) -> list[int]:
    """Accesses whose tensors are neighbours in the sequence."""
    place = {tensor: number for number, tensor in enumerate(sequence)}
    found: list[int] = []
    for number, access in enumerate(problem.accesses):
        places = [place[tensor] for tensor, _ in access.parts]
        if places == list(range(places[0], places[0] + len(places))):
            found.append(number)
    return found


class _Programme:
    """The subtour programme of a problem with every set of nodes in it.

    Weights are divided by their common divisor.
    """

    def __init__(self, problem: Problem, sequence: Sequence[int], numbers: list[int]) -> None:
        self.sequence, self.numbers = tuple(sequence), numbers
        self.labels = [
            (tensor, one) for tensor in sequence for one in range(problem.sizes[tensor].size)
        ]
        self.count = len(self.labels) + 1
        place = {label: number for number, label in enumerate(self.labels)}
        accesses = [problem.accesses[number] for number in numbers]
        wants = np.zeros((len(accesses), self.count), dtype=np.bool_)
        self.weights = [
            0 if access.required else sum((each.split or (0,))[0] for each in access.prices)
            for access in accesses
        ]
        self.unit = gcd(*self.weights) or 1
        self.weights = [weight // self.unit for weight in self.weights]
        for row, access in zip(wants, accesses, strict=True):
            for tensor, wanted in access.parts:
                row[[place[tensor, int(one)] for one in wanted]] = True
        self.distances = sum(
            weight * (row[:, None] != row[None, :]).astype(object)
            for weight, row in zip(self.weights, wants, strict=True)
        )
        self.edges = list(combinations(range(self.count), 2))
        closed = {
            tuple(np.flatnonzero(row).tolist())
            for row, access in zip(wants, accesses, strict=True)
            if access.required
        }
        closed |= self._closed_by_tensors(problem)
        everything = tuple(range(self.count - 1))
        # A set of one node says no more than its degree, the set of all no more than the outside's.
        self.closed = sorted(each for each in closed if len(each) > 1 and each != everything)
        self.open = [
            each
            for size in range(2, self.count - 1)
            for each in combinations(range(self.count - 1), size)
            if each not in closed
        ]

    def _closed_by_tensors(self, problem: Problem) -> set[tuple[int, ...]]:
        """Each tensor, every prefix and suffix of the sequence; prefixes of fixed tensors."""
        nodes = [
            [number for number, (each, _) in enumerate(self.labels) if each == tensor]
            for tensor in self.sequence
        ]
        found: set[tuple[int, ...]] = set()
        for number, tensor in enumerate(self.sequence):
            before = list(chain(*nodes[:number]))
            found |= {tuple(nodes[number]), tuple(before), tuple(chain(*nodes[number:]))}
            if problem.fixed[tensor]:
                found |= {
                    tuple(before + nodes[number][:size]) for size in range(len(nodes[number]))
                }
        return {each for each in found if each}

    def part(self, steps: tuple[str, ...]) -> RunsPart[int, tuple[int, int]]:
        first_runs = sum(self.weights)
        if not first_runs or self.count < 3:
            leaf = Leaf((0,) * self.count, (), 0)
            if self.count == 2 and first_runs:
                leaf = Leaf((0, int(self.distances[0, 1])), (), 0)
            return self._part(leaf, 0)
        value, _ = self._solve((), (), self.open)
        target = -(-round(value * 1000) // 2000) * 2
        while True:
            tree = self._tree(target, (), (), steps)
            if tree is not None:
                best = tree, target
                target += 2
            else:
                return self._part(best[0], best[1] // 2 - first_runs)

    def _part(self, tree: Tree, bound: int) -> RunsPart[int, tuple[int, int]]:
        labels = tuple(self.labels)
        return RunsPart(tuple(self.numbers), self.sequence, labels, tree, max(0, bound) * self.unit)

    def _tree(
        self, target: int, used: Edges, unused: Edges, steps: tuple[str, ...] = ()
    ) -> Tree | None:
        """A tree that proves `target`; None if there is a shorter tour."""
        if steps and steps[0] == "sieve":
            return self._sieve(target, used, unused, steps[1:])
        value, found = self._solve(used, unused, self.open)
        if found is None:
            return self._ray(used, unused)
        leaf, edges = found
        if value > target - 1.99 and not steps:
            return leaf
        unknown = [edge for edge in self.edges if edge not in used and edge not in unused]
        fractional = [edge for edge in unknown if 0.01 < edges[edge] < 0.99]
        if not fractional and value < target - 1.99:
            return None
        if not unknown:
            return leaf
        edge = min(unknown, key=lambda each: (abs(edges[each] - 0.5), each))
        apart = self._tree(target, used, (*unused, edge), steps[1:])
        adjacent = self._tree(target, (*used, edge), unused, steps[1:])
        return None if apart is None or adjacent is None else Split(*edge, apart, adjacent)

    def _sieve(
        self, target: int, used: Edges, unused: Edges, steps: tuple[str, ...]
    ) -> Tree | None:
        """Sift by a programme without cuts, so that something is left to prove."""
        _, found = self._solve(used, unused, [])
        if found is None:
            return self._tree(target, used, unused, steps)
        leaf = found[0]
        costs = {edge: self._reduced_cost(leaf, *edge) for edge in self.edges}
        free = [edge for edge in self.edges if edge not in used and edge not in unused]
        numerator = 2 * sum(leaf.nodes) + 2 * sum(number for _, number in leaf.sets)
        numerator += sum(min(0, costs[edge]) for edge in free) + sum(costs[edge] for edge in used)
        most = ((target - 2) << leaf.exponent) - numerator
        out = tuple(edge for edge in free if max(0, costs[edge]) > most)
        rest = self._tree(target, used, (*unused, *out), steps)
        return None if rest is None else Sieve(leaf, rest)

    def _reduced_cost(self, leaf: Leaf, tail: int, head: int) -> int:
        cost = int(self.distances[tail, head]) << leaf.exponent
        cost -= leaf.nodes[tail] + leaf.nodes[head]
        return cost - sum(
            number for members, number in leaf.sets if (tail in members) != (head in members)
        )

    def _solve(
        self, used: Edges, unused: Edges, cuts: list[tuple[int, ...]]
    ) -> tuple[float, tuple[Leaf, dict[tuple[int, int], float]] | None]:
        bounds = [
            (1.0, 1.0) if edge in used else (0.0, 0.0) if edge in unused else (0.0, 1.0)
            for edge in self.edges
        ]
        solved = linprog(
            [float(self.distances[edge]) for edge in self.edges],
            A_ub=-self._crossings(cuts),
            b_ub=[-2.0] * len(cuts),
            A_eq=self._crossings([(node,) for node in range(self.count)] + self.closed),
            b_eq=[2.0] * (self.count + len(self.closed)),
            bounds=bounds,
            method="highs",
        )
        if solved.x is None:
            return 0.0, None
        equal = [round(float(each) * 2**EXPONENT) for each in solved.eqlin.marginals]
        more = [max(0, round(-float(each) * 2**EXPONENT)) for each in solved.ineqlin.marginals]
        sets = zip([*self.closed, *cuts], [*equal[self.count :], *more], strict=True)
        leaf = Leaf(
            tuple(equal[: self.count]),
            tuple((each, number) for each, number in sets if number),
            EXPONENT,
        )
        return solved.fun, (leaf, dict(zip(self.edges, solved.x.tolist(), strict=True)))

    def _crossings(self, sets: list[tuple[int, ...]]) -> np.ndarray:
        inside = np.zeros((len(sets), self.count), dtype=np.bool_)
        for row, members in zip(inside, sets, strict=True):
            row[list(members)] = True
        tails, heads = np.array(self.edges).T
        return (inside[:, tails] != inside[:, heads]).astype(np.float64)

    def _ray(self, used: Edges, unused: Edges) -> Leaf:
        """Numbers that prove any bound where the edges used and unused allow no solution.

        The programme with edges of no length, violated as little as possible: its duals, many
        times over.
        """
        equal = self._crossings([(node,) for node in range(self.count)] + self.closed)
        least = self._crossings(self.open)
        slack_equal = np.hstack([np.eye(len(equal)), -np.eye(len(equal))])
        slack_least = np.vstack([np.zeros((len(equal), len(least))), np.eye(len(least))])
        a_eq = np.hstack([equal, slack_equal, np.zeros((len(equal), len(least)))])
        a_ub = -np.hstack(
            [least, np.zeros((len(least), 2 * len(equal))), slack_least[len(equal) :]]
        )
        bounds = [
            (1.0, 1.0) if edge in used else (0.0, 0.0) if edge in unused else (0.0, 1.0)
            for edge in self.edges
        ]
        bounds += [(0.0, None)] * (2 * len(equal) + len(least))
        costs = [0.0] * len(self.edges) + [1.0] * (2 * len(equal) + len(least))
        solved = linprog(
            costs,
            A_ub=a_ub,
            b_ub=[-2.0] * len(least),
            A_eq=a_eq,
            b_eq=[2.0] * len(equal),
            bounds=bounds,
            method="highs",
        )
        assert solved.fun > 0.01
        scale = 2**EXPONENT * 100 * (1 + int(np.max(self.distances))) * self.count
        numbers = [round(float(each) * scale) for each in solved.eqlin.marginals]
        more = [max(0, round(-float(each) * scale)) for each in solved.ineqlin.marginals]
        sets = zip([*self.closed, *self.open], [*numbers[self.count :], *more], strict=True)
        return Leaf(
            tuple(numbers[: self.count]),
            tuple((each, number) for each, number in sets if number),
            EXPONENT,
        )
