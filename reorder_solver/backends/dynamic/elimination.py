"""The least sum of a few tables over few choices: one choice after the other is eliminated.

References
----------
U. Bertele, F. Brioschi, "Nonserial Dynamic Programming", Academic Press 1972,
ISBN 978-0-12-093450-8.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """A table of summands, one axis per choice.

    Attributes
    ----------
    axes : tuple of int
        Numbers of the choices, none twice.
    values : ndarray
        int64 or Python integers; a scalar where there are no axes.
    """

    axes: tuple[int, ...]
    values: npt.NDArray[Any]


def least_sum(factors: Sequence[Factor]) -> tuple[int, dict[int, int]]:
    """The least sum of one entry per factor, and what is chosen for every axis.

    Notes
    -----
    The axis whose elimination needs the smallest table is eliminated first. Along a chain of
    tables that takes O(length * size^3); at worst, one table has all axes.
    """
    sizes = {
        axis: size
        for factor in factors
        for axis, size in zip(factor.axes, np.shape(factor.values), strict=True)
    }
    left = _merged(factors)
    steps: list[tuple[int, tuple[int, ...], npt.NDArray[Any]]] = []
    for axis, reach in _eliminated([factor.axes for factor in left], sizes):
        touched = [factor for factor in left if axis in factor.axes]
        left = [factor for factor in left if axis not in factor.axes]
        others = tuple(sorted(reach - {axis}))
        total = _sum(touched, (axis, *others), sizes)
        choice = np.asarray(total.argmin(axis=0))
        steps.append((axis, others, choice))
        left.append(Factor(others, np.asarray(total.min(axis=0))))
    chosen: dict[int, int] = {}
    for axis, others, choice in reversed(steps):
        chosen[axis] = int(choice[tuple(chosen[each] for each in others)])
    return sum(int(factor.values[()]) for factor in left), chosen


def largest_table(scopes: Sequence[tuple[int, ...]], sizes: dict[int, int]) -> int:
    """Entries of the largest table that :func:`least_sum` makes for factors with these axes."""
    return max(
        (prod(sizes[each] for each in reach) for _, reach in _eliminated(scopes, sizes)), default=1
    )


def _eliminated(
    scopes: Sequence[tuple[int, ...]], sizes: dict[int, int]
) -> Iterator[tuple[int, set[int]]]:
    """Every axis, and the axes of the table that eliminates it; the smallest table first."""
    reach = {axis: {axis} for axis in sizes}
    for scope in scopes:
        for axis in scope:
            reach[axis].update(scope)
    tables = {axis: prod(sizes[each] for each in near) for axis, near in reach.items()}
    while reach:
        axis = min(reach, key=lambda each: (tables[each], each))
        near = reach.pop(axis)
        yield axis, near
        for each in near - {axis}:
            reach[each] = (reach[each] | near) - {axis}
            tables[each] = prod(sizes[other] for other in reach[each])


def _merged(factors: Sequence[Factor]) -> list[Factor]:
    """One factor for all of the same axes: many accesses meet the same two tensors."""
    alike: dict[tuple[int, ...], list[npt.NDArray[Any]]] = {}
    for factor in factors:
        alike.setdefault(factor.axes, []).append(factor.values)
    return [Factor(axes, np.asarray(sum(values[1:], values[0]))) for axes, values in alike.items()]


def _sum(
    factors: Sequence[Factor], axes: tuple[int, ...], sizes: dict[int, int]
) -> npt.NDArray[Any]:
    total: npt.NDArray[Any] = np.zeros([sizes[axis] for axis in axes], dtype=np.int64)
    for factor in factors:
        by_axis = np.argsort([axes.index(axis) for axis in factor.axes])
        values = np.transpose(factor.values, by_axis)
        shape = [sizes[axis] if axis in factor.axes else 1 for axis in axes]
        total = total + values.reshape(shape)
    return total
