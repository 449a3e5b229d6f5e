"""What a chain that is taken apart proves, once more: plain loops, nothing shared."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from reorder_solver.core.proof import Claim, Fold, Tree

    Lengths: TypeAlias = dict[tuple[int, int], int]
    Holds: TypeAlias = Callable[[Tree, Lengths, int, int], bool]


def fold_holds(
    fold: Fold,
    tensors: list[str],
    lengths: Lengths,
    target: int,
    out: set[tuple[int, int]],
    holds: Holds,
) -> bool:
    """Whether `fold` proves `target`, if tours have none of the edges `out`.

    ``tensors[v]`` is the tensor of node ``v``; the outside is the node after them. `holds` says
    whether a tree proves a length, given the lengths of all edges and the number of nodes.
    """
    outside = len(tensors)
    names = list(dict.fromkeys(tensors))
    groups = [[v for v, name in enumerate(tensors) if name == each] for each in names]
    own = [lengths[v, outside] for v in range(outside)]
    if fold.goal < target:
        return False

    def away(order: list[int], stages: tuple[tuple[Claim, ...], ...]) -> list[int] | None:
        costs = [own[v] for v in groups[order[0]]]
        for group, near, claims in zip(order, order[1:], stages, strict=False):
            nodes = groups[group]
            values = {claim.node: claim.value for claim in claims}
            if any(not 0 <= claim.node < len(nodes) for claim in claims):
                return None
            for claim in claims:
                barrier = fold.goal + max(lengths.values()) * 2 + 9
                towards = [_next(barrier, own[v]) for v in nodes]
                towards[claim.node] = own[nodes[claim.node]]
                inner = _segment(nodes, lengths, costs, towards)
                reached = own[nodes[claim.node]] + claim.value
                if not holds(claim.tree, inner, len(nodes) + 2, reached):
                    return None
            costs = []
            for v in groups[near]:
                steps = [
                    (entry, lengths[min(v, w), max(v, w)])
                    for entry, w in enumerate(nodes)
                    if (min(v, w), max(v, w)) not in out
                ]
                if any(entry not in values for entry, _ in steps):
                    return None
                least = min((length + values[entry] for entry, length in steps), default=fold.goal)
                costs.append(
                    _next(least, own[v]) if least < fold.goal else _next(fold.goal, own[v])
                )
        return costs

    last, first = len(groups) - len(fold.behind), len(fold.before)
    behind = away([*range(len(groups) - 1, last - 2, -1)], fold.behind)
    before = away([*range(first + 1)], fold.before)
    if behind is None or before is None:
        return False
    nodes = [v for group in groups[first:last] for v in group]
    far = [_next(fold.goal, own[v]) for v in nodes]
    ends = far[: len(nodes) - len(behind)] + behind, before + far[len(before) :]
    inner = _segment(nodes, lengths, *(ends if fold.behind else ends[::-1]))
    return holds(fold.core, inner, len(nodes) + 2, target)


def _next(number: int, parity: int) -> int:
    return number if (number - parity) % 2 == 0 else number + 1


def _segment(nodes: list[int], lengths: Lengths, first: list[int], second: list[int]) -> Lengths:
    count = len(nodes)
    found = {(i, j): lengths[nodes[i], nodes[j]] for i, j in combinations(range(count), 2)}
    found |= {(i, count): first[i] for i in range(count)}
    found |= {(i, count + 1): second[i] for i in range(count)}
    found[count, count + 1] = 0
    return found
