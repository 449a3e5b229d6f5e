"""The flat arrays that the kernels work on.

Every tensor's classes are *nodes*, followed by one node that stands for what lies outside: nobody
wants it, and both ends of the tensor's order touch it. *Slots* are the positions
``0 .. classes + 1`` of a tensor; both end slots hold its outside node.

A *row* is what one access wants of one tensor. A node has one bit per row of its tensor, so that
the rows whose runs a move changes come from XORs of whole words. The rows of one word share a
weight, the price of a run. *Special* are the accesses whose cost is not a constant times
(runs - 1); only these are looked at one by one, and only their rows have records.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint64]
#: An array of records; numba reads ``array[k].field``.
Records: TypeAlias = npt.NDArray[Any]

#: Nodes in a neighbour list.
NEIGHBOURS = 20

#: Rows of `Arrays.saved`.
KEPT = 0
BEST = 1


def _integers(*names: str) -> list[tuple[str, type[np.signedinteger[Any]]]]:
    return [(name, np.int64) for name in names]


#: Single numbers. `value`, `kept`, `best`: what the working, kept and best orders cost. `work`:
#: steps of roughly equal duration. `descending`: 1 until the present descent has been judged.
#: `better`: 1 from when better orders were found until the caller takes note. `stale`:
#: perturbations since. `head`, `waiting`: start and length of the queue. `touched`: number of
#: accesses that the move at hand affects. `free_runs`: the weights of all first runs. `unit`: costs
#: differ if these numbers divided by it do. After `patience` perturbations without better orders
#: the search starts anew from the best, with `jolt` perturbations at once.
CONTROL = np.dtype(
    [
        *_integers(
            *("value", "kept", "best", "kicks", "work", "descending", "better", "stale"),
            *("head", "waiting", "touched", "free_runs", "unit", "patience", "jolt"),
        ),
        ("random", np.uint64),
    ],
    align=True,
)
#: Where the tensor's nodes, slots, words and links start (one more record says where they end).
#: Links: rows that a seam joins to the next row, then accesses whose span the tensor can change.
#: Positions outside ``low .. high`` are as in the kept orders.
TENSOR = np.dtype(
    _integers(
        *("classes", "movable", "node_start", "slot_start", "word_start"),
        *("seam_start", "span_start", "low", "high"),
    ),
    align=True,
)
#: `size`: how many channels; `begin`: how many lie before (only with spans). `queue`: a ring of
#: nodes, not about this node. `listed`: whether the neighbour list is made.
NODE = np.dtype(
    _integers("tensor", "size", "bit_start", "place", "begin", "queue", "queued", "listed"),
    align=True,
)
#: `weight`: price of a run of each of the word's rows; `guide`: the same for distances between
#: nodes, where it must not be zero throughout. `special`: the special rows, each in one word only.
#: `rise`, `fall`: those whose access changes its price when it gains, or loses, a run.
WORD = np.dtype(
    [
        *_integers("weight", "guide"),
        ("special", np.uint64),
        ("rise", np.uint64),
        ("fall", np.uint64),
    ],
    align=True,
)
#: Sorted by access, then by part. `word` counts within the node's words. `joined`: a seam joins it
#: to the next row. `first`, `last`: outermost positions, where a span starts or ends.
ROW = np.dtype(
    [
        *_integers(
            "access", "tensor", "word", "joined", "first", "last", "kept_first", "kept_last"
        ),
        ("mask", np.uint64),
    ],
    align=True,
)
#: Where the rows and price lists start (one more record says where they end). `spread`: how far the
#: last wanted part lies behind the first. `tie`: price of a run that the words do not hold.
#: `only_view`: one row, and runs beyond the first cost the same however many. `spanned`: the span
#: matters. `touched`: a list, not about this access. `noted`: whether the access is in that list;
#: `change`: by how many runs.
ACCESS = np.dtype(
    _integers(
        *("row_start", "list_start", "channels", "spread", "tie", "required", "only_view"),
        *("spanned", "runs", "kept_runs", "touched", "noted", "change"),
    ),
    align=True,
)
#: See :class:`~reorder_solver.backends.search.coefficients.Modes`.
MODES = np.dtype(_integers("gather", "cat", "cat_run", "split", "cover"), align=True)
#: An entry of a neighbour list: a node and its distance, nearest first.
NEAR = np.dtype(_integers("node", "gap"), align=True)


class Arrays(NamedTuple):
    """Everything a search reads and writes.

    Attributes
    ----------
    control, tensors, nodes, words, rows, accesses, lists : ndarray of records
        As above; only one `control`.
    near : ndarray of records, shape (nodes, NEIGHBOURS)
    bits : ndarray of uint64
        The words of every node, at its `bit_start`.
    row_of : ndarray of int64
        The row behind bit ``b`` of word ``w`` at ``64 * w + b``; -1 unless special.
    links : ndarray of int64
        Of every tensor, at its `seam_start` and `span_start`.
    order : ndarray of int64
        Nodes by slot: the working orders.
    saved : ndarray of int64, shape (2, slots)
        The orders to go back to, and the best.
    """

    control: Records
    tensors: Records
    nodes: Records
    words: Records
    rows: Records
    accesses: Records
    lists: Records
    near: Records
    bits: Words
    row_of: Ints
    links: Ints
    order: Ints
    saved: Ints
