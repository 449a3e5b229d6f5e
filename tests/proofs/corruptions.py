"""Ways to spoil a proof, each of which a checker must notice.

Every corruption takes a result that is proven optimal, and returns one with a proof that does
not prove what is claimed, or None where it does not apply. That it does not is certain without
the checker: the claim is above the optimum, or a rule is broken that is looked up here by other
means (the tree of `presolve`, the layout at hand, plain loops over edges).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from plain_runs import is_proven

import reorder_solver as rs
from reorder_solver.core.proof import (
    ConstantPart,
    Leaf,
    Proof,
    RunsPart,
    Sieve,
    Split,
    ViewsPart,
)

if TYPE_CHECKING:
    from reorder_solver.core.proof import InstancePart, Tree


@dataclass(frozen=True)
class Proven:
    """An instance, and a result that is proven optimal."""

    instance: rs.Instance
    result: rs.Result

    @property
    def parts(self) -> tuple[InstancePart, ...]:
        assert self.result.proof is not None
        return self.result.proof.parts

    def claiming(self, parts: list[InstancePart] | tuple[InstancePart, ...]) -> rs.Result:
        """A result of nothing but the bound that `parts` add up to."""
        proof = Proof(tuple(parts))
        return replace(
            self.result,
            proof=proof,
            lower_bound=proof.bound,
            status=rs.Status.NO_SOLUTION,
            cost=None,
            layout=None,
            accesses={},
            tie_break=0,
        )

    def with_part(self, number: int, part: InstancePart) -> rs.Result:
        """Claiming with one part replaced."""
        parts = list(self.parts)
        parts[number] = part
        return self.claiming(parts)

    def pick(self, rng: np.random.Generator, kind: type) -> tuple[int, Any] | None:
        """One of the parts of a kind, with its number."""
        found = [(number, part) for number, part in enumerate(self.parts) if isinstance(part, kind)]
        return found[int(rng.integers(len(found)))] if found else None

    def spoiled(self, number: int, part: RunsPart[str, Any]) -> rs.Result | None:
        """With a part whose numbers were changed: claiming just more than they prove."""
        step = 1
        for _ in range(90):
            if not is_proven(self.instance, self.result.objective, part):
                return self.with_part(number, part)
            part = replace(part, bound=part.bound + step)
            step *= 2
        return None

    def fit(self, names: tuple[str, ...]) -> bool:
        """Whether accesses can be views together with all that are required; by brute force."""
        accesses = [
            replace(each, required=each.required or each.id in names)
            for each in self.instance.accesses
        ]
        held = self.instance.replace(accesses=tuple(accesses))
        return rs.solve(held, "copies", backend="greedy").status is not rs.Status.INFEASIBLE


Corruption = Callable[[np.random.Generator, Proven], "rs.Result | None"]


def _any(rng: np.random.Generator, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]


# Of any part.


def bound_raised(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part claims more."""
    number = int(rng.integers(len(proven.parts)))
    part = proven.parts[number]
    more = int(rng.choice([1, 2, 10, 10**9]))
    return proven.with_part(number, replace(part, bound=part.bound + more))


def claim_raised(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The result claims more than the parts."""
    found = proven.claiming(proven.parts)
    assert found.lower_bound is not None
    return replace(found, lower_bound=found.lower_bound + int(rng.integers(1, 5)))


def part_dropped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part is missing."""
    parts = list(proven.parts)
    del parts[int(rng.integers(len(parts)))]
    return replace(proven.claiming(parts), lower_bound=proven.result.lower_bound)


def part_twice(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part is counted twice."""
    return proven.claiming([*proven.parts, _any(rng, proven.parts)])


def negative_bound(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part claims too much and another takes it back."""
    parts = list(proven.parts)
    number = int(rng.integers(len(parts)))
    parts[number] = replace(parts[number], bound=parts[number].bound + 1)
    return proven.claiming([*parts, ConstantPart((), -1)])


def access_in_two_parts(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """An access that is accounted for, or one equal to it, pays once more as a constant."""
    part = _any(rng, proven.parts)
    names = (
        [name for members, _ in part.constraints for name in members]
        if isinstance(part, ViewsPart)
        else list(part.accesses)
    )
    if not names:
        return None
    name = _any(rng, names)
    alike = next(each for each in proven.instance.accesses if each.id == name)
    equal = [each.id for each in proven.instance.accesses if each.parts == alike.parts]
    return proven.claiming([*proven.parts, ConstantPart((_any(rng, equal),), 1)])


def constant_claimed(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The accesses are said to cost the optimum and one more, whatever the layout."""
    names = tuple(access.id for access in proven.instance.accesses)
    assert proven.result.lower_bound is not None
    some = names[: int(rng.integers(1, len(names) + 1))]
    return proven.claiming([ConstantPart(some, proven.result.lower_bound + 1)])


def access_unknown(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A part speaks of an access that there is not."""
    number = int(rng.integers(len(proven.parts)))
    part = proven.parts[number]
    if isinstance(part, ViewsPart):
        return proven.with_part(
            number, replace(part, constraints=(*part.constraints, (("nobody",), 1)))
        )
    return proven.with_part(number, replace(part, accesses=(*part.accesses, "nobody")))


def other_instance(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """The proof is of another instance."""
    digest = _any(rng, "0123456789abcdef") * 64
    return replace(proven.claiming(proven.parts), instance_sha256=digest)


# Of accesses that cannot all be views.


def constraint_dropped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """Without one of the constraints a cheaper choice will do."""
    found = proven.pick(rng, ViewsPart)
    if found is None or not found[1].constraints:
        return None
    constraints = list(found[1].constraints)
    del constraints[int(rng.integers(len(constraints)))]
    if _cheapest(proven, constraints) >= found[1].bound:
        return None
    return proven.with_part(found[0], replace(found[1], constraints=tuple(constraints)))


def member_dropped(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """What is left of a conflict is none."""
    return _with_constraint(
        rng,
        proven,
        lambda members, demand: (_without(rng, members), demand) if len(members) > 1 else None,
    )


def member_replaced(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """With another access, the conflict is none."""
    names = [access.id for access in proven.instance.accesses if not access.required]

    def change(members: tuple[str, ...], demand: int) -> tuple[tuple[str, ...], int] | None:
        others = [name for name in names if name not in members]
        return ((*_without(rng, members), _any(rng, others)), demand) if others else None

    return _with_constraint(rng, proven, change)


def member_doubled(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A constraint lists an access twice, and asks for one more."""
    return _with_constraint(
        rng, proven, lambda members, demand: ((*members, _any(rng, members)), demand + 1)
    )


def demand_raised(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A constraint asks for more than it can."""
    return _with_constraint(
        rng,
        proven,
        lambda members, demand: (members, demand + int(rng.integers(1, len(members) + 1))),
    )


def demand_below_one(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A constraint asks for nothing, or less."""
    return _with_constraint(rng, proven, lambda members, _: (members, -int(rng.integers(2))))


def constraint_invented(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """Accesses that can be views together are said not to, and the bound rises with it."""
    found = proven.pick(rng, ViewsPart)
    if found is None:
        return None
    names = [access.id for access in proven.instance.accesses if not access.required]
    members = tuple(rng.permutation(names)[: int(rng.integers(1, 4))].tolist())
    if not proven.fit(members):
        return None
    constraints = (*found[1].constraints, (members, 1))
    bound = max(found[1].bound + 1, _cheapest(proven, list(constraints)))
    return proven.with_part(found[0], ViewsPart(constraints, bound))


def _with_constraint(
    rng: np.random.Generator,
    proven: Proven,
    change: Callable[[tuple[str, ...], int], tuple[tuple[str, ...], int] | None],
) -> rs.Result | None:
    """With a constraint changed to one that does not hold."""
    found = proven.pick(rng, ViewsPart)
    if found is None or not found[1].constraints:
        return None
    constraints = list(found[1].constraints)
    number = int(rng.integers(len(constraints)))
    changed = change(*constraints[number])
    if changed is None:
        return None
    members, demand = changed
    is_well_formed = len(set(members)) == len(members) and 1 <= demand <= len(members)
    if is_well_formed and not any(
        proven.fit(some) for some in combinations(members, len(members) - demand + 1)
    ):
        return None
    constraints[number] = changed
    return proven.with_part(found[0], replace(found[1], constraints=tuple(constraints)))


def _without(rng: np.random.Generator, members: tuple[str, ...]) -> tuple[str, ...]:
    out = _any(rng, members)
    return tuple(name for name in members if name != out)


def _cheapest(proven: Proven, constraints: list[tuple[tuple[str, ...], int]]) -> int:
    """The cheapest choice that meets all constraints, by trying all."""
    names = sorted({name for members, _ in constraints for name in members})
    prices = {name: _price(proven, name) for name in names}
    return min(
        sum(prices[name] for name in chosen)
        for size in range(len(names) + 1)
        for chosen in combinations(names, size)
        if all(len(set(members) & set(chosen)) >= demand for members, demand in constraints)
    )


def _price(proven: Proven, name: str) -> int:
    parts = next(each.parts for each in proven.instance.accesses if each.id == name)
    return sum(
        1 if proven.result.objective is rs.Objective.COPIES else each.bytes * each.size
        for each in proven.instance.accesses
        if each.parts == parts
    )


# Of runs.


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
    return _with_split(rng, proven, lambda split: _any(rng, (split.apart, split.adjacent)))


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
        rng, proven, lambda split: replace(split, head=_any(rng, (split.tail, -1, 10**6)))
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
    places = _places(tree, kind, ())
    return _changed_at(tree, _any(rng, places), change) if places else None


def _places(tree: Tree, kind: type, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = [path] if isinstance(tree, kind) else []
    for name in ("leaf", "rest") if isinstance(tree, Sieve) else ("apart", "adjacent"):
        if not isinstance(tree, Leaf):
            found += _places(getattr(tree, name), kind, (*path, name))
    return found


def _changed_at(tree: Any, path: tuple[str, ...], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(tree)
    inner = _changed_at(getattr(tree, path[0]), path[1:], change)
    if inner is None or (path[0] == "leaf" and not isinstance(inner, Leaf)):
        return None
    return replace(tree, **{path[0]: inner})


def negative_set(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A set has a negative number that is in pieces even in the layout at hand."""
    found = proven.pick(rng, RunsPart)
    if found is None or len(found[1].nodes) < 3:
        return None
    number, part = found
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
    members = _any(rng, ((), (count,), (count + 1,), (-1,), (0, 0)))

    def change(leaf: Leaf) -> Leaf:
        return replace(leaf, sets=(*leaf.sets, (members, 2**leaf.exponent)))

    return proven.with_part(number, replace(part, tree=_replaced(rng, part.tree, Leaf, change)))


def leaf_cut_short(rng: np.random.Generator, proven: Proven) -> rs.Result | None:
    """A number is missing, or there is one too many."""
    found = proven.pick(rng, RunsPart)
    if found is None:
        return None

    def change(leaf: Leaf) -> Leaf:
        return replace(leaf, nodes=_any(rng, (leaf.nodes[:-1], (*leaf.nodes, 0))))

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
    nodes[place] = (tensor, _any(rng, [-1, used.size, 2**64, *np.flatnonzero(~used).tolist()]))
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
    tensor = _any(rng, part.nodes)[0]
    place = part.tensors.index(tensor)
    tensors = _any(
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
    out = _any(rng, part.accesses)
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
    names = (*part.accesses, _any(rng, part.accesses))
    return proven.with_part(number, replace(part, accesses=names))


#: All of them, by name.
CORRUPTIONS: dict[str, Corruption] = {
    each.__name__.replace("_", " "): each
    for each in (
        bound_raised,
        claim_raised,
        part_dropped,
        part_twice,
        negative_bound,
        access_in_two_parts,
        constant_claimed,
        access_unknown,
        other_instance,
        constraint_dropped,
        member_dropped,
        member_replaced,
        member_doubled,
        demand_raised,
        demand_below_one,
        constraint_invented,
        node_number_changed,
        set_number_changed,
        set_dropped,
        set_member_flipped,
        exponent_changed,
        numbers_wrapped,
        split_side_taken,
        split_sides_swapped,
        split_edge_changed,
        split_repeated,
        split_on_no_edge,
        sieve_inserted,
        negative_set,
        set_of_nothing,
        leaf_cut_short,
        node_twice,
        node_of_nowhere,
        nodes_permuted,
        node_missing,
        tensors_reordered,
        tensor_missing,
        access_dropped,
        access_twice,
    )
}
