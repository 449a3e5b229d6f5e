"""First phase of a PQ-tree reduction: what a row touches, and whether it fits.

Nothing here changes the tree, so a row that does not fit leaves it as it was.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The type of the container is the type of the node: a P node keeps a set of children (a dict, for
# a reproducible order), a Q node a list.
Children = dict[int, None] | list[int]
NO_CHILDREN: list[int] = []
NONE = -1


class Step(NamedTuple):
    """A partial node on a path below the pertinent root."""

    node: int
    inner: int  # its partial child, or NONE
    ascending: bool  # of a Q node: whether its children, as stored, run from empty to full


class Plan(NamedTuple):
    """Where a row takes effect: the pertinent root and the paths of partial nodes below it."""

    root: int
    paths: list[list[Step]]
    low: int  # of a Q root: the pertinent children are children[low:high]
    high: int


def mark_full(
    leaves: Sequence[int], parent: Sequence[int], children: Sequence[Children]
) -> dict[int, list[int]]:
    """List the full children of every node that has some but is not full itself.

    Parameters
    ----------
    leaves : sequence of int
        Leaves of the row, not all of the tree.
    parent, children : sequence
        The tree, node by node.
    """
    full: defaultdict[int, list[int]] = defaultdict(list)
    for leaf in leaves:
        full[parent[leaf]].append(leaf)
    complete = [node for node, known in full.items() if len(known) == len(children[node])]
    for node in complete:  # grows on the way
        del full[node]
        up = parent[node]
        known = full[up]
        known.append(node)
        if len(known) == len(children[up]):
            complete.append(up)
    return dict(full)


def plan_reduction(
    full: Mapping[int, list[int]], root: int, parent: Sequence[int], children: Sequence[Children]
) -> Plan | None:
    """Find the pertinent root and the paths below it.

    Parameters
    ----------
    full : mapping of int to list of int
        Outcome of :func:`mark_full`; at least two full nodes.
    root : int
        The root of the tree.
    parent, children : sequence
        The tree, node by node.

    Returns
    -------
    Plan or None
        None if no order of the tree keeps the row consecutive.
    """
    found = _pertinent_root(full, root, parent)
    if found is None:
        return None
    top, partial = found
    paths: list[list[Step]] = []
    for head in partial[top]:
        path = _path(head, full, partial, children)
        if path is None:
            return None
        paths.append(path)
    siblings = children[top]
    if isinstance(siblings, dict):
        return Plan(top, paths, 0, 0)
    span = _span(siblings, full.get(top, NO_CHILDREN), partial[top])
    return None if span is None else Plan(top, paths, *span)


def _pertinent_root(
    full: Mapping[int, list[int]], root: int, parent: Sequence[int]
) -> tuple[int, dict[int, list[int]]] | None:
    """Find the pertinent root, and the partial children of it and of all partial nodes below."""
    # All paths upwards advance in turn until they have met in one node: that node is at most as
    # far above the pertinent root as the longest path is below it.
    partial: dict[int, list[int]] = {node: [] for node in full}
    queue = list(full)
    n_paths = len(queue)
    top = root
    for node in queue:  # grows on the way
        if n_paths == 1:
            top = node
            break
        up = parent[node]
        if up == NONE:
            continue
        known = partial.get(up)
        if known is None:
            partial[up] = [node]
            queue.append(up)
        elif len(known) == 2:
            return None
        else:
            known.append(node)
            n_paths -= 1
    while top not in full and len(partial[top]) == 1:
        top = partial[top][0]
    return top, partial


def _path(
    head: int,
    full: Mapping[int, list[int]],
    partial: Mapping[int, list[int]],
    children: Sequence[Children],
) -> list[Step] | None:
    """List the partial nodes from `head` downwards; None if they have no empty .. full layout."""
    path: list[Step] = []
    node = head
    while node != NONE:
        below = partial[node]
        if len(below) > 1:
            return None
        inner = below[0] if below else NONE
        siblings = children[node]
        ascending: bool | None = True
        if isinstance(siblings, list):
            ascending = _is_ascending(siblings, full.get(node, NO_CHILDREN), inner)
        if ascending is None:
            return None
        path.append(Step(node, inner, ascending))
        node = inner
    return path


def _is_ascending(siblings: list[int], full: list[int], inner: int) -> bool | None:
    """Tell whether a Q node's children run ``empty .. inner full ..`` (False: the other way).

    None if they do neither.
    """
    n_full = len(full)
    if not n_full:
        return True if siblings[-1] == inner else False if siblings[0] == inner else None
    wanted = set(full)
    if siblings[-1] in wanted:
        run, beside, ascending = siblings[-n_full:], siblings[-n_full - 1], True
    else:
        run, beside, ascending = siblings[:n_full], siblings[n_full], False
    fits = wanted.issuperset(run) and inner in (NONE, beside)
    return ascending if fits else None


def _span(siblings: list[int], full: list[int], partial: list[int]) -> tuple[int, int] | None:
    """Find the slice of a Q root's children that holds the full ones with the partial ones around.

    None if they do not stand like that.
    """
    low = siblings.index(full[0] if full else partial[0])
    high = low + 1
    if full:
        wanted = set(full)
        while low > 0 and siblings[low - 1] in wanted:
            low -= 1
        while high < len(siblings) and siblings[high] in wanted:
            high += 1
        if high - low < len(full):
            return None
    if low > 0 and siblings[low - 1] in partial:
        low -= 1
    if high < len(siblings) and siblings[high] in partial:
        high += 1
    return (low, high) if high - low == len(full) + len(partial) else None
