"""PQ-tree: all orders of ``n`` leaves that keep every given row consecutive, in one tree.

The children of a *P node* may be permuted freely, those of a *Q node* may only be reversed as a
whole; the orders a tree admits are the frontiers it can take. :meth:`PQTree.reduce` replaces the
tree by the one that admits exactly the orders in which one more row is consecutive.

Booth and Lueker reduce bottom-up by matching templates. Here the same result is reached in two
phases. The first only looks: it marks the *full* nodes (all leaves in the row) and the *partial*
ones (some), finds the *pertinent root* (the lowest node above all leaves of the row) and checks
that the partial nodes below it form at most two downward paths, each of which can be laid out
with the empty part on one side and the full part on the other. The second opens the nodes of the
two paths into one sequence ``empty .. full full .. empty`` of a Q node. A row that does not fit
is found out in the first phase, so that nothing has to be undone.

References
----------
K. S. Booth, G. S. Lueker, "Testing for the consecutive ones property, interval graphs, and graph
planarity using PQ-tree algorithms", Journal of Computer and System Sciences 13 (1976) 335-379,
DOI 10.1016/S0022-0000(76)80045-1.
"""

from __future__ import annotations

from collections import Counter
from math import factorial
from operator import index
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.consecutive_ones.pertinent import (
    NO_CHILDREN,
    NONE,
    mark_full,
    plan_reduction,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from reorder_solver.consecutive_ones.pertinent import Children, Plan, Step

_Piece = tuple[int, list[int]]  # siblings of a Q node to be, and the Q node they come from or NONE


class PQTree:
    """The orders of ``0 .. n - 1`` in which every row reduced so far is consecutive.

    Parameters
    ----------
    n : int
        Number of leaves. A new tree admits every order.

    Raises
    ------
    ValueError
        If `n` is negative.

    Notes
    -----
    A reduction takes time in proportion to the leaves of the row and the nodes on the paths it
    changes, but for copies of lists: where it changes or splits a Q node, the list of that
    node's children is searched and copied (in C).

    References
    ----------
    Booth and Lueker 1976, DOI 10.1016/S0022-0000(76)80045-1.

    Examples
    --------
    >>> tree = PQTree(4)
    >>> tree.reduce([0, 2]), tree.reduce([2, 3]), tree.reduce([0, 3])
    (True, True, False)
    >>> print(tree)
    (1 [0 2 3])
    >>> tree.n_orders
    4
    """

    __slots__ = ("_children", "_n", "_parent", "_root", "_unused")

    def __init__(self, n: int) -> None:
        self._n = index(n)
        if self._n < 0:
            raise ValueError(f"a PQ-tree cannot have {n} leaves")
        # Nodes are numbers, the leaves first; `_unused` lists the numbers free for new nodes.
        self._parent: list[int] = [NONE] * self._n
        self._children: list[Children] = [NO_CHILDREN] * self._n
        self._unused: list[int] = []
        self._root = self._group(list(range(self._n))) if self._n else NONE

    def __len__(self) -> int:
        return self._n

    def copy(self) -> PQTree:
        """Return an independent tree that admits the same orders."""
        tree = object.__new__(PQTree)
        tree._n = self._n
        tree._parent = self._parent.copy()
        tree._children = self._children[: self._n]
        tree._children += [children.copy() for children in self._children[self._n :]]
        tree._unused = self._unused.copy()
        tree._root = self._root
        return tree

    def reduce(self, row: Iterable[int] | npt.NDArray[np.integer]) -> bool:
        """Require the leaves of a row to be consecutive.

        Parameters
        ----------
        row : iterable of int or integer array
            Leaves, in any order. Rows of none, one or all of them ask for nothing.

        Returns
        -------
        bool
            Whether an order remains. If not, the tree is as it was before the call.

        Raises
        ------
        ValueError
            If a leaf occurs twice or does not exist.
        TypeError
            If the row holds anything but integers (a boolean mask included).
        """
        leaves = self._checked(row)
        if not 1 < len(leaves) < self._n:
            return True
        full = mark_full(leaves, self._parent, self._children)
        if len(full) == 1:
            (siblings,) = full.values()
            if len(siblings) == 1:
                return True
        plan = plan_reduction(full, self._root, self._parent, self._children)
        if plan is None:
            return False
        if isinstance(self._children[plan.root], dict):
            self._reduce_p_root(plan, full)
        elif plan.paths:
            self._reduce_q_root(plan, full)
        return True

    def frontier(self) -> npt.NDArray[np.int64]:
        """One order that the tree admits.

        Returns
        -------
        numpy.ndarray of int64, shape (n,)
            The leaves, position by position; the same tree always gives the same order.
        """
        order: list[int] = []
        stack = [self._root] if self._n else []
        while stack:
            node = stack.pop()
            if node < self._n:
                order.append(node)
            else:
                stack.extend(reversed(self._children[node]))
        return np.array(order, dtype=np.int64)

    @property
    def n_orders(self) -> int:
        """The exact number of orders that the tree admits."""
        count = 1
        stack = [self._root] if self._n else []
        while stack:
            children = self._children[stack.pop()]
            if children:
                count *= factorial(len(children)) if isinstance(children, dict) else 2
                stack.extend(children)
        return count

    def __str__(self) -> str:
        """Bracket notation: ``(..)`` for P nodes, ``[..]`` for Q nodes."""
        words: list[str] = []
        stack: list[int | str] = [self._root if self._n else "()"]
        while stack:
            node = stack.pop()
            if isinstance(node, str):
                words.append(node)
            elif node < self._n:
                words.append(f" {node}")
            else:
                children = self._children[node]
                opening, closing = "()" if isinstance(children, dict) else "[]"
                words.append(f" {opening}")
                stack.append(closing)
                stack.extend(reversed(children))
        return "".join(words).replace("( ", "(").replace("[ ", "[").strip()

    def __repr__(self) -> str:
        return f"<PQTree {self}>"

    def _checked(self, row: Iterable[int] | npt.NDArray[np.integer]) -> list[int]:
        """Return the leaves of a row as Python ints."""
        if isinstance(row, np.ndarray):
            if row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
                raise TypeError(
                    f"a row must be a flat list of integers, not {row.ndim}-d {row.dtype}"
                )
            leaves: list[int] = row.tolist()
        else:
            leaves = list(map(index, row))
        if not leaves:
            return leaves
        for leaf in (min(leaves), max(leaves)):
            if not 0 <= leaf < self._n:
                raise ValueError(f"leaf {leaf} is not one of the {self._n} leaves of the PQ-tree")
        if len(set(leaves)) < len(leaves):
            twice = Counter(leaves).most_common(1)[0][0]
            raise ValueError(f"leaf {twice} occurs more than once in the row")
        return leaves

    def _reduce_p_root(self, plan: Plan, full: Mapping[int, list[int]]) -> None:
        """Group the full children below a P root, between the partial ones if there are any."""
        children = self._children[plan.root]
        assert isinstance(children, dict)
        full_children = full.get(plan.root, NO_CHILDREN)
        for node in full_children:
            del children[node]
        for path in plan.paths:
            del children[path[0].node]
        middle = [self._group(full_children)] if full_children else []
        if plan.paths:
            pieces = [*self._open(plan.paths[0], full), (NONE, middle)]
            if len(plan.paths) == 2:
                pieces += _reversed(self._open(plan.paths[1], full))
            group = self._join(pieces)
        else:
            (group,) = middle
        if children:
            children[group] = None
            self._parent[group] = plan.root
        else:
            self._replace(plan.root, group)
            self._discard(plan.root)

    def _reduce_q_root(self, plan: Plan, full: Mapping[int, list[int]]) -> None:
        """Open the partial children of a Q root in their places."""
        children = self._children[plan.root]
        assert isinstance(children, list)
        paths = {path[0].node: path for path in plan.paths}
        low, high = plan.low, plan.high
        pieces: list[_Piece] = [(plan.root, children[:low])]
        first, last = paths.get(children[low]), paths.get(children[high - 1])
        if first is not None:
            pieces += self._open(first, full)
        pieces.append((plan.root, children[low + (first is not None) : high - (last is not None)]))
        if last is not None:
            pieces += _reversed(self._open(last, full))
        pieces.append((plan.root, children[high:]))
        group = self._join(pieces)
        if group != plan.root:
            self._replace(plan.root, group)

    def _open(self, path: list[Step], full: Mapping[int, list[int]]) -> list[_Piece]:
        """List the nodes hanging off a path, from empty to full; its own P nodes are used up."""
        empties: list[_Piece] = []
        fulls: list[_Piece] = []
        for node, inner, ascending in path:
            children = self._children[node]
            full_children = full.get(node, NO_CHILDREN)
            if isinstance(children, list):
                run = children if ascending else children[::-1]
                cut = len(run) - len(full_children)
                fulls.append((node, run[cut:]))
                empties.append((node, run[: cut - (inner != NONE)]))
                continue
            for child in full_children:
                del children[child]
            if inner != NONE:
                del children[inner]
            if full_children:
                fulls.append((NONE, [self._group(full_children)]))
            if len(children) > 1:
                empties.append((NONE, [node]))
            else:
                empties.append((NONE, list(children)))
                self._discard(node)
        fulls.reverse()
        return empties + fulls

    def _join(self, pieces: list[_Piece]) -> int:
        """Make one Q node of all pieces."""
        # The largest of the Q nodes involved takes in the others: a node then gets a new parent
        # at most log2(n) times.
        owners = dict.fromkeys(owner for owner, _ in pieces if owner != NONE)
        if owners:
            joint = max(owners, key=lambda owner: len(self._children[owner]))
        else:
            joint = self._new_node([])
        sequence: list[int] = []
        for owner, nodes in pieces:
            sequence += nodes
            if owner != joint:
                for node in nodes:
                    self._parent[node] = joint
        self._children[joint] = sequence
        for owner in owners:
            if owner != joint:
                self._discard(owner)
        return joint

    def _replace(self, old: int, new: int) -> None:
        """Put a node in the place of another."""
        up = self._parent[new] = self._parent[old]
        if up == NONE:
            self._root = new
            return
        siblings = self._children[up]
        if isinstance(siblings, dict):
            del siblings[old]
            siblings[new] = None
        else:
            siblings[siblings.index(old)] = new

    def _group(self, nodes: list[int]) -> int:
        """Make a P node of the given nodes, or return the node itself if it is the only one."""
        if len(nodes) == 1:
            return nodes[0]
        group = self._new_node(dict.fromkeys(nodes))
        for node in nodes:
            self._parent[node] = group
        return group

    def _new_node(self, children: Children) -> int:
        if self._unused:
            node = self._unused.pop()
            self._children[node] = children
            return node
        self._parent.append(NONE)
        self._children.append(children)
        return len(self._parent) - 1

    def _discard(self, node: int) -> None:
        self._children[node] = NO_CHILDREN
        self._unused.append(node)


def _reversed(pieces: list[_Piece]) -> list[_Piece]:
    return [(owner, nodes[::-1]) for owner, nodes in reversed(pieces)]


def consecutive_order(
    n: int, rows: Iterable[Iterable[int] | npt.NDArray[np.integer]]
) -> npt.NDArray[np.int64] | None:
    """Find an order of ``0 .. n - 1`` in which every row is consecutive, or None if there is none.

    Parameters
    ----------
    n : int
        Number of columns.
    rows : iterable of iterable of int or integer array
        The columns each row wants side by side.

    Returns
    -------
    numpy.ndarray of int64, shape (n,), or None
        None if the rows, as a 0/1 matrix, do not have the consecutive ones property.

    Raises
    ------
    ValueError
        If `n` is negative, or a row lists a column twice or one that does not exist.

    References
    ----------
    Booth and Lueker 1976, DOI 10.1016/S0022-0000(76)80045-1.
    """
    tree = PQTree(n)
    return tree.frontier() if all(tree.reduce(row) for row in rows) else None
