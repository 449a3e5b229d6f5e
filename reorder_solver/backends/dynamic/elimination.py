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
    from collections.abc import Sequence


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
    left = list(factors)
    steps: list[tuple[int, tuple[int, ...], npt.NDArray[Any]]] = []
    open_axes = set(sizes)
    while open_axes:
        axis = min(open_axes, key=lambda each: (_table_size(left, each, sizes), each))
        touched = [factor for factor in left if axis in factor.axes]
        left = [factor for factor in left if axis not in factor.axes]
        others = tuple(sorted({each for factor in touched for each in factor.axes} - {axis}))
        total = _sum(touched, (axis, *others), sizes)
        choice = np.asarray(total.argmin(axis=0))
        steps.append((axis, others, choice))
        left.append(Factor(others, np.asarray(total.min(axis=0))))
        open_axes.remove(axis)
    chosen: dict[int, int] = {}
    for axis, others, choice in reversed(steps):
        chosen[axis] = int(choice[tuple(chosen[each] for each in others)])
    return sum(int(factor.values[()]) for factor in left), chosen


def largest_table(scopes: Sequence[tuple[int, ...]], sizes: dict[int, int]) -> int:
    """Entries of the largest table that :func:`least_sum` makes for factors with these axes."""
    left = [frozenset(scope) for scope in scopes]
    open_axes, largest = set(sizes), 1
    while open_axes:
        reach = {
            axis: frozenset().union({axis}, *(scope for scope in left if axis in scope))
            for axis in open_axes
        }
        tables = {axis: prod(sizes[each] for each in reach[axis]) for axis in open_axes}
        axis = min(open_axes, key=lambda each: (tables[each], each))
        largest = max(largest, tables[axis])
        left = [scope for scope in left if axis not in scope] + [reach[axis] - {axis}]
        open_axes.remove(axis)
    return largest


def _table_size(factors: Sequence[Factor], axis: int, sizes: dict[int, int]) -> int:
    reach = {each for factor in factors if axis in factor.axes for each in factor.axes}
    return prod(sizes[each] for each in reach)


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
