"""True proofs of many kinds, and spoiled ones, from seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from corruptions import CORRUPTIONS
from folding_backends import FoldsAtOnce, FoldsSieved
from proof_instances import chain_instance
from proof_producers import Proving
from proof_trees import entries
from proven import Proven
from random_instances import random_instance
from shuffled_instances import shuffled

import reorder_solver as rs
from reorder_solver.core.proof import Fold, JunctionsPart, RunsPart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reorder_solver.backends import Backend
    from reorder_solver.core.proof import Proof

#: How trees of cases begin.
TREES = ((), ("split", "split"), ("sieve",), ("split", "sieve", "split"))


#: Backends of the package that prove, by objective.
BACKENDS = {"copies": "exact", "bytes": "exact", "runs": "branch-and-cut"}


def solved(seed: int, *, by_package: bool = False) -> tuple[rs.Instance, rs.Result]:
    """An instance, and its result with a proof of some bound if it has a solution.

    Parameters
    ----------
    seed : int
    by_package : bool
        The proof is by the package's own backends, not by the producers of these tests.
    """
    rng = np.random.default_rng(seed)
    if seed % 5 == 4:
        instance, objectives = random_instance(rng), ("copies", "bytes")
    else:
        instance, objectives = chain_instance(rng), ("bytes", "runs", "latency", "runs")
    backend: str | Backend = Proving(*TREES[int(rng.integers(len(TREES)))])
    objective = objectives[int(rng.integers(len(objectives)))]
    if by_package and objective in BACKENDS:
        backend = BACKENDS[objective]
    return instance, rs.solve(instance, objective, backend=backend, time_limit=None)


def proven_samples(first_seed: int = 0, *, by_package: bool = False) -> Iterator[Proven]:
    """Instances with results that are proven optimal at a cost, one after the other."""
    seed = first_seed
    while True:
        instance, result = solved(seed, by_package=by_package)
        if result.cost and result.proof is not None and result.status is rs.Status.OPTIMAL:
            yield Proven(instance, result)
        seed += 1


def folded_samples(first_seed: int = 0) -> Iterator[Proven]:
    """The same for runs of tensors end to end that are taken apart."""
    seed = first_seed
    while True:
        instance = chain_instance(np.random.default_rng([2, seed]))
        backend = FoldsSieved() if seed % 3 else FoldsAtOnce()
        result = rs.solve(instance, "runs", backend=backend, time_limit=None)
        if result.cost and result.proof is not None and _is_folded(result.proof):
            yield Proven(instance, result)
        seed += 1


def shuffled_samples(first_seed: int = 0) -> Iterator[Proven]:
    """The same for runs of accesses that meet tensors again and again."""
    seed = first_seed
    while True:
        instance = shuffled(seed)
        result = rs.solve(instance, "runs", backend="junctions", time_limit=None)
        if result.cost and result.proof is not None and _has_junctions(result.proof):
            yield Proven(instance, result)
        seed += 1


def _has_junctions(proof: Proof) -> bool:
    parts = [part for part in proof.parts if isinstance(part, JunctionsPart)]
    return any(any(part.shares) for part in parts)


def _is_folded(proof: Proof) -> bool:
    trees = [part.tree for part in proof.parts if isinstance(part, RunsPart)]
    return any(isinstance(node, Fold) for tree in trees for node in entries(tree))


def corrupted(kind: str, proven: Proven, seed: int) -> rs.Result | None:
    """The result with its proof spoiled in some way; None if that way is not open."""
    return CORRUPTIONS[kind](np.random.default_rng(seed), proven)
