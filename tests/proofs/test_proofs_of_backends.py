"""The package's own backends leave proofs that the checker accepts."""

from __future__ import annotations

import numpy as np
import pytest
from proof_instances import chain_instance
from random_instances import random_instance

import reorder_solver as rs

PAIRS = [
    ("exact", "copies"),
    ("exact", "bytes"),
    ("exact-pulp", "bytes"),
    ("branch-and-cut", "runs"),
    ("auto", "copies"),
    ("auto", "runs"),
]


def _check(backend: str, objective: str, seeds: range) -> None:
    proven = 0
    for seed in seeds:
        make = chain_instance if seed % 2 else random_instance
        instance = make(np.random.default_rng([77, seed]))
        try:
            result = rs.solve(instance, objective, backend=backend, time_limit=30)
        except rs.UnsupportedError:
            # Accesses that agree on no sequence of tensors.
            assert backend == "branch-and-cut"
            continue
        if result.status is rs.Status.INFEASIBLE:
            continue
        if result.proof is None:
            # What the dynamic programme proves has none.
            assert objective == "runs"
            continue
        assert result.proof.bound == result.lower_bound
        rs.check_proof(instance, result)
        proven += bool(result.cost)
    assert proven > 0


@pytest.mark.parametrize(("backend", "objective"), PAIRS)
def test_proofs_are_accepted(backend: str, objective: str) -> None:
    """What a backend proves, the checker proves again."""
    _check(backend, objective, range(8))


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "objective"), PAIRS)
def test_many_proofs_are_accepted(backend: str, objective: str) -> None:
    """As above, for hundreds of instances."""
    _check(backend, objective, range(100, 400))
