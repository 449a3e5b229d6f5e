"""From a proof about tours to a part of a proof about runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.proof_tree import rebuilt
from reorder_solver.core.proof import Claim, Fold, Leaf, RunsPart, Sieve, Split, Tree

if TYPE_CHECKING:
    from formulations.proof_tree import Fold as TourFold
    from formulations.proof_tree import Tree as TourTree
    from formulations.subtour_certificate import Certificate
    from reorder_solver.backends.concatenation import Sequence


def runs_part(sequence: Sequence, tree: TourTree, bound: int) -> RunsPart[int, tuple[int, int]]:
    """The part of a proof that says: the accesses of `sequence` cost at least `bound`.

    Parameters
    ----------
    sequence : Sequence
        Every access must be one row of it.
    tree : Certificate, Split, Sieve or Fold
        Proves the tours' length.
    bound : int
    """
    nodes = [
        (tensor, label)
        for place, tensor in enumerate(sequence.tensors)
        for label in range(int(sequence.starts[place + 1] - sequence.starts[place]))
    ]
    return RunsPart(sequence.accesses, sequence.tensors, tuple(nodes), _tree(tree), bound)


def _tree(tree: TourTree) -> Tree:
    """The same as plain values."""

    def end(certificate: Certificate) -> Tree:
        return _leaf(certificate)

    def sieve(certificate: Certificate, rest: Tree) -> Tree:
        return Sieve(_leaf(certificate), rest)

    return rebuilt(tree, end=end, split=Split, sieve=sieve, fold=_fold)


def _fold(fold: TourFold) -> Fold:
    behind, before = (
        tuple(
            tuple(Claim(claim.node, claim.value, _tree(claim.tree)) for claim in claims)
            for claims in side
        )
        for side in (fold.behind, fold.before)
    )
    return Fold(fold.goal, behind, before, _tree(fold.core))


def _leaf(certificate: Certificate) -> Leaf:
    outside = certificate.members.shape[1] - 1
    # The side of a set without the outside node.
    members = certificate.members ^ certificate.members[:, outside:]
    return Leaf(
        tuple(certificate.nodes.tolist()),
        tuple(
            (tuple(np.flatnonzero(inside).tolist()), mu)
            for inside, mu in zip(members, certificate.sets.tolist(), strict=True)
        ),
        certificate.exponent,
    )
