"""Bounds on the tours that enter a group of nodes at a given node, for many such nodes.

The programmes differ in little: of one terminal's edges, all but one are out. So there is one
linear programme, in which those edges are fixed in turn, that keeps its cuts and its basis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.cut_separation import violated_cuts
from formulations.edge_program import EdgeProgram
from formulations.subtour_certificate import (
    Certificate,
    constant_part,
    make_certificate,
    negative_part,
    reduced_costs,
    round_up,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.chain_folding import Tours
    from formulations.cut_separation import BoolArray, IntArray
    from formulations.edge_program import LinearSolution

# Edges per node to start with.
_NEIGHBOURS = 8
# Lengths in the programme go up to this: GLOP's tolerances are absolute.
_LARGEST_LENGTH = 1000.0
# Reduced costs, in the programme's lengths, that count as zero.
_TOLERANCE = 1e-6
# Programmes solved for one node at most.
_ROUNDS = 60


class EntryBounds:
    """Bounds for one group, node after node.

    Parameters
    ----------
    tours : Tours
        Of any node; the last terminal is the one on the core's side.
    own : ndarray of int64, (nodes of the group,)
        Distances from that terminal, each where it is the only edge.
    seconds : callable
        Returns the seconds left, possibly infinite.
    """

    def __init__(self, tours: Tours, own: IntArray, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._n_closed = tours.closed.shape[0]
        count = tours.distances.shape[0]
        lengths = tours.distances.copy()
        lengths[:-2, -1] = lengths[-1, :-2] = own
        self._lengths = lengths
        self._unit = max(1.0, float(lengths.max()) / _LARGEST_LENGTH)
        self._program = EdgeProgram(count, self._unit, tours.closed)
        near = np.argpartition(
            lengths[:-2, :-2] + np.diag(np.full(count - 2, np.iinfo(np.int64).max // 2)),
            min(_NEIGHBOURS, count - 3) - 1,
            axis=1,
        )[:, :_NEIGHBOURS]
        is_in = np.zeros((count, count), dtype=np.bool_)
        is_in[np.repeat(np.arange(count - 2), near.shape[1]), near.ravel()] = True
        is_in[:, -2:] = True
        is_in |= is_in.T
        self._is_in = np.zeros_like(is_in)
        self._add(np.triu(is_in, 1))
        self._open = -1

    def _add(self, is_new: BoolArray) -> None:
        tails, heads = np.nonzero(is_new)
        self._program.add_edges(tails, heads, self._lengths[tails, heads].astype(np.float64))
        self._is_in |= is_new

    def bound(self, tours: Tours, entry: int) -> tuple[int, Certificate] | None:
        """A lower bound on `tours`, and what proves it.

        Parameters
        ----------
        tours : Tours
            As given, but with `entry` in place.
        entry : int

        Returns
        -------
        tuple or None
            None if time ran out or the solver gave up.
        """
        self._enter(entry)
        best: tuple[int, Certificate] | None = None
        dual = True
        for _ in range(_ROUNDS):
            solution = self._program.solve(self._seconds, dual=dual)
            if solution is None:
                break
            program = self._program
            members = program.members
            cuts = violated_cuts(members.shape[1], program.tails, program.heads, solution.edges)
            known = {row.tobytes() for row in members}
            new = np.array([row.tobytes() not in known for row in cuts], dtype=np.bool_)
            if new.any():
                program.add_cuts(cuts[new])
                dual = True
                continue
            found, missing = self._priced(tours, solution)
            if found is not None and (best is None or found[0] > best[0]):
                best = found
            if not missing.any():
                break
            self._add(missing)
            dual = False
        return best

    def _enter(self, entry: int) -> None:
        """Fix the edges of the last terminal."""
        program, last = self._program, self._lengths.shape[0] - 1
        places = np.flatnonzero((program.heads == last) & (program.tails < last - 1))
        for place in places.tolist():
            node = int(program.tails[place])
            if (self._open < 0 and node != entry) or node == self._open != entry:
                program.fix(place, 0.0)
            elif node == entry != self._open:
                program.fix(place, None)
        self._open = entry

    def _priced(
        self, tours: Tours, solution: LinearSolution
    ) -> tuple[tuple[int, Certificate] | None, BoolArray]:
        """What a solution proves, and the edges that it lacks."""
        none = np.zeros(self._is_in.shape, dtype=np.bool_)
        certificate = make_certificate(
            tours.distances, solution.nodes, solution.cuts, self._program.members, self._n_closed
        )
        if certificate is None:
            return None, none
        numerator = constant_part(tours.distances, certificate)
        limit = min(-1, -int(_TOLERANCE * self._unit * 2**certificate.exponent))
        missing = none
        for first, costs in reduced_costs(tours.distances, certificate):
            numerator += negative_part(tours.distances.shape[0], costs)
            missing[first : first + costs.shape[0], first:] = costs < limit
        missing &= ~self._is_in
        return (round_up(numerator, certificate.exponent, 2), certificate), missing
