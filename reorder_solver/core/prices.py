"""Prices: how an access may be served, and what each way costs (integers throughout)."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Mode(StrEnum):
    """What the export does to serve an access."""

    VIEW = "view"
    GATHER = "gather"
    CAT = "cat"
    COVER = "cover"
    SPLIT = "split"


class Objective(StrEnum):
    """A named price list (see :func:`reorder_solver.core.objectives.price_list`)."""

    COPIES = "copies"
    BYTES = "bytes"
    RUNS = "runs"
    LATENCY = "latency"

    @classmethod
    def parse(cls, name: str | Objective) -> Objective:
        """Return the objective called `name`; raise :class:`InputError` listing the known ones."""
        try:
            return cls(name)
        except ValueError:
            known = ", ".join(member.value for member in cls)
            raise InputError(f"unknown objective {shown(name)}; known: {known}") from None


#: Number of coefficients of each priced mode.
PRICE_ARITY: dict[str, int] = {"gather": 2, "cat": 3, "cover": 1, "split": 1}


def as_integer(value: Any, what: str, *, minimum: int = 0) -> int:
    """Return `value` as a Python int; floats, booleans and numbers below `minimum` raise.

    Raises
    ------
    InputError
        If `value` is not an integer (Python or numpy) or is smaller than `minimum`.
    """
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise InputError(f"{what} must be an integer, got {shown(value)}")
    number = operator.index(value)
    if number < minimum:
        raise InputError(f"{what} must be at least {minimum}, got {shown(number)}")
    return number


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices of the modes an access allows, apart from ``view``, which is free.

    With ``n`` channels in ``r`` runs over a span of ``s`` positions:

    ====== =================
    mode   price
    ====== =================
    gather ``g0 + g1*n``
    cat    ``k0 + k1*n + k2*r``
    cover  ``c1*(s - n)``
    split  ``p1*(r - 1)``
    ====== =================

    Parameters
    ----------
    gather, cat, cover, split : tuple of int or None
        The coefficients, all non-negative; None where the operation does not allow the mode.
    """

    gather: tuple[int, int] | None = None
    cat: tuple[int, int, int] | None = None
    cover: tuple[int] | None = None
    split: tuple[int] | None = None

    def __post_init__(self) -> None:
        for mode, arity in PRICE_ARITY.items():
            given = getattr(self, mode)
            if given is None:
                continue
            if isinstance(given, str | bytes) or not hasattr(given, "__len__"):
                raise InputError(f"price of {mode} must be a list of {arity} integers")
            if len(given) != arity:
                raise InputError(f"price of {mode} takes {arity} integers, got {len(given)}")
            clean = tuple(as_integer(value, f"price of {mode}") for value in given)
            object.__setattr__(self, mode, clean)

    @classmethod
    def from_mapping(cls, prices: Mapping[str, Iterable[int]]) -> PriceList:
        """Build from ``{mode: coefficients}``; an unknown mode raises :class:`InputError`."""
        unknown = sorted(set(prices) - set(PRICE_ARITY))
        if unknown:
            known = ", ".join(PRICE_ARITY)
            raise InputError(f"unknown mode {shown(unknown[0])} in prices; known: {known}")
        return cls(**prices)  # type: ignore[arg-type]

    def to_mapping(self) -> dict[str, tuple[int, ...]]:
        """The allowed modes and their coefficients."""
        return {
            mode: coefficients
            for mode in PRICE_ARITY
            if (coefficients := getattr(self, mode)) is not None
        }

    def __bool__(self) -> bool:
        return bool(self.to_mapping())

    def options(self, channels: int, runs: int, span: int) -> list[tuple[int, Mode]]:
        """All (price, mode) pairs an access with these facts may choose from, view included."""
        found: list[tuple[int, Mode]] = []
        if runs <= 1:
            found.append((0, Mode.VIEW))
        if self.gather is not None:
            found.append((self.gather[0] + self.gather[1] * channels, Mode.GATHER))
        if self.cat is not None:
            base, each, run = self.cat
            found.append((base + each * channels + run * runs, Mode.CAT))
        if self.cover is not None:
            found.append((self.cover[0] * (span - channels), Mode.COVER))
        if self.split is not None:
            found.append((self.split[0] * (runs - 1), Mode.SPLIT))
        return found

    def cheapest(self, channels: int, runs: int, span: int) -> tuple[int, Mode]:
        """Price and mode of the cheapest way to serve an access; the first listed wins a tie.

        Raises
        ------
        ValueError
            If the access is not a view and no mode is priced.
        """
        if runs <= 1:
            return 0, Mode.VIEW
        return min(self.options(channels, runs, span), key=operator.itemgetter(0))
