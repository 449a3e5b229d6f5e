"""Lower bounds on tours that integers prove: dual solutions of the subtour programme.

Give every node ``v`` a number ``pi[v]`` and some sets ``S`` of nodes a number ``mu[S] >= 0``. The
*reduced cost* of an edge is its length less the numbers of both ends and of all sets that it
leaves. A tour passes every node with two edges, leaves every set at least twice and uses an edge
at most once, hence is at least ::

    2 * sum(pi) + 2 * sum(mu) + sum over all edges of min(0, reduced cost)

long, whatever the numbers are (linear programming duality; Dantzig, Fulkerson, Johnson 1954).
Here they are integers over a power of two, and the sum is taken without any rounding, as a bound
for a tour code has to be (Applegate et al. 2006, section 5.4).

Where only tours count that leave certain *closed* sets just twice, those sets' numbers may be
negative as well.

References
----------
G. Dantzig, R. Fulkerson, S. Johnson, "Solution of a large-scale traveling-salesman problem",
Journal of the Operations Research Society of America 2 (1954) 393-410, DOI 10.1287/opre.2.4.393.

D. L. Applegate, R. E. Bixby, V. Chvatal, W. J. Cook, "The Traveling Salesman Problem: A
Computational Study", Princeton University Press 2006, ISBN 978-0-691-12993-8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from formulations.cut_separation import BoolArray, FloatArray, IntArray

#: Distances as given: any integer type.
Distances: TypeAlias = npt.NDArray[np.integer]

#: The number of nodes times the largest distance may be this much.
DISTANCE_LIMIT = 2**50
# Sums of reduced costs up to here stay clear of the ends of 64-bit integers.
_SUM_LIMIT = 2**61
# Floats, in which the sets are added up, hold all integers up to 2**53.
_FLOAT_LIMIT = 2**52
# A finer grid would change no bound.
_EXPONENT_LIMIT = 24
# Reduced costs worked out at a time.
_BLOCK = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """A dual solution, with all numbers as integers over ``2**exponent``.

    Attributes
    ----------
    nodes : ndarray of int64, (nodes,)
        ``pi``, of any sign.
    sets : ndarray of int64, (sets,)
        ``mu``, negative for closed sets only.
    members : ndarray of bool, (sets, nodes)
        Which nodes are in each set: some, but not all.
    exponent : int
    """

    nodes: IntArray
    sets: IntArray
    members: BoolArray
    exponent: int


def check_distances(distances: Distances) -> None:
    """Raise ValueError unless `distances` is a symmetric matrix of integers of moderate size."""
    if distances.ndim != 2 or distances.shape[0] != distances.shape[1]:
        raise ValueError(f"distances must be a square matrix, not of shape {distances.shape}")
    if not np.issubdtype(distances.dtype, np.integer):
        raise ValueError(f"distances must be integers, not {distances.dtype}")
    if not np.array_equal(distances, distances.T):
        raise ValueError("distances must be symmetric")
    if distances.shape[0] * _largest(distances) > DISTANCE_LIMIT:
        raise ValueError("distances are too large: nodes times the largest is beyond 2**50")


def check_certificate(
    distances: Distances,
    certificate: Certificate,
    step: int = 1,
    closed: BoolArray | None = None,
) -> int:
    """Work out, in integers, the bound on tours that `certificate` proves.

    Parameters
    ----------
    distances : ndarray of int, (nodes, nodes)
        Symmetric; the diagonal does not matter.
    certificate : Certificate
        Trusted in nothing: every one that is not refused proves its bound.
    step : int
        A divisor of the length of every tour, on the caller's word. The bound is rounded up to a
        multiple of it.
    closed : ndarray of bool, (sets, nodes), optional
        Sets that every tour in question leaves just twice.

    Returns
    -------
    int
        No closed tour through all nodes is shorter. With two nodes, it uses their edge twice.

    Raises
    ------
    ValueError
        If `distances` are not as above or too large, or the certificate is malformed: wrong
        shapes or types, a set of no or all nodes, a negative ``mu`` of a set that is not closed,
        or numbers so large that their sums might leave 64 bits.
    """
    check_distances(distances)
    if step < 1:
        raise ValueError(f"the step must be positive, not {step}")
    numerator = exact_bound(distances, certificate)
    check_signs(certificate, closed)
    return round_up(numerator, certificate.exponent, step)


def round_up(numerator: int, exponent: int, step: int) -> int:
    """The least multiple of `step` that is at least ``numerator / 2**exponent``."""
    return -(-numerator // (step << exponent)) * step


def check_signs(certificate: Certificate, closed: BoolArray | None) -> None:
    """Raise ValueError if a set that is not among the `closed` ones has a negative number."""
    negative = certificate.members[certificate.sets < 0]
    if not negative.shape[0]:
        return
    known = set() if closed is None else {side_of(row) for row in closed}
    if any(side_of(row) not in known for row in negative):
        raise ValueError("the number of a set is negative")


def side_of(members: BoolArray) -> bytes:
    """A key of a set of nodes, the same for its complement."""
    return bytes(members ^ members[0])


def exact_bound(distances: Distances, certificate: Certificate) -> int:
    """The bound that `certificate` proves, times ``2**exponent``; see :func:`check_certificate`.

    That negative numbers belong to closed sets is taken for granted.
    """
    total = constant_part(distances, certificate)
    for _first, costs in reduced_costs(distances, certificate):
        total += negative_part(distances.shape[0], costs)
    return total


def constant_part(distances: Distances, certificate: Certificate) -> int:
    """What the bound is without the edges' part, times ``2**exponent``.

    Raises
    ------
    ValueError
        If the certificate is malformed.
    """
    _check(distances, certificate)
    if distances.shape[0] < 2:
        return 0
    return 2 * (int(certificate.nodes.sum()) + int(certificate.sets.sum()))


def negative_part(n_nodes: int, costs: IntArray) -> int:
    """What a block of reduced costs adds to the bound."""
    # The tour through two nodes uses their edge twice.
    uses = 2 if n_nodes == 2 else 1
    # A row's sum fits 64 bits, a block's need not.
    return uses * sum(int(row) for row in np.minimum(costs, 0).sum(axis=1))


def reduced_costs(distances: Distances, certificate: Certificate) -> Iterator[tuple[int, IntArray]]:
    """Yield the reduced costs of all edges, times ``2**exponent``, some rows at a time.

    Yields
    ------
    first : int
        The first row of the block; its first column as well.
    costs : ndarray of int64
        Of the edges from each row's node to later ones; 0 on and below the diagonal.
    """
    count = distances.shape[0]
    shift = certificate.exponent
    columns = certificate.members.astype(np.float64)
    weighted = (columns * certificate.sets[:, None]).T
    inside = weighted.sum(axis=1).astype(np.int64)
    own = certificate.nodes + inside
    first = 0
    while first < count:
        last = min(count, first + max(1, _BLOCK // (count - first)))
        # Sums of integers below 2**52: exact in floats, and many times faster than in integers.
        shared = weighted[first:last] @ columns[:, first:]
        costs = distances[first:last, first:].astype(np.int64) << shift
        costs -= own[first:last, None]
        costs -= own[None, first:]
        costs += 2 * shared.astype(np.int64)
        yield first, np.triu(costs, 1)
        first = last


def reduced_costs_of(
    distances: Distances, certificate: Certificate, tails: IntArray, heads: IntArray
) -> IntArray:
    """The reduced costs of some edges, times ``2**exponent``."""
    inside = certificate.sets @ certificate.members.astype(np.int64)
    own = certificate.nodes + inside
    costs = distances[tails, heads].astype(np.int64) << certificate.exponent
    costs -= own[tails] + own[heads]
    for mu, members in zip(certificate.sets, certificate.members, strict=True):
        costs += 2 * mu * (members[tails] & members[heads])
    return costs


def make_certificate(
    distances: Distances,
    nodes: FloatArray,
    sets: FloatArray,
    members: BoolArray,
    n_closed: int = 0,
) -> Certificate | None:
    """Round a dual solution of the linear programme to a grid that is fine and safe.

    Parameters
    ----------
    distances : ndarray of int, (nodes, nodes)
    nodes, sets : ndarray of float64
    members : ndarray of bool, (sets, nodes)
        The first `n_closed` of the sets are closed.
    n_closed : int

    Returns
    -------
    Certificate or None
        None if there is no such grid, as for numbers that are not finite.
    """
    used = sets > 0.0
    used[:n_closed] = sets[:n_closed] != 0.0
    sets, members = sets[used], members[used]
    count = distances.shape[0]
    size = float(_largest(distances)) + 2.0 * float(np.abs(nodes).max(initial=0.0))
    size += 2.0 * float(np.abs(sets).sum())
    if not np.isfinite(size):
        return None
    # One unit for each rounding, so that they cannot carry a sum over a limit.
    size += 2.0 + 2.0 * sets.size
    limit = min(_SUM_LIMIT // (2 * max(1, count)), _FLOAT_LIMIT // 2)
    exponent = min(_EXPONENT_LIMIT, int(np.floor(np.log2(limit / size))))
    if exponent < 0:
        return None
    scale = float(2**exponent)
    return Certificate(
        np.rint(nodes * scale).astype(np.int64),
        np.rint(sets * scale).astype(np.int64),
        members,
        exponent,
    )


def _check(distances: Distances, certificate: Certificate) -> None:
    """Refuse certificates that are malformed or whose sums might overflow."""
    count = distances.shape[0]
    nodes, sets, members = certificate.nodes, certificate.sets, certificate.members
    if nodes.shape != (count,) or nodes.dtype != np.int64:
        raise ValueError(f"a certificate for {count} nodes needs as many 64-bit integers")
    if sets.ndim != 1 or sets.dtype != np.int64 or members.dtype != np.bool_:
        raise ValueError("the numbers of the sets must be 64-bit integers, their members booleans")
    if members.shape != (sets.size, count):
        raise ValueError(f"the members of {sets.size} sets have the shape {members.shape}")
    if bool(members.all(axis=1).any()) or not bool(members.any(axis=1).all()):
        raise ValueError("a set has no nodes, or all")
    if not 0 <= certificate.exponent <= 62:
        raise ValueError(f"the exponent {certificate.exponent} is not between 0 and 62")
    weight = sum(abs(mu) for mu in sets.tolist())
    size = (_largest(distances) << certificate.exponent) + 2 * _largest(nodes) + 2 * weight
    if size * count > _SUM_LIMIT or 2 * weight > _FLOAT_LIMIT:
        raise ValueError("the numbers of the certificate are too large to be added up in 64 bits")


def _largest(numbers: npt.NDArray[np.integer]) -> int:
    """The largest absolute value, as a Python integer."""
    return max(-int(numbers.min()), int(numbers.max())) if numbers.size else 0
