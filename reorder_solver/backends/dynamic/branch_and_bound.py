"""Branch and bound over views and modes, with the dynamic programme as its relaxation.

A node says of every access whether it is a view and which modes are left to it. Two bounds add
up: conflicts among the views to be say what entering the ranks of the non-views costs, and the
dynamic programme says what the runs and spans cost beyond that, at linear prices that are never
above the true ones. The orders it finds are layouts, so every node may improve the incumbent.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from reorder_solver.backends.dynamic.conflict_pool import ConflictPool
from reorder_solver.backends.dynamic.joint import LARGEST_TOTAL, Charge, minimise
from reorder_solver.backends.dynamic.prefix_table import OutOfTimeError
from reorder_solver.backends.dynamic.tariff import Choice, Views, in_units, scale_of, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.backends.base import Task
    from reorder_solver.backends.dynamic.anatomy import Anatomy
    from reorder_solver.presolve import Cost, Orders, ViewSet

Choices: TypeAlias = tuple[Choice, ...]


@dataclass(order=True, slots=True)
class _Node:
    """Choices still open.

    Attributes
    ----------
    bound : int
        In units, what all orders within the choices cost at least. Nodes compare by it; of equal
        ones the deeper and then the older node is first.
    height : int
        Minus the depth.
    number : int
    choices : tuple of Choice
    views : ViewSet
        The accesses that must be views; never changed.
    fitting : tuple of int
        The same, as far as they are not required.
    is_fresh : bool
        Whether `views` have changed since the parent.
    """

    bound: int
    height: int
    number: int
    choices: Choices = field(compare=False)
    views: ViewSet = field(compare=False)
    fitting: tuple[int, ...] = field(compare=False)
    is_fresh: bool = field(compare=False)


class BranchAndBound:
    """One search, best bound first.

    Parameters
    ----------
    anatomy : Anatomy
    task : Task
    base : ViewSet
        The required accesses; they fit together.

    Attributes
    ----------
    best : Orders or None
        Cheapest orders known.
    cost : Cost or None
        Of `best`.
    bound : int
        Proven lower bound on the primary cost.
    is_flat : bool
        No price depends on runs or span.
    nodes, relaxations : int
        How many were looked at, and how often the dynamic programme ran.
    """

    def __init__(self, anatomy: Anatomy, task: Task, base: ViewSet) -> None:
        self.best: Orders | None = None
        self.cost: Cost | None = None
        self.bound = 0
        self.nodes = self.relaxations = 0
        self._anatomy, self._task = anatomy, task
        self._shapes = anatomy.shapes
        accesses = anatomy.problem.accesses
        priced = [
            Choice.of(access, shape) for access, shape in zip(accesses, self._shapes, strict=True)
        ]
        self._unit = unit_of(priced)
        root = tuple(in_units(choice, self._unit) for choice in priced)
        self.is_flat = all(choice.is_flat for choice in root)
        most = sum(
            choice.most(shape)
            for choice, shape in zip(root, self._shapes, strict=True)
            if shape is not None
        )
        self._scale = scale_of(self._shapes, LARGEST_TOTAL // (4 * most + 1))
        least = self._least(root)
        self._by_price = sorted(
            (number for number, price in enumerate(least) if price),
            key=lambda number: (-least[number], number),
        )
        undecided = [number for number in self._by_price if root[number].is_undecided]
        self.pool = ConflictPool(anatomy.problem, base, undecided)
        self._numbers = count(1)
        self._open = [_Node(0, 0, 0, root, base, (), is_fresh=True)]
        self._root = root
        self._settled: Cost | None = None

    def offer(self, orders: Orders) -> None:
        """Take over orders that are cheaper than the best known."""
        cost = self._anatomy.problem.cost(orders)
        if not cost.violated and (self.cost is None or cost < self.cost):
            self.best, self.cost = orders, cost
            self._task.report(orders, None)

    def run(self) -> bool:
        """Search; return whether `best` is proven (False: out of time)."""
        while self._open and not self._is_closed(self._open[0].bound):
            self._raise_bound(self._open[0].bound * self._unit)
            if self._task.deadline.expired:
                return False
            node = heapq.heappop(self._open)
            try:
                self._expand(node)
                self._settle()
            except OutOfTimeError:
                heapq.heappush(self._open, node)
                self._raise_bound(self._open[0].bound * self._unit)
                return False
        if self.cost is not None:
            self._raise_bound(self.cost.primary)
        return True

    def _raise_bound(self, bound: int) -> None:
        if self.cost is not None:
            # What is open may be known to be worse than the incumbent.
            bound = min(bound, self.cost.primary)
        if bound > self.bound:
            self.bound = bound
            self._task.report(None, bound)

    def _is_closed(self, bound: int) -> bool:
        return self.cost is not None and bound * self._unit >= self.cost.primary

    def _expand(self, node: _Node) -> None:
        self.nodes += 1
        if node.is_fresh:
            self._propagate(node)
        never = {n for n, choice in enumerate(node.choices) if choice.views is Views.NEVER}
        least = self._least(node.choices)
        extra, _ = self.pool.bound(least, set(node.fitting), never)
        node.bound = max(node.bound, extra + sum(least[each] for each in never))
        if self._is_closed(node.bound):
            return
        conflict = self._complete(node) if node.is_fresh or self.is_flat else None
        if self.is_flat:
            if conflict:
                members = [n for n in conflict if node.choices[n].is_undecided]
                branch = max(members, key=lambda n: (least[n], -n))
                self._branch(node, branch, node.choices[branch].split(2, 0))
        else:
            self._relax(node, never)

    def _least(self, choices: Iterable[Choice]) -> list[int]:
        return [
            0 if shape is None else choice.least(shape)
            for choice, shape in zip(choices, self._shapes, strict=True)
        ]

    def _propagate(self, node: _Node) -> None:
        """Settle that what does not fit the node's views is no view."""
        excluded = self.pool.excluded(set(node.fitting))
        choices = list(node.choices)
        for number in self._by_price:
            if not choices[number].is_undecided:
                continue
            if number not in excluded:
                if node.views.copy().add(number):
                    continue
                self.pool.learn(node.fitting, number)
            choices[number] = Choice(Views.NEVER, choices[number].lists)
        node.choices = tuple(choices)

    def _complete(self, node: _Node) -> frozenset[int] | None:
        """Offer orders with as many more views as fit; return a conflict that stood in the way."""
        views, fitting = node.views.copy(), list(node.fitting)
        conflict: frozenset[int] | None = None
        for number in self._by_price:
            if node.choices[number].views is not Views.MAY:
                continue
            if views.add(number):
                fitting.append(number)
            elif conflict is None and node.choices[number].is_undecided:
                conflict = self.pool.learn(fitting, number)
        for number in self._by_price:
            if node.choices[number].views is Views.NEVER:
                views.add(number)
        self.offer(views.orders())
        return conflict

    def _relax(self, node: _Node, never: set[int]) -> None:
        entries = [
            0 if shape is None else choice.entry(shape)
            for choice, shape in zip(node.choices, self._shapes, strict=True)
        ]
        entered, paid = self.pool.bound(entries, set(node.fitting), never)
        charges = [
            Charge() if shape is None else choice.relax(shape, self._scale, self._scale * each)
            for choice, shape, each in zip(node.choices, self._shapes, paid, strict=True)
        ]
        self.relaxations += 1
        found = minimise(self._anatomy, charges, self._task.deadline)
        if found is None:
            return
        value, orders = found
        self.offer(orders)
        node.bound = max(node.bound, entered - (-value // self._scale))
        if not self._is_closed(node.bound):
            self._branch_on_worst(node, charges, orders)

    def _branch_on_worst(self, node: _Node, charges: list[Charge], orders: Orders) -> None:
        """Branch on the access whose relaxed price falls short the most under `orders`."""
        worst: tuple[int, int, tuple[Choice, Choice]] | None = None
        for number, (runs, gap) in enumerate(self._facts(orders)):
            charge, choice = charges[number], node.choices[number]
            relaxed = charge.fixed + charge.run * (runs - 1) + charge.gap * gap
            short = self._scale * choice.pays(runs, gap) - relaxed
            if short > 0 and (worst is None or short > worst[0]):
                children = choice.split(runs, gap)
                if children is not None:
                    worst = short, number, children
        # Were nothing short, the orders would cost what the bound says, and the node be closed.
        assert worst is not None, "a relaxation below the price, but nothing left to decide"
        self._branch(node, worst[1], worst[2])

    def _facts(self, orders: Orders) -> list[tuple[int, int]]:
        """Runs, and positions spanned beyond the wanted ones, of every access."""
        problem = self._anatomy.problem
        return [
            (runs, span - access.channels)
            for access, (runs, span) in zip(problem.accesses, problem.facts(orders), strict=True)
        ]

    def _branch(self, node: _Node, at: int, children: tuple[Choice, Choice] | None) -> None:
        for child in children or ():
            views, fitting = node.views, node.fitting
            is_fresh = child.views is Views.MUST
            if is_fresh:
                views = views.copy()
                if not views.add(at):
                    continue
                fitting = (*fitting, at)
            choices = (*node.choices[:at], child, *node.choices[at + 1 :])
            number = next(self._numbers)
            heapq.heappush(
                self._open,
                _Node(node.bound, node.height - 1, number, choices, views, fitting, is_fresh),
            )

    def _settle(self) -> None:
        """Improve the incumbent: keep every access's mode, find the best orders, repeat."""
        root = self._root
        while not self.is_flat and self.best is not None and self.cost != self._settled:
            self._settled = self.cost
            charges = [
                choice.settled(runs, gap)
                for choice, (runs, gap) in zip(root, self._facts(self.best), strict=True)
            ]
            self.relaxations += 1
            found = minimise(self._anatomy, charges, self._task.deadline)
            if found is not None:
                self.offer(found[1])
