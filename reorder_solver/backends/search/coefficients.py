"""Prices as 64-bit coefficients: one number per order, the primary cost far above the tie.

A kernel adds up ``primary * B + tie`` with ``B`` above any tie, which compares like the pair.
Greatest common divisors are taken out first. Where the largest possible sum still does not fit,
everything is shifted right: then the kernels are guided by rounded costs, and the caller compares
exact ones.

Where a problem breaks no ties, the number of runs takes the place of the tie, in amounts too small
to outweigh any cost: an access that is gathered costs the same in two runs as in twenty, but is
much nearer to being a view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.core.prices import PriceList
    from reorder_solver.presolve import Problem, ProblemAccess

#: Above every cost; the price of a mode that an access does not allow.
NEVER = 1 << 62
#: Bits that the sum of all costs may take up.
_ROOM = 60


class Modes(NamedTuple):
    """A price list for a known number of channels: a view is free, else the cheapest of these.

    Attributes
    ----------
    gather, cat, split, cover : int or None
        ``gather``, ``cat + cat_run * r``, ``split * (r - 1)`` and ``cover * (s - n)`` with `r`
        runs over a span of `s` positions; None is not allowed.
    cat_run : int
    """

    gather: int | None
    cat: int | None
    cat_run: int
    split: int | None
    cover: int | None

    @property
    def linear(self) -> bool:
        """Whether nothing but the split is allowed."""
        return self.split is not None and self.gather is self.cat is self.cover is None

    @property
    def flat(self) -> bool:
        """Whether nothing but the gather is allowed."""
        return self.gather is not None and self.cat is self.split is self.cover is None

    def worst(self, runs: int, room: int) -> int:
        """No price is larger, up to `runs` runs and `room` unwanted positions in the span."""
        each = (self.cat_run + (self.split or 0)) * runs
        return (self.gather or 0) + (self.cat or 0) + each + (self.cover or 0) * room

    def scaled(self, factor: int, divisor: int, shift: int) -> Modes:
        """Every price times `factor`, divided by `divisor` and shifted right."""

        def scale(price: int) -> int:
            return price * factor // divisor >> shift

        def scale_allowed(price: int | None) -> int | None:
            return None if price is None else scale(price)

        return Modes(
            scale_allowed(self.gather),
            scale_allowed(self.cat),
            scale(self.cat_run),
            scale_allowed(self.split),
            scale_allowed(self.cover),
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What one access costs, in Python integers.

    Attributes
    ----------
    access, channels : int
        Its index in the problem, and how many channels it wants.
    lists : tuple of Modes
        The cost is the sum over them.
    tie : int
        Price of a run beyond the first.
    most_runs, most_room : int
        Bounds on the runs and on the unwanted positions within the span.
    """

    access: int
    channels: int
    lists: tuple[Modes, ...]
    tie: int
    most_runs: int
    most_room: int

    @property
    def linear(self) -> bool:
        """Whether the cost is a constant times (runs - 1)."""
        return all(modes.linear for modes in self.lists)

    @property
    def run_price(self) -> int:
        """That constant."""
        return self.tie + sum(modes.split or 0 for modes in self.lists)

    def worst(self) -> int:
        """No cost, and nothing computed on the way to it, is larger."""
        lists = sum(modes.worst(self.most_runs, self.most_room) for modes in self.lists)
        return self.tie * self.most_runs + lists

    def scaled(self, factor: int, by_primary: int, by_tie: int, shift: int) -> Terms:
        """The primary prices times `factor`, both divided as told and shifted right."""
        lists = tuple(modes.scaled(factor, by_primary, shift) for modes in self.lists)
        tie = self.tie // by_tie >> shift
        return Terms(self.access, self.channels, lists, tie, self.most_runs, self.most_room)


@dataclass(frozen=True, slots=True)
class Coefficients:
    """The terms of all accesses that can cost anything, combined into one number each.

    Attributes
    ----------
    terms : tuple of Terms
    exact : bool
        Whether sums compare exactly like the costs; else they only guide.
    unit : int
        Sums compare like the costs if divided by this (rounding down).
    """

    terms: tuple[Terms, ...]
    exact: bool
    unit: int


def coefficients(problem: Problem) -> Coefficients:
    """Combine and scale the prices of `problem` so that no sum exceeds 64 bits."""
    kept = [
        terms
        for number, access in enumerate(problem.accesses)
        if (terms := _terms(problem, number)).tie or any(map(any, terms.lists)) or access.required
    ]
    if not any(each.tie for each in kept) and not all(each.linear for each in kept):
        guided, base = _combined([replace(each, tie=1) for each in kept if each.lists])
        required = [each for each in kept if not each.lists]
        if _excess(guided) == 0:
            return Coefficients((*guided, *required), exact=True, unit=base)
    combined, _ = _combined(kept)
    shift = _excess(combined)
    shifted = tuple(each.scaled(1, 1, 1, shift) for each in combined)
    return Coefficients(shifted, exact=shift == 0, unit=1)


def _combined(terms: Sequence[Terms]) -> tuple[list[Terms], int]:
    """Terms whose sum compares like (primary, tie), and the weight of the primary in it."""
    by_primary = gcd(*(price or 0 for each in terms for modes in each.lists for price in modes))
    by_tie = gcd(*(each.tie for each in terms)) or 1
    base = 1 + sum(each.tie // by_tie * each.most_runs for each in terms) if by_primary else 1
    return [each.scaled(base, by_primary or 1, by_tie, 0) for each in terms], base


def _excess(terms: Sequence[Terms]) -> int:
    """By how many bits the largest possible sum is too long."""
    return max(0, sum(each.worst() for each in terms).bit_length() - _ROOM)


def _terms(problem: Problem, number: int) -> Terms:
    access = problem.accesses[number]
    lists = () if access.required else tuple(_modes(each, access) for each in access.prices if each)
    most_runs = sum(
        min(wanted.size, int(problem.sizes[tensor].size) - wanted.size + 1)
        for tensor, wanted in access.parts
    )
    width = sum(int(problem.sizes[tensor].sum()) for tensor, _ in access.parts)
    tie = 0 if access.required else access.tie_weight
    return Terms(number, access.channels, lists, tie, most_runs, width - access.channels)


def _modes(prices: PriceList, access: ProblemAccess) -> Modes:
    n = access.channels
    return Modes(
        gather=None if prices.gather is None else prices.gather[0] + prices.gather[1] * n,
        cat=None if prices.cat is None else prices.cat[0] + prices.cat[1] * n,
        cat_run=0 if prices.cat is None else prices.cat[2],
        split=None if prices.split is None else prices.split[0],
        cover=None if prices.cover is None else prices.cover[0],
    )
