"""What a few of many accesses cost at least, each on its own or some together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reorder_solver.backends.base import Task
from reorder_solver.backends.dynamic.anatomy import Anatomy
from reorder_solver.backends.dynamic.joint import largest_joint
from reorder_solver.backends.subset_dp import SubsetDP
from reorder_solver.presolve import presolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.backends.dynamic.anatomy import Shape
    from reorder_solver.backends.modes.options import Option
    from reorder_solver.core.limits import Deadline
    from reorder_solver.presolve import Orders, Problem, ProblemAccess

#: Classes of a tensor for tables over their subsets; entries of what brings the tables together.
_TABLE_CLASSES = 16
_LARGEST_JOINT = 1 << 22


def fits_tables(anatomy: Anatomy) -> bool:
    """Whether tables tensor by tensor, and what brings them together, are small."""
    widths = [anatomy.problem.sizes[tensor].size for tensor in anatomy.free]
    return max(widths, default=0) <= _TABLE_CLASSES and largest_joint(anatomy) <= _LARGEST_JOINT


def least_alone(options: Sequence[Option], shape: Shape | None, least_runs: int) -> int:
    """What one access costs at least, knowing how few its runs can be."""
    if shape is None or (least_runs <= 1 and not shape.least_gaps[0]):
        return 0
    runs = max(1 if not shape.least_gaps[0] else 2, least_runs)
    gap = shape.least_gaps[min(runs, shape.most_runs) - 1]
    prices = [o.fixed + o.run * (runs - 1) + o.gap * gap for o in options if not o.view]
    return min(prices, default=0)


def least_together(problem: Problem, few: Sequence[int], deadline: Deadline) -> int:
    """A lower bound on what the accesses `few` cost, as good as time allows.

    Classes that none of them tells apart join, so that small sets of accesses make small problems
    however large the whole.
    """
    least = least_of(problem, [problem.accesses[number] for number in few], deadline)
    return 0 if least is None else least


def bound_together(
    problem: Problem,
    free: Sequence[int],
    alone: Sequence[int],
    deadline: Deadline,
    report: Callable[[int], None],
    sizes: Sequence[int],
) -> list[tuple[list[int], int]]:
    """Groups of neighbouring accesses, of all these sizes in turn, and what each costs at least.

    What disjoint groups cost adds up; `report` is told. `alone` is what every access costs at
    least; groups are made of those that are `free`.
    """
    found: list[tuple[list[int], int]] = []
    for size in sizes:
        total = sum(alone)
        groups = [list(free[at : at + size]) for at in range(0, len(free), size)]
        for left, group in zip(range(len(groups), 0, -1), groups, strict=True):
            if deadline.expired:
                return found
            least = least_together(problem, group, deadline.share(1 / left))
            found.append((group, least))
            total += max(0, least - sum(alone[each] for each in group))
            report(total)
    return found


def least_of(
    problem: Problem,
    accesses: Sequence[ProblemAccess],
    deadline: Deadline,
    offer: Callable[[Orders], object] | None = None,
) -> int | None:
    """As :func:`least_together`, of other accesses to the tensors of `problem`.

    None if no layout makes views of all that must be views. `offer` is given orders that are good
    for them.
    """
    reduced = presolve(replace(problem, accesses=tuple(accesses)))
    total = reduced.constant.primary
    if reduced.constant.violated:
        return None
    solutions = [component.problem.identity() for component in reduced.components]
    for number, component in enumerate(reduced.components):
        left, part = len(solutions) - number, component.problem
        if deadline.expired or not fits_tables(Anatomy.of(part)):
            continue
        task = Task(part, deadline.share(1 / left), 0, 1, None, _ignore)
        answer = SubsetDP().solve(task)
        if answer.infeasible:
            return None
        total += answer.lower_bound or 0
        if answer.orders is not None:
            solutions[number] = answer.orders
    if offer is not None:
        offer(reduced.lift(solutions))
    return total


def _ignore(_orders: Orders | None, _bound: int | None) -> None:
    pass
