"""The linear programme of edges behind bounds on tours, in OR-Tools' GLOP.

Edges and cuts may be added and edges fixed between solves; GLOP goes on from the basis it has.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from formulations.glop import import_glop, solve_to_optimum

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.cut_separation import BoolArray, FloatArray, IntArray


# What half an edge to nowhere costs at first, in the programme's lengths, and how much more when
# that was too little.
_PENALTY = 1e4
_DEARER = 30.0
_MOST_PENALTY = 1e8
# Halves of edges to nowhere up to here are rounding errors.
_NOISE = 1e-7


class LinearSolution(NamedTuple):
    """An optimum of the programme.

    Attributes
    ----------
    edges : ndarray of float64
        What every edge carries.
    nodes, cuts : ndarray of float64
        Dual values.
    value : float
        Length of the fractional tour.
    is_tour : bool
        Every node has its two edges and every cut what it asks for; if not, edges that are fixed
        do not allow that, and `value` is a penalty.
    """

    edges: FloatArray
    nodes: FloatArray
    cuts: FloatArray
    value: float
    is_tour: bool


class EdgeProgram:
    """Minimise the length of edges, two (fractionally) at each node, under cuts.

    Edges have values between 0 and 1, and at least two leave every cut; of a *closed* cut, just
    two. Halves of edges to nowhere, at a penalty, keep the programme feasible whatever is fixed.

    Parameters
    ----------
    n_nodes : int
    unit : float
        Lengths are divided by it, as GLOP's tolerances are absolute.
    closed : ndarray of bool, (sets, nodes), optional
        The closed cuts. They come first among `members`.
    """

    def __init__(self, n_nodes: int, unit: float, closed: BoolArray | None = None) -> None:
        self._glop = import_glop()
        self._solver: Any = self._glop.Solver("tours", self._glop.Solver.GLOP_LINEAR_PROGRAMMING)
        self._solver.SuppressOutput()
        self._responses = import_module("ortools.linear_solver.linear_solver_pb2")
        self._unit = unit
        self._penalty = _PENALTY
        self._nodes: list[Any] = [self._solver.Constraint(2.0, 2.0) for _ in range(n_nodes)]
        self._cuts: list[Any] = []
        self._edges: list[Any] = []
        self._spare: list[Any] = [self._solver.NumVar(0.0, 2.0, "") for _ in range(n_nodes)]
        self._excess: list[Any] = []
        for node, half in zip(self._nodes, self._spare, strict=True):
            node.SetCoefficient(half, 1.0)
        self._price_halves()
        self.tails: IntArray = np.zeros(0, dtype=np.int64)
        self.heads: IntArray = np.zeros(0, dtype=np.int64)
        self.members: BoolArray = np.zeros((0, n_nodes), dtype=np.bool_)
        if closed is not None:
            self._add_cuts(closed, are_closed=True)

    def add_edges(self, tails: IntArray, heads: IntArray, lengths: FloatArray) -> None:
        """Add edges between `tails` and `heads`, so long."""
        crossed = self.members[:, tails] != self.members[:, heads]
        objective = self._solver.Objective()
        for place, (tail, head, length) in enumerate(
            zip(tails.tolist(), heads.tolist(), (lengths / self._unit).tolist(), strict=True)
        ):
            edge = self._solver.NumVar(0.0, 1.0, "")
            objective.SetCoefficient(edge, length)
            self._nodes[tail].SetCoefficient(edge, 1.0)
            self._nodes[head].SetCoefficient(edge, 1.0)
            for cut in np.flatnonzero(crossed[:, place]).tolist():
                self._cuts[cut].SetCoefficient(edge, 1.0)
            self._edges.append(edge)
        self.tails = np.concatenate([self.tails, tails])
        self.heads = np.concatenate([self.heads, heads])

    def add_cuts(self, members: BoolArray) -> None:
        """Ask that at least two edges leave each of these sets (one a row)."""
        self._add_cuts(members, are_closed=False)

    def _add_cuts(self, members: BoolArray, *, are_closed: bool) -> None:
        most = 2.0 if are_closed else self._solver.infinity()
        for inside in members:
            cut = self._solver.Constraint(2.0, most)
            for edge in np.flatnonzero(inside[self.tails] != inside[self.heads]).tolist():
                cut.SetCoefficient(self._edges[edge], 1.0)
            for node in np.flatnonzero(inside).tolist():
                cut.SetCoefficient(self._spare[node], 1.0)
            if are_closed:
                excess = self._solver.NumVar(0.0, self._solver.infinity(), "")
                cut.SetCoefficient(excess, -1.0)
                self._solver.Objective().SetCoefficient(excess, self._penalty)
                self._excess.append(excess)
            self._cuts.append(cut)
        self.members = np.concatenate([self.members, members])

    def fix(self, edge: int, value: float | None) -> None:
        """Fix what an edge (by number) carries, or let it be free again."""
        if value is None:
            self._edges[edge].SetBounds(0.0, 1.0)
        else:
            self._edges[edge].SetBounds(value, value)

    def solve(self, seconds: Callable[[], float], *, dual: bool) -> LinearSolution | None:
        """Solve, and stop early when `seconds` says that no time is left.

        Parameters
        ----------
        seconds : callable
            Returns the seconds left, possibly infinite.
        dual : bool
            By the dual simplex method: right after cuts were added or edges fixed. Else by the
            primal one: right after edges were added.

        Returns
        -------
        LinearSolution or None
            None if no optimum was found.
        """
        if not solve_to_optimum(self._glop, self._solver, seconds, dual=dual):
            return None
        return self._read()

    def _read(self) -> LinearSolution:
        """The optimum, all values at once: one by one takes as long as solving."""
        response = self._responses.MPSolutionResponse()
        self._solver.FillSolutionResponseProto(response)
        values, duals = np.array(response.variable_value), np.array(response.dual_value)
        is_edge = np.ones(values.size, dtype=np.bool_)
        is_edge[[half.index() for half in (*self._spare, *self._excess)]] = False
        n_nodes = len(self._nodes)
        return LinearSolution(
            values[is_edge],
            duals[:n_nodes] * self._unit,
            duals[n_nodes:] * self._unit,
            response.objective_value * self._unit,
            bool((values[~is_edge] <= _NOISE).all()),
        )

    def raise_penalty(self) -> bool:
        """Make halves of edges dearer; False if they are dear enough for any purpose."""
        if self._penalty >= _MOST_PENALTY:
            return False
        self._penalty *= _DEARER
        self._price_halves()
        return True

    def _price_halves(self) -> None:
        objective = self._solver.Objective()
        for half in (*self._spare, *self._excess):
            objective.SetCoefficient(half, self._penalty)
