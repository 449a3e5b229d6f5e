"""Options: the ways to serve an access, each linear in its runs and its span."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from reorder_solver.backends.dynamic.tariff import Line, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.backends.dynamic.anatomy import Shape
    from reorder_solver.presolve import ProblemAccess


@dataclass(frozen=True, slots=True)
class Option:
    """One way to serve an access: ``fixed + run * (r - 1) + gap * (s - n)``, or as a view only.

    Attributes
    ----------
    fixed, run, gap : int
        None of them negative.
    view : bool
        It must be one run and pays nothing.
    most_runs : int
        With more runs, another option of the access is at least as cheap, whatever the span.
    """

    fixed: int = 0
    run: int = 0
    gap: int = 0
    view: bool = False
    most_runs: int = 0

    @property
    def is_flat(self) -> bool:
        """Whether the order makes no difference."""
        return not (self.view or self.run or self.gap)


VIEW = Option(view=True, most_runs=1)


def options_of(access: ProblemAccess, shape: Shape | None) -> tuple[Option, ...]:
    """The options of an access; what it pays is the least of them, under every order.

    Several price lists of one access are added up: one option for each choice of a mode from
    every list.
    """
    if access.required:
        return (VIEW,)
    if shape is None or shape.most_runs < 2:
        return (Option(),)
    lists = [lines_of(each, access.channels, shape) for each in access.prices]
    lines = _undominated([_sum(chosen) for chosen in product(*lists)], shape)
    found = [
        Option(line.fixed, line.run, line.gap, most_runs=_most_runs(line, lines, shape))
        for line in lines
    ]
    if all(line.fixed for line in lines):
        # Without a fixed price, the cheapest for one run is to pay nothing anyway.
        found.append(VIEW)
    return tuple(found)


def _sum(lines: Iterable[Line]) -> Line:
    chosen = tuple(lines)
    return Line(
        sum(line.fixed for line in chosen),
        sum(line.run for line in chosen),
        sum(line.gap for line in chosen),
    )


def _undominated(lines: list[Line], shape: Shape) -> list[Line]:
    """Leave out lines that are nowhere cheaper than one of the others."""
    # Linear prices compare everywhere as they compare at the corners of what is possible.
    corners = [
        (runs, gap)
        for runs, least in enumerate(shape.least_gaps[1:], start=2)
        for gap in (least, shape.most_gap)
    ]
    kept: list[tuple[tuple[int, ...], Line]] = []
    for line in lines:
        prices = tuple(line.at(*corner) for corner in corners)
        if any(_nowhere_above(other, prices) for other, _ in kept):
            continue
        kept = [each for each in kept if not _nowhere_above(prices, each[0])]
        kept.append((prices, line))
    return [line for _, line in kept]


def _nowhere_above(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    return all(a <= b for a, b in zip(first, second, strict=True))


def _most_runs(line: Line, lines: list[Line], shape: Shape) -> int:
    """The most runs at which `line` is cheaper than every line whose price no span changes."""
    most = shape.most_runs
    for other in lines:
        if other is line or other.gap or other.run > line.run:
            continue
        # The gap of `line` only adds to its price.
        while most > 1 and line.at(most, shape.least_gaps[most - 1]) >= other.at(most, 0):
            most -= 1
    return most
