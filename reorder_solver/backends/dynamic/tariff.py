"""Tariffs: what an access may pay, as the lower envelope of linear prices, and relaxations of it.

The minimum over the modes of a price list is concave, not linear, in runs and span, so it is no
sum over the steps of an order. A :class:`Choice` narrows an access down to fewer modes; its
:meth:`Choice.relax` is a linear price that never exceeds what the access pays within the choice,
and equals it once nothing is left open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import gcd, lcm
from typing import TYPE_CHECKING, TypeAlias

from reorder_solver.backends.dynamic.joint import VIEW, Charge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.backends.dynamic.anatomy import Shape
    from reorder_solver.core.prices import PriceList
    from reorder_solver.presolve import ProblemAccess


@dataclass(frozen=True, slots=True)
class Line:
    """One mode: ``fixed + run * (r - 1) + gap * (s - n)`` where there are two runs or more."""

    fixed: int
    run: int
    gap: int

    def at(self, runs: int, gap: int) -> int:
        """Price at `runs` runs that span `gap` positions beyond the wanted ones."""
        return self.fixed + self.run * (runs - 1) + self.gap * gap


#: The modes of one price list.
Lines: TypeAlias = tuple[Line, ...]


def lines_of(prices: PriceList, channels: int, shape: Shape) -> Lines:
    """The modes of a price list that can be the cheapest for an access to `channels` channels."""
    lines: list[Line] = []
    if prices.gather is not None:
        lines.append(Line(prices.gather[0] + prices.gather[1] * channels, 0, 0))
    if prices.cat is not None:
        base, each, run = prices.cat
        lines.append(Line(base + each * channels + run, run, 0))
    if prices.cover is not None:
        lines.append(Line(0, 0, prices.cover[0]))
    if prices.split is not None:
        lines.append(Line(0, prices.split[0], 0))
    # Linear prices compare everywhere as they compare at the corners of what is possible.
    corners = [
        (runs, gap)
        for runs, least in enumerate(shape.least_gaps[1:], start=2)
        for gap in (least, shape.most_gap)
    ]
    kept: dict[tuple[int, ...], Line] = {}
    for line in lines:
        priced = tuple(line.at(runs, gap) for runs, gap in corners)
        if any(_nowhere_dearer(other, priced) for other in kept):
            continue
        kept = {other: held for other, held in kept.items() if not _nowhere_dearer(priced, other)}
        kept[priced] = line
    return tuple(kept.values())


def _nowhere_dearer(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    return all(a <= b for a, b in zip(first, second, strict=True))


class Views(Enum):
    """Whether the access is a view."""

    MAY = "may"
    MUST = "must"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is still open for one access.

    Attributes
    ----------
    views : Views
    lists : tuple of Lines
        Per price list the modes left.
    """

    views: Views
    lists: tuple[Lines, ...]

    @classmethod
    def of(cls, access: ProblemAccess, shape: Shape | None) -> Choice:
        """Everything open, except that a required access must be a view."""
        if access.required:
            return cls(Views.MUST, ())
        if shape is None or shape.most_runs < 2:
            return cls(Views.MAY, ())
        return cls(
            Views.MAY, tuple(lines_of(each, access.channels, shape) for each in access.prices)
        )

    @property
    def is_undecided(self) -> bool:
        """Whether it makes a difference to the relaxation that the access may be a view."""
        return self.views is Views.MAY and not all(map(_is_proportional, self.lists))

    @property
    def is_flat(self) -> bool:
        """Whether runs and span make no difference to what is paid for not being a view."""
        return not any(line.run or line.gap for lines in self.lists for line in lines)

    def pays(self, runs: int, gap: int) -> int:
        """Price within this choice."""
        return 0 if runs <= 1 else _sum_of_least(self.lists, runs, gap)

    def least(self, shape: Shape) -> int:
        """What it pays at least where it is no view; 0 if it always is one."""
        if self.views is Views.MUST or not self.lists:
            return 0
        return _sum_of_least(self.lists, 2, shape.least_gaps[1])

    def most(self, shape: Shape) -> int:
        """No mode left, under no order, costs more."""
        return sum(
            max(line.at(shape.most_runs, shape.most_gap) for line in lines) for lines in self.lists
        )

    def entry(self, shape: Shape) -> int:
        """What of :meth:`least` is paid for being no view at all, however few the runs."""
        if not self.is_undecided or shape.most_runs == 2:
            return 0
        lists = [lines for lines in self.lists if not _is_proportional(lines)]
        return max(0, _chord(lists, shape, 1, None)[0])

    def relax(self, shape: Shape, scale: int, paid: int) -> Charge:
        """A linear price, times `scale`, that is nowhere above :meth:`pays` within the choice.

        `paid`, at most :meth:`entry` times `scale`, is left out of the price of being no view:
        the caller accounts for it otherwise.
        """
        if self.views is Views.MUST:
            return VIEW
        never = self.views is Views.NEVER
        linear = [each for each in self.lists if len(each) == 1 and (never or not each[0].fixed)]
        concave = [each for each in self.lists if len(each) > 1 or not (never or not each[0].fixed)]
        fixed, run = _chord(concave, shape, scale, None if never else paid)
        return Charge(
            fixed=fixed + scale * sum(each[0].fixed for each in linear),
            run=run + scale * sum(each[0].run for each in linear),
            gap=scale * sum(each[0].gap for each in linear),
        )

    def settled(self, runs: int, gap: int) -> Charge:
        """The price of whatever is cheapest with these facts."""
        if self.views is Views.MUST or (runs <= 1 and self.lists):
            return VIEW
        lines = [min(each, key=lambda line: line.at(runs, gap)) for each in self.lists]
        return Charge(*(sum(column) for column in zip(*map(_parts, lines), strict=True)))

    def split(self, runs: int, gap: int) -> tuple[Choice, Choice] | None:
        """Two choices that make up this one; None where nothing is open.

        Parameters
        ----------
        runs, gap : int
            Facts, of two runs or more, at which :meth:`relax` falls short.
        """
        if self.is_undecided:
            return replace(self, views=Views.MUST), replace(self, views=Views.NEVER)
        open_lists = [number for number, lines in enumerate(self.lists) if len(lines) > 1]
        if not open_lists:
            return None
        number = max(open_lists, key=lambda each: _sum_of_least((self.lists[each],), runs, gap))
        lines = self.lists[number]
        cheapest = min(lines, key=lambda line: line.at(runs, gap))
        others = tuple(line for line in lines if line is not cheapest)
        return self._with_list(number, (cheapest,)), self._with_list(number, others)

    def _with_list(self, number: int, lines: Lines) -> Choice:
        return replace(self, lists=(*self.lists[:number], lines, *self.lists[number + 1 :]))


def _parts(line: Line) -> tuple[int, int, int]:
    return line.fixed, line.run, line.gap


def _is_proportional(lines: Lines) -> bool:
    """Whether the price falls to 0, linearly, as the access becomes a view."""
    return len(lines) == 1 and not lines[0].fixed


def _sum_of_least(lists: Iterable[Lines], runs: int, gap: int) -> int:
    return sum(min(line.at(runs, gap) for line in lines) for lines in lists)


def _chord(lists: list[Lines], shape: Shape, scale: int, paid: int | None) -> tuple[int, int]:
    """``fixed`` and ``run`` of ``fixed + run * (r - 1)``, nowhere above the sum of the lists.

    With `paid` None for all ``r >= 2``, and exact for ``r = 2`` and the least possible gap. Else
    for all ``r``: the price less `paid` where there are two runs or more, 0 where there is one.
    """
    if not lists:
        return 0, 0
    prices = {
        runs: scale * _sum_of_least(lists, runs, gap)
        for runs, gap in enumerate(shape.least_gaps[1:], start=2)
    }
    if paid is not None:
        return 0, min((price - paid) // (runs - 1) for runs, price in prices.items())
    begin = prices.pop(2)
    # No steeper than from 0 at one run, so that a view, which the choice rules out, is not paid.
    run = min([begin, *((price - begin) // (runs - 2) for runs, price in prices.items())])
    return begin - run, run


def unit_of(choices: Iterable[Choice]) -> int:
    """Greatest common divisor of all prices, 1 if there are none."""
    parts = (
        part
        for choice in choices
        for lines in choice.lists
        for line in lines
        for part in _parts(line)
    )
    return gcd(*parts) or 1


def in_units(choice: Choice, unit: int) -> Choice:
    """The same choice, priced in a `unit` that divides all its prices."""
    return replace(
        choice,
        lists=tuple(
            tuple(Line(*(part // unit for part in _parts(line))) for line in lines)
            for lines in choice.lists
        ),
    )


def scale_of(shapes: Iterable[Shape | None], most: int) -> int:
    """What to multiply prices by so that chords are whole numbers, but at most `most`."""
    runs = max((shape.most_runs for shape in shapes if shape is not None), default=1)
    return max(1, min(lcm(*range(1, runs)), most))
