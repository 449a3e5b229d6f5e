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
        self._is_in = np.zeros((count, count), dtype=np.bool_)
        self._add(np.triu(_first_edges(lengths), 1))
        program = self._program
        is_entry = (program.heads == count - 1) & (program.tails < count - 2)
        self._edge_of = dict(
            zip(program.tails[is_entry].tolist(), np.flatnonzero(is_entry).tolist(), strict=True)
        )
        for edge in self._edge_of.values():
            program.fix(edge, 0.0)
        self._open: int | None = None

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
        """Let the last terminal have its edge to `entry` and no other."""
        if self._open is not None:
            self._program.fix(self._edge_of[self._open], 0.0)
        self._program.fix(self._edge_of[entry], None)
        self._open = entry

    def _priced(
        self, tours: Tours, solution: LinearSolution
    ) -> tuple[tuple[int, Certificate] | None, BoolArray]:
        """What a solution proves, and the edges that it lacks."""
        missing = np.zeros(self._is_in.shape, dtype=np.bool_)
        certificate = make_certificate(
            tours.distances, solution.nodes, solution.cuts, self._program.members, self._n_closed
        )
        if certificate is None:
            return None, missing
        numerator = constant_part(tours.distances, certificate)
        limit = min(-1, -int(_TOLERANCE * self._unit * 2**certificate.exponent))
        for first, costs in reduced_costs(tours.distances, certificate):
            numerator += negative_part(tours.distances.shape[0], costs)
            missing[first : first + costs.shape[0], first:] = costs < limit
        missing &= ~self._is_in
        return (round_up(numerator, certificate.exponent, 2), certificate), missing


def _first_edges(lengths: IntArray) -> BoolArray:
    """Those from every node to its nearest few and to the terminals."""
    count = lengths.shape[0]
    inner = lengths[:-2, :-2].copy()
    np.fill_diagonal(inner, np.iinfo(np.int64).max)
    near = np.argsort(inner, axis=1, kind="stable")[:, : min(_NEIGHBOURS, count - 3)]
    found = np.zeros((count, count), dtype=np.bool_)
    found[np.repeat(np.arange(count - 2), near.shape[1]), near.ravel()] = True
    found[:, -2:] = True
    return found | found.T
