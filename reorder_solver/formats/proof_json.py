"""The field ``proof`` of the result format: proof to JSON values and back.

A tree of cases is a flat list: every entry comes right before what it holds, a split before its
case ``apart`` and that before ``adjacent``, a fold before its claims' trees and those before its
core. So no depth of the tree is depth of the JSON text,
and nothing here is recursive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.core.proof import (
    Claim,
    ConstantPart,
    Fold,
    JunctionsPart,
    Leaf,
    Proof,
    RunsPart,
    Sieve,
    Split,
    ViewsPart,
)
from reorder_solver.formats.instance_json import dumps, json_block
from reorder_solver.formats.json_text import check_value
from reorder_solver.formats.limits import (
    MAX_ACCESSES,
    MAX_EXPONENT,
    MAX_PROOF_MEMBERS,
    MAX_TENSORS,
    MAX_TREE_DEPTH,
    check_count,
)
from reorder_solver.formats.nodes import shown
from reorder_solver.formats.ranges import format_ranges, parse_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.core.proof import InstancePart, Tree
    from reorder_solver.formats.nodes import Node

KINDS = ("views", "runs", "junctions", "constant")
ENTRIES = ("leaf", "sieve", "split", "fold")


def proof_text(proof: Proof) -> str:
    """The JSON text of `proof`, a part a line.

    Raises
    ------
    InputError
        If it could not be read back.
    """
    lines: list[str] = []
    for number, part in enumerate(proof.parts):
        place = f"proof.parts[{number}]"
        try:
            fields = _part_fields(part)
        except InputError as error:
            raise InputError(error.rule, place=place) from None
        check_value(fields, place)
        lines.append(dumps(fields))
    return f'{{"parts": {json_block(lines)}}}'


def proof_of(node: Node) -> Proof:
    """The proof at `node`; whether it proves anything is for the checker to say.

    Raises
    ------
    InputError
        If it breaks a rule of the format.
    """
    reader = _Reader()
    return Proof(tuple(reader.part(each) for each in node.fields(("parts",))["parts"].items()))


def _part_fields(part: InstancePart) -> dict[str, Any]:
    if isinstance(part, ConstantPart):
        return {"kind": "constant", "bound": part.bound, "accesses": list(part.accesses)}
    if isinstance(part, ViewsPart):
        accesses = sorted({name for members, _ in part.constraints for name in members})
        place = {name: number for number, name in enumerate(accesses)}
        return {
            "kind": "views",
            "bound": part.bound,
            "accesses": accesses,
            "constraints": [
                [_ranges(place[name] for name in members), demand]
                for members, demand in part.constraints
            ],
        }
    if isinstance(part, JunctionsPart):
        return {
            "kind": "junctions",
            "bound": part.bound,
            "accesses": list(part.accesses),
            "exponent": part.exponent,
            "shares": [list(each) for each in part.shares],
        }
    nodes = [[channel for each, channel in part.nodes if each == name] for name in part.tensors]
    if [
        pair for name, some in zip(part.tensors, nodes, strict=True) for pair in _of(name, some)
    ] != [*part.nodes]:
        raise InputError("the nodes do not come tensor by tensor")
    return {
        "kind": "runs",
        "bound": part.bound,
        "accesses": list(part.accesses),
        "tensors": list(part.tensors),
        "nodes": nodes,
        "tree": _entries(part.tree),
    }


def _of(tensor: object, channels: list[int]) -> list[tuple[object, int]]:
    return [(tensor, channel) for channel in channels]


def _entries(tree: Tree) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    left: list[tuple[Tree, int]] = [(tree, 1)]
    while left:
        one, depth = left.pop()
        check_count(depth, MAX_TREE_DEPTH, "levels of the tree")
        if isinstance(one, Leaf):
            entries.append({"leaf": _leaf_fields(one)})
        elif isinstance(one, Sieve):
            entries.append({"sieve": _leaf_fields(one.leaf)})
            left.append((one.rest, depth + 1))
        elif isinstance(one, Fold):
            entries.append({"fold": _fold_fields(one)})
            claims = [claim for side in (one.behind, one.before) for each in side for claim in each]
            held = [*(claim.tree for claim in claims), one.core]
            left += [(tree, depth + 1) for tree in reversed(held)]
        else:
            entries.append({"split": [one.tail, one.head]})
            left += [(one.adjacent, depth + 1), (one.apart, depth + 1)]
    return entries


def _fold_fields(fold: Fold) -> dict[str, Any]:
    behind, before = (
        [[[claim.node, claim.value] for claim in claims] for claims in side]
        for side in (fold.behind, fold.before)
    )
    return {"goal": fold.goal, "behind": behind, "before": before}


def _leaf_fields(leaf: Leaf) -> dict[str, Any]:
    return {
        "exponent": leaf.exponent,
        "nodes": list(leaf.nodes),
        "sets": [[_ranges(members), number] for members, number in leaf.sets],
    }


def _ranges(members: Iterable[int]) -> str:
    found = np.array(sorted(members), dtype=np.int64)
    if (found[1:] == found[:-1]).any():
        raise InputError("a set names a member twice")
    return format_ranges(found)


class _EmptyFold(NamedTuple):
    """A fold whose trees are still to come; claims as (node, value)."""

    goal: int
    behind: list[list[tuple[int, int]]]
    before: list[list[tuple[int, int]]]

    @property
    def held(self) -> int:
        """How many trees: of every claim, and of the core."""
        return 1 + sum(len(claims) for claims in (*self.behind, *self.before))

    def filled(self, trees: list[Tree]) -> Fold:
        """With its trees, in sequence."""
        left = iter(trees)
        behind, before = (
            tuple(tuple(Claim(*claim, next(left)) for claim in claims) for claims in side)
            for side in (self.behind, self.before)
        )
        return Fold(self.goal, behind, before, next(left))


class _Reader:
    """Reads parts, and counts the members of all their sets: a short range may name many."""

    def __init__(self) -> None:
        self._members = 0

    def part(self, node: Node) -> InstancePart:
        fields = node.mapping()
        kind = fields.get("kind")
        if kind is None:
            node.fail("field 'kind' is missing")
        if kind.value not in KINDS:
            kind.fail(f"must be one of {', '.join(KINDS)}; got {shown(kind.value)}")
        if kind.value == "constant":
            fields = node.fields(("kind", "bound", "accesses"))
            return ConstantPart(_names(fields["accesses"]), fields["bound"].integer())
        if kind.value == "views":
            fields = node.fields(("kind", "bound", "accesses", "constraints"))
            return self._views(fields)
        if kind.value == "junctions":
            return _junctions(node.fields(("kind", "bound", "accesses", "exponent", "shares")))
        fields = node.fields(("kind", "bound", "accesses", "tensors", "nodes", "tree"))
        return self._runs(fields)

    def _views(self, fields: dict[str, Node]) -> ViewsPart[str]:
        names = _names(fields["accesses"])
        constraints: list[tuple[tuple[str, ...], int]] = []
        for one in fields["constraints"].items():
            members, demand = _pair(one)
            chosen = self._set(members, len(names))
            constraints.append((tuple(names[place] for place in chosen), demand.integer(1)))
        return ViewsPart(tuple(constraints), fields["bound"].integer())

    def _runs(self, fields: dict[str, Node]) -> RunsPart[str, tuple[str, int]]:
        tensors = _names(fields["tensors"], MAX_TENSORS, "tensors")
        lists = fields["nodes"].items()
        if len(lists) != len(tensors):
            fields["nodes"].fail(f"must have a list for each of the {len(tensors)} tensors")
        nodes: list[tuple[str, int]] = []
        for tensor, one in zip(tensors, lists, strict=True):
            nodes += [(tensor, channel) for channel in one.integers()]
        return RunsPart(
            _names(fields["accesses"]),
            tensors,
            tuple(nodes),
            self._tree(fields["tree"], len(nodes)),
            fields["bound"].integer(),
        )

    def _tree(self, node: Node, count: int) -> Tree:
        """Put together from the end: what an entry holds is complete when it is met."""
        complete: list[tuple[Tree, int]] = []
        entries = [(one, one.fields((), ENTRIES)) for one in node.items()]
        # What a fold holds is about fewer nodes, and two terminals.
        is_whole = not any("fold" in fields for _, fields in entries)
        for one, fields in reversed(entries):
            if len(fields) != 1:
                one.fail(f"must have one of the fields {', '.join(ENTRIES)}")
            ((kind, field),) = fields.items()
            if kind == "leaf":
                complete.append((self._leaf(field, count, is_whole=is_whole), 1))
                continue
            fold = self._fold(field, count) if kind == "fold" else None
            held = {"sieve": 1, "split": 2}[kind] if fold is None else fold.held
            if len(complete) < held:
                one.fail("the tree ends before this entry has what it holds")
            parts = [complete.pop() for _ in range(held)]
            depth = 1 + max(depth for _, depth in parts)
            one.at_most(depth, MAX_TREE_DEPTH, "levels of the tree")
            trees = [tree for tree, _ in parts]
            if fold is not None:
                complete.append((fold.filled(trees), depth))
            elif kind == "sieve":
                leaf = self._leaf(field, count, is_whole=is_whole)
                complete.append((Sieve(leaf, trees[0]), depth))
            else:
                tail, head = _pair(field)
                ends = tail.integer(0, count), head.integer(0, count)
                complete.append((Split(*ends, trees[0], trees[1]), depth))
        if len(complete) != 1:
            node.fail("must be one tree" if complete else "must not be empty")
        return complete[0][0]

    def _fold(self, node: Node, count: int) -> _EmptyFold:
        fields = node.fields(("goal", "behind", "before"))
        behind, before = (
            [[_claim(claim, count) for claim in claims.items()] for claims in fields[side].items()]
            for side in ("behind", "before")
        )
        return _EmptyFold(fields["goal"].integer(), behind, before)

    def _leaf(self, node: Node, count: int, *, is_whole: bool) -> Leaf:
        fields = node.fields(("exponent", "nodes", "sets"))
        numbers = fields["nodes"].signed_integers()
        if is_whole and len(numbers) != count + 1:
            fields["nodes"].fail(f"must list {count + 1} integers, got {len(numbers)}")
        if not 0 < len(numbers) <= count + 1:
            fields["nodes"].fail(f"must list 1 to {count + 1} integers, got {len(numbers)}")
        sets: list[tuple[tuple[int, ...], int]] = []
        for one in fields["sets"].items():
            members, number = _pair(one)
            chosen = self._set(members, len(numbers) - 1)
            sets.append((chosen, number.integer(minimum=None)))
        exponent = fields["exponent"].integer(0, MAX_EXPONENT)
        return Leaf(tuple(numbers), tuple(sets), exponent)

    def _set(self, node: Node, width: int) -> tuple[int, ...]:
        """Ascending numbers below `width`, given as a range string."""
        if not isinstance(node.value, str):
            node.fail(f"must be a range string, got {shown(node.value)}")
        try:
            members = parse_ranges(node.value, width)
        except InputError as error:
            node.fail(error.rule)
        self._members += members.size
        node.at_most(self._members, MAX_PROOF_MEMBERS, "members over all sets of a proof")
        found = np.sort(members)
        if (found[1:] == found[:-1]).any():
            node.fail("names a member twice")
        return tuple(found.tolist())


def _junctions(fields: dict[str, Node]) -> JunctionsPart[str]:
    names, lists = _names(fields["accesses"]), fields["shares"].items()
    if len(lists) != len(names):
        fields["shares"].fail(f"must have a list for each of the {len(names)} accesses")
    shares = tuple(tuple(each.integers()) for each in lists)
    exponent = fields["exponent"].integer(0, MAX_EXPONENT)
    return JunctionsPart(names, shares, exponent, fields["bound"].integer())


def _names(node: Node, most: int = MAX_ACCESSES, what: str = "accesses") -> tuple[str, ...]:
    node.at_most(len(node.items()), most, what)
    return tuple(one.identifier() for one in node.items())


def _claim(node: Node, count: int) -> tuple[int, int]:
    place, value = _pair(node)
    return place.integer(0, count), value.integer(minimum=None)


def _pair(node: Node) -> tuple[Node, Node]:
    items = node.items()
    if len(items) != 2:
        node.fail(f"must list 2 values, got {len(items)}")
    return items[0], items[1]
