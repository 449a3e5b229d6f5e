"""Going through the trees of proofs about runs, and changing something in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reorder_solver.core.proof import Fold, Leaf, Sieve, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reorder_solver.core.proof import Tree

    #: From one entry to what it holds: a field, and places in it.
    Step = tuple[Any, ...]


def entries(tree: Tree) -> Iterator[Tree]:
    """All entries, dual solutions of sieves among them."""
    for _, entry in located(tree):
        yield entry


def located(tree: Tree, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Tree]]:
    """All entries, and how to get there."""
    yield path, tree
    for step, held in _held(tree):
        yield from located(held, (*path, step))


def changed_at(tree: Tree, path: tuple[Step, ...], change: Callable[[Any], Any]) -> Any:
    """With one entry changed; None if that cannot be."""
    if not path:
        return change(tree)
    step, rest = path[0], path[1:]
    inner = changed_at(dict(_held(tree))[step], rest, change)
    if inner is None or (step == ("leaf",) and not isinstance(inner, Leaf)):
        return None
    if len(step) == 1:
        return replace(tree, **{step[0]: inner})
    side, stage, number = step
    stages = [list(claims) for claims in getattr(tree, side)]
    stages[stage][number] = replace(stages[stage][number], tree=inner)
    return replace(tree, **{side: tuple(tuple(claims) for claims in stages)})


def with_leaves(tree: Tree, change: Callable[[Leaf], Leaf]) -> Tree:
    """With every dual solution changed."""
    for path, entry in list(located(tree)):
        if isinstance(entry, Leaf):
            tree = changed_at(tree, path, change)
    return tree


def _held(tree: Tree) -> list[tuple[Step, Tree]]:
    if isinstance(tree, Sieve):
        return [(("leaf",), tree.leaf), (("rest",), tree.rest)]
    if isinstance(tree, Split):
        return [(("apart",), tree.apart), (("adjacent",), tree.adjacent)]
    if isinstance(tree, Fold):
        claims: list[tuple[Step, Tree]] = [
            ((side, stage, number), claim.tree)
            for side in ("behind", "before")
            for stage, some in enumerate(getattr(tree, side))
            for number, claim in enumerate(some)
        ]
        return [*claims, (("core",), tree.core)]
    return []
