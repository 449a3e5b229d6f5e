"""What a bound on runs proves, once more: plain loops, for small proofs, nothing shared.

Only the arithmetic. That nodes, sets and accesses are what they should be is taken for granted.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import ceil, gcd
from typing import TYPE_CHECKING

from plain_folds import fold_holds

from reorder_solver.core.proof import Fold, Leaf, Sieve

if TYPE_CHECKING:
    import reorder_solver as rs
    from reorder_solver.core.proof import RunsPart, Tree


def is_proven(instance: rs.Instance, objective: rs.Objective, part: RunsPart) -> bool:
    """Whether the numbers of `part` prove its bound."""
    wanted = {access.id: _wanted(instance, access) for access in instance.accesses}
    weights: dict[str, int] = {}
    for name in part.accesses:
        alike = [each for each in instance.accesses if wanted[each.id] == wanted[name]]
        is_free = any(each.required for each in alike)
        weights[name] = 0 if is_free else sum(_weight(each, objective) for each in alike)
    unit = gcd(*weights.values())
    if not unit:
        return part.bound == 0
    nodes: list[tuple[str, int] | None] = [*part.nodes, None]
    lengths = {
        (i, j): sum(
            weight // unit
            for name, weight in weights.items()
            if _wants(wanted[name], nodes[i]) != _wants(wanted[name], nodes[j])
        )
        for i, j in combinations(range(len(nodes)), 2)
    }
    firsts = sum(weight for name, weight in weights.items() if any(c for _, c in wanted[name]))
    target = 2 * ceil(Fraction(part.bound + firsts, unit))
    tensors = [tensor for tensor, _ in part.nodes]
    return _holds(part.tree, lengths, len(nodes), target, {}, tensors)


def _holds(
    tree: Tree,
    lengths: dict[tuple[int, int], int],
    count: int,
    target: int,
    known: dict[tuple[int, int], bool],
    tensors: list[str],
) -> bool:
    """Whether `tree` proves `target`; `known` says which edges are in the tour and which not."""
    if isinstance(tree, Fold):
        out = {edge for edge, is_used in known.items() if not is_used}
        return fold_holds(tree, tensors, lengths, target, out, _holds_alone)
    if isinstance(tree, Leaf):
        return _rounded(_value(tree, lengths, count, known)) >= target
    if isinstance(tree, Sieve):
        value = _value(tree.leaf, lengths, count, known)
        out = {
            edge: False
            for edge in lengths
            if edge not in known
            and _rounded(value + max(0, _reduced(tree.leaf, lengths, edge))) >= target
        }
        return _holds(tree.rest, lengths, count, target, known | out, tensors)
    edge = min(tree.tail, tree.head), max(tree.tail, tree.head)
    return edge in lengths and all(
        _holds(case, lengths, count, target, known | {edge: is_used}, tensors)
        for case, is_used in ((tree.apart, False), (tree.adjacent, True))
        if known.get(edge, is_used) == is_used
    )


def _holds_alone(tree: Tree, lengths: dict[tuple[int, int], int], count: int, target: int) -> bool:
    """Without tensors, so without folds."""
    return _holds(tree, lengths, count, target, {}, [])


def _value(
    leaf: Leaf, lengths: dict[tuple[int, int], int], count: int, known: dict[tuple[int, int], bool]
) -> Fraction:
    if count < 2:
        return Fraction(0)
    scale = 2**leaf.exponent
    total = Fraction(2 * (sum(leaf.nodes) + sum(number for _, number in leaf.sets)), scale)
    for edge in lengths:
        cost = _reduced(leaf, lengths, edge)
        times = 2 if count == 2 else 1
        total += times * (min(0, cost) if edge not in known else cost if known[edge] else 0)
    return total


def _reduced(leaf: Leaf, lengths: dict[tuple[int, int], int], edge: tuple[int, int]) -> Fraction:
    leaving = sum(
        number for members, number in leaf.sets if (edge[0] in members) != (edge[1] in members)
    )
    both = leaf.nodes[edge[0]] + leaf.nodes[edge[1]]
    return lengths[edge] - Fraction(both + leaving, 2**leaf.exponent)


def _rounded(value: Fraction) -> int:
    return ceil(value / 2) * 2


def _wanted(instance: rs.Instance, access: rs.Access) -> list[tuple[str, tuple[int, ...]]]:
    """Parts that matter, as tensors and channels."""
    used = {part.tensor for each in instance.accesses for part in each.parts if part.channels.size}
    fixed = {tensor.id for tensor in instance.tensors if tensor.fixed}
    parts = [
        (part.tensor, tuple(part.channels.tolist()))
        for part in access.parts
        if part.tensor in used | fixed
    ]
    while parts and not parts[0][1]:
        parts = parts[1:]
    while parts and not parts[-1][1]:
        parts = parts[:-1]
    return parts


def _wants(parts: list[tuple[str, tuple[int, ...]]], node: tuple[str, int] | None) -> bool:
    return node is not None and any(
        tensor == node[0] and node[1] in channels for tensor, channels in parts
    )


def _weight(access: rs.Access, objective: rs.Objective) -> int:
    if objective.value == "runs":
        return access.weight
    assert access.prices is not None
    assert access.prices.split is not None
    return access.prices.split[0]
