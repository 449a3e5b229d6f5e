"""Consecutive block minimisation: order the columns of a 0/1 matrix so that its rows have few runs.

The model that :mod:`formulations.circuit` and :mod:`formulations.betweenness` solve, its exact
cost, and what may be believed of an engine's answer. Nothing here needs an engine.

References
----------
L. T. Kou, "Polynomial complete consecutive information retrieval problems", SIAM Journal on
Computing 6 (1977) 67-75, DOI 10.1137/0206004.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from operator import index
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]

#: Sums of weights over their common divisor, times the columns, stay below: exact in floats.
COST_LIMIT = 2**53


@dataclass(frozen=True, slots=True, eq=False)
class BlockMinimisation:
    """Minimise ``sum(weights[r] * runs of row r)`` over the orders of the columns.

    A run is a maximal set of neighbouring columns with a one in the row; its first run counts.

    Parameters
    ----------
    matrix : ndarray of bool, (rows, columns)
        Zeros and ones of another type are taken as well.
    weights : tuple of int
        Non-negative, one per row, of any size.

    Raises
    ------
    ValueError
        If the matrix has another number of dimensions or other values, or a weight is negative or
        missing.
    TypeError
        If a weight is no integer.
    """

    matrix: BoolArray
    weights: tuple[int, ...]

    def __post_init__(self) -> None:
        given = np.asarray(self.matrix)
        if given.ndim != 2:
            raise ValueError(f"the matrix must have two dimensions, not {given.ndim}")
        matrix = given.astype(np.bool_)
        if not np.array_equal(matrix, given):
            raise ValueError("the matrix must hold zeros and ones only")
        weights = tuple(map(index, self.weights))
        if len(weights) != matrix.shape[0]:
            raise ValueError(f"{len(weights)} weights for {matrix.shape[0]} rows")
        if min(weights, default=0) < 0:
            raise ValueError("a weight is negative")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "weights", weights)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    @property
    def unit(self) -> int:
        """Common divisor of the weights, and so of all costs; 1 if there are none."""
        return gcd(*self.weights) or 1

    @property
    def lowest(self) -> int:
        """What one run per row costs; no order costs less."""
        return sum(self.weights[row] for row in np.flatnonzero(self.matrix.any(axis=1)).tolist())

    @property
    def largest(self) -> int:
        """A bound on what any order costs, in units."""
        return sum(self.weights) // self.unit * (self.columns + 1)

    def cost(self, order: Iterable[int] | IntArray) -> int:
        """Exact weighted number of runs when the columns stand in `order`."""
        arranged = self.matrix[:, np.fromiter(order, dtype=np.int64)]
        begins = arranged.copy()
        begins[:, 1:] &= ~arranged[:, :-1]
        runs = begins.sum(axis=1).tolist()
        return sum(w * count for w, count in zip(self.weights, runs, strict=True))

    def starts(self) -> IntArray:
        """What it costs, in units, that one column follows another.

        Returns
        -------
        ndarray of int64, (columns + 1, columns + 1)
            Entry ``[i, j]`` adds up the weights of the rows that want ``j`` and not ``i``: their
            runs begin at ``j``. The last row and column stand for a column of zeros. A circuit
            through all of them costs what its order does, in either direction.

        Raises
        ------
        ValueError
            If `largest` exceeds :data:`COST_LIMIT`.
        """
        self._check_size()
        wants = np.zeros((self.columns + 1, len(self.weights)))
        wants[:-1] = self.matrix.T
        unit = self.unit
        weights = np.array([weight // unit for weight in self.weights], dtype=np.float64)
        weighted = wants * weights
        starts: IntArray = (weighted.sum(axis=1)[None, :] - wants @ weighted.T).astype(np.int64)
        return starts

    def distances(self) -> IntArray:
        """Weighted Hamming distances of the columns, in units, and last of a column of zeros.

        Returns
        -------
        ndarray of int64, (columns + 1, columns + 1)
            Symmetric. A tour through all nodes is twice as long as its order costs (Kou 1977).

        Raises
        ------
        ValueError
            If `largest` exceeds :data:`COST_LIMIT`.
        """
        starts = self.starts()
        return starts + starts.T

    def _check_size(self) -> None:
        if self.largest > COST_LIMIT:
            raise ValueError("the weights are too large for exact sums in 64 bits")


@dataclass(frozen=True, slots=True, eq=False)
class BlockSolution:
    """What is known of a :class:`BlockMinimisation`.

    Attributes
    ----------
    order : ndarray of int64
        The best permutation of the columns known.
    value : int
        Its exact cost.
    lower_bound : int
        Proven; a multiple of the common divisor of the weights.
    is_optimal : bool
        Whether they are equal.
    """

    order: IntArray
    value: int
    lower_bound: int

    @property
    def is_optimal(self) -> bool:
        """Whether `value` is proven to be the optimum."""
        return self.value == self.lower_bound

    @classmethod
    def of(
        cls,
        model: BlockMinimisation,
        orders: Iterable[Iterable[int] | IntArray],
        bound: int = 0,
    ) -> BlockSolution:
        """Take the cheapest of some orders, the first among equals, and the better bound.

        Parameters
        ----------
        model : BlockMinimisation
        orders : iterable of permutations
            At least one.
        bound : int
            A lower bound by an engine's word; ignored if an order refutes it.
        """
        candidates = [np.fromiter(order, dtype=np.int64) for order in orders]
        best = min(candidates, key=model.cost)
        value = model.cost(best)
        known = model.lowest if bound > value else max(bound, model.lowest)
        # Every cost is a multiple of the common divisor.
        return cls(best, value, -(-known // model.unit) * model.unit)


def checked_start(model: BlockMinimisation, start: Iterable[int] | IntArray | None) -> IntArray:
    """A start as an array, the given order of columns if there is none.

    Raises
    ------
    ValueError
        If it is no permutation of the columns.
    """
    identity = np.arange(model.columns, dtype=np.int64)
    if start is None:
        return identity
    given = np.fromiter(start, dtype=np.int64)
    if not np.array_equal(np.sort(given), identity):
        raise ValueError(f"the start is no permutation of {model.columns} columns")
    return given


def order_of_successors(successors: dict[int, int], columns: int) -> IntArray | None:
    """Follow a circuit from the column of zeros (number `columns`) around; None if it is none."""
    order: list[int] = []
    node = successors.get(columns)
    while node is not None and node != columns and len(order) < columns:
        order.append(node)
        node = successors.get(node)
    if node != columns or len(set(order)) != columns:
        return None
    return np.array(order, dtype=np.int64)
