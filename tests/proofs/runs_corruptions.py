"""Ways to spoil a bound on runs: numbers, cases, nodes, tensors and accesses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from proof_trees import changed_at, entries, located
from proven import any_of

from reorder_solver.core.proof import Fold, Leaf, RunsPart, Sieve, Split

if TYPE_CHECKING:
    from collections.abc import Callable

    from proven import Proven

    import reorder_solver as rs
    from reorder_solver.core.proof import Tree


def node_number_changed(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A node has another number."""

    def change(leaf: Leaf) -> Leaf:
        nodes = list(leaf.nodes)
        nodes[int(rng.integers(len(nodes)))] += _amount(rng, leaf)
        return replace(leaf, nodes=tuple(nodes))

    return _with_leaf(rng, proven, change)


def set_number_changed(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A set has a larger number."""

    def change(leaf: Leaf) -> Leaf | None:
        if not leaf.sets:
            return None
        sets = list(leaf.sets)
        number = int(rng.integers(len(sets)))
        sets[number] = (sets[number][0], sets[number][1] + abs(_amount(rng, leaf)))
        return replace(leaf, sets=tuple(sets))

    return _with_leaf(rng, proven, change)


def set_dropped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A set is missing."""

    def change(leaf: Leaf) -> Leaf | None:
        if not leaf.sets:
            return None
        sets = list(leaf.sets)
        del sets[int(rng.integers(len(sets)))]
        return replace(leaf, sets=tuple(sets))

    return _with_leaf(rng, proven, change)


def set_member_flipped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A node enters or leaves a set."""

    def change(leaf: Leaf) -> Leaf | None:
        if not leaf.sets:
            return None
        sets = list(leaf.sets)
        number = int(rng.integers(len(sets)))
        node = int(rng.integers(len(leaf.nodes) - 1))
        members = tuple(sorted({node} ^ set(sets[number][0])))
        if not members:
            return None
        sets[number] = (members, abs(sets[number][1]))
        return replace(leaf, sets=tuple(sets))

    return _with_leaf(rng, proven, change)


def exponent_changed(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """All numbers are over another power of two."""

    def change(leaf: Leaf) -> Leaf | None:
        exponent = leaf.exponent + int(rng.choice([-2, -1, 1, 2]))
        return replace(leaf, exponent=exponent) if exponent >= 0 else None

    return _with_leaf(rng, proven, change)


def numbers_wrapped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A number is larger by a power of two at which machine integers wrap around."""

    def change(leaf: Leaf) -> Leaf:
        nodes = list(leaf.nodes)
        nodes[int(rng.integers(len(nodes)))] += 2 ** int(rng.choice([31, 32, 53, 62, 63, 64]))
        return replace(leaf, nodes=tuple(nodes))

    return _with_leaf(rng, proven, change)


def _amount(rng: np.random.Generator, leaf: Leaf) -> int:
    most = 1 + max(abs(number) for number in leaf.nodes)
    return int(rng.choice([-1, 1])) * (1 + most * int(rng.integers(1, 100)) // 50)


def _with_leaf(
    rng: np.random.Generator, proven: Proven, change: Callable[[Leaf], Leaf | None]
) -> rs.Result | None:
    """With a leaf changed, and a claim that the numbers do not prove."""
    found = proven.pick(rng, RunsPart)
    if found is None:
        return None
    tree = _replaced(rng, found[1].tree, Leaf, change)
    return None if tree is None else proven.spoiled(found[0], replace(found[1], tree=tree))


def split_side_taken(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """Of two cases only one is left."""
    return _with_split(rng, proven, lambda split: any_of(rng, (split.apart, split.adjacent)))


def split_sides_swapped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The proof for either case is given for the other."""
    return _with_split(
        rng, proven, lambda split: replace(split, apart=split.adjacent, adjacent=split.apart)
    )


def split_edge_changed(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The cases are of another edge."""
    return _with_split(rng, proven, lambda split: replace(split, head=int(rng.integers(5))))


def split_repeated(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """An edge is decided twice: once that it is out, and in that case that it is in."""

    def change(split: Split) -> Split:
        again = replace(split, apart=split.apart, adjacent=split.apart)
        return replace(split, apart=again)

    return _with_split(rng, proven, change)


def split_on_no_edge(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """An edge ends where there is no node, or where it begins."""
    return _with_split(
        rng, proven, lambda split: replace(split, head=any_of(rng, (split.tail, -1, 10**6)))
    )


def _with_split(
    rng: np.random.Generator, proven: Proven, change: Callable[[Split], Tree]
) -> rs.Result | None:
    found = proven.pick(rng, RunsPart)
    if found is None:
        return None
    tree = _replaced(rng, found[1].tree, Split, change)
    return None if tree is None else proven.spoiled(found[0], replace(found[1], tree=tree))


def sieve_inserted(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """Edges are sifted out by numbers that do not show them to be."""

    def change(leaf: Leaf) -> Tree:
        nodes = [number - abs(_amount(rng, leaf)) for number in leaf.nodes]
        weak = replace(leaf, nodes=tuple(number // 2 for number in leaf.nodes), sets=())
        return Sieve(replace(leaf, nodes=tuple(nodes)), weak)

    return _with_leaf_tree(rng, proven, change)


def _with_leaf_tree(
    rng: np.random.Generator, proven: Proven, change: Callable[[Leaf], Tree]
) -> rs.Result | None:
    found = proven.pick(rng, RunsPart)
    if found is None:
        return None
    tree = _replaced(rng, found[1].tree, Leaf, change)
    return None if tree is None else proven.spoiled(found[0], replace(found[1], tree=tree))


def _replaced(
    rng: np.random.Generator, tree: Tree, kind: type, change: Callable[[Any], Tree | None]
) -> Tree | None:
    """With one entry of a kind changed; None if there is none."""
    places = [path for path, entry in located(tree) if isinstance(entry, kind)]
    return changed_at(tree, any_of(rng, places), change) if places else None


def negative_set(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A set has a negative number that is in pieces even in the layout at hand."""
    found = proven.pick(rng, RunsPart)
    if found is None or len(found[1].nodes) < 3:
        return None
    number, part = found
    if any(isinstance(entry, Fold) for entry in entries(part.tree)):
        # Its sets are of other nodes.
        return None
    count = len(part.nodes)
    assert proven.result.layout is not None
    sequence = [
        (tensor, int(channel))
        for tensor in part.tensors
        for channel in proven.result.layout[tensor]
        if (tensor, int(channel)) in part.nodes
    ]
    members = np.flatnonzero(rng.random(count) < 0.5).tolist()
    marks = [part.nodes.index(node) in members for node in sequence]
    pieces = sum(1 for one, last in zip(marks, [False, *marks], strict=False) if one and not last)
    if pieces < 2:
        return None

    def change(leaf: Leaf) -> Leaf:
        most = 1 + max(abs(each) for each in leaf.nodes)
        return replace(leaf, sets=(*leaf.sets, (tuple(members), -int(rng.integers(1, most + 1)))))

    tree = _replaced(rng, part.tree, Leaf, change)
    return proven.with_part(number, replace(part, tree=tree))


def set_of_nothing(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A set without members, which no tour leaves, or with the outside or unknown nodes."""
    found = proven.pick(rng, RunsPart)
    if found is None:
        return None
    number, part = found
    count = len(part.nodes)
    members = any_of(rng, ((), (count,), (count + 1,), (-1,), (0, 0)))

    def change(leaf: Leaf) -> Leaf:
        return replace(leaf, sets=(*leaf.sets, (members, 2**leaf.exponent)))

    return proven.with_part(number, replace(part, tree=_replaced(rng, part.tree, Leaf, change)))


def leaf_cut_short(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A number is missing, or there is one too many."""
    found = proven.pick(rng, RunsPart)
    if found is None:
        return None

    def change(leaf: Leaf) -> Leaf:
        return replace(leaf, nodes=any_of(rng, (leaf.nodes[:-1], (*leaf.nodes, 0))))

    tree = _replaced(rng, found[1].tree, Leaf, change)
    return proven.with_part(found[0], replace(found[1], tree=tree))


def node_twice(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A channel stands in the place of another."""
    found = proven.pick(rng, RunsPart)
    if found is None or len(found[1].nodes) < 2:
        return None
    nodes = list(found[1].nodes)
    one, other = rng.permutation(len(nodes))[:2].tolist()
    nodes[one] = nodes[other]
    return proven.with_part(found[0], replace(found[1], nodes=tuple(nodes)))


def node_of_nowhere(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A node is no channel that takes up room."""
    found = proven.pick(rng, RunsPart)
    if found is None or not found[1].nodes:
        return None
    nodes = list(found[1].nodes)
    place = int(rng.integers(len(nodes)))
    tensor, _ = nodes[place]
    used = proven.instance.placed_channels()[tensor]
    nodes[place] = (tensor, any_of(rng, [-1, used.size, 2**64, *np.flatnonzero(~used).tolist()]))
    return proven.with_part(found[0], replace(found[1], nodes=tuple(nodes)))


def nodes_permuted(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The nodes of the tensors change places, and their numbers do not."""
    found = proven.pick(rng, RunsPart)
    if found is None:
        return None
    number, part = found
    order = sorted(
        range(len(part.nodes)),
        key=lambda place: (part.tensors.index(part.nodes[place][0]), rng.random()),
    )
    # Negative numbers might then belong to other sets; those are for `negative_set`.
    nodes = tuple(part.nodes[place] for place in order)
    return proven.spoiled(number, replace(part, nodes=nodes))


def node_missing(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A class of channels is missing, with its number."""
    found = proven.pick(rng, RunsPart)
    if found is None or len(found[1].nodes) < 2:
        return None
    number, part = found
    out = int(rng.integers(len(part.nodes)))
    nodes = part.nodes[:out] + part.nodes[out + 1 :]
    tree = _without_node(part.tree, out)
    return None if tree is None else proven.spoiled(number, replace(part, nodes=nodes, tree=tree))


def _without_node(tree: Tree, out: int) -> Tree | None:
    if not isinstance(tree, Leaf):
        return None
    sets = [
        (tuple(each - (each > out) for each in members if each != out), number)
        for members, number in tree.sets
    ]
    return replace(
        tree,
        nodes=tree.nodes[:out] + tree.nodes[out + 1 :],
        sets=tuple(pair for pair in sets if pair[0]),
    )


def tensors_reordered(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """An access spans tensors that are no neighbours, or not in this order."""
    found = proven.pick(rng, RunsPart)
    if found is None or len(found[1].tensors) < 2:
        return None
    number, part = found
    tensors = tuple(part.tensors[place] for place in rng.permutation(len(part.tensors)))
    spans = any(
        len([one for one in access.parts if one.channels.size]) > 1
        for access in proven.instance.accesses
        if access.id in part.accesses
    )
    if tensors == part.tensors or not spans:
        return None
    changed = replace(part, tensors=tensors)
    order = sorted(part.nodes, key=lambda node: tensors.index(node[0]))
    return proven.with_part(number, replace(changed, nodes=tuple(order)))


def tensor_missing(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The sequence lacks a tensor that has nodes, or has it twice."""
    found = proven.pick(rng, RunsPart)
    if found is None or not found[1].nodes:
        return None
    number, part = found
    tensor = any_of(rng, part.nodes)[0]
    place = part.tensors.index(tensor)
    tensors = any_of(
        rng,
        (
            part.tensors[:place] + part.tensors[place + 1 :],
            (*part.tensors, tensor),
            ("nowhere", *part.tensors),
        ),
    )
    return proven.with_part(number, replace(part, tensors=tensors))


def access_dropped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """An access is no longer counted, and the numbers stay."""
    found = proven.pick(rng, RunsPart)
    if found is None:
        return None
    number, part = found
    out = any_of(rng, part.accesses)
    if any(access.id == out and access.required for access in proven.instance.accesses):
        return None
    names = tuple(name for name in part.accesses if name != out)
    return proven.spoiled(number, replace(part, accesses=names))


def access_twice(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part counts an access twice."""
    found = proven.pick(rng, RunsPart)
    if found is None:
        return None
    number, part = found
    names = (*part.accesses, any_of(rng, part.accesses))
    return proven.with_part(number, replace(part, accesses=names))
