"""The checker accepts true proofs, made by other means, and what it accepts is true."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from brute_force import brute_force
from plain_runs import is_proven
from proof_producers import Proving
from proof_samples import proven_samples, solved
from proof_trees import entries, with_leaves
from proven import Proven

import reorder_solver as rs
from reorder_solver.core.proof import (
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
from reorder_solver.formats import result_from_json, result_to_json


@pytest.mark.parametrize("seed", range(0, 60, 20))
def test_true_proofs_are_accepted(seed: int) -> None:
    """Proofs of every kind pass, and prove no more than brute force finds."""
    _check_seeds(seed, seed + 20)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 3000, 100))
def test_many_true_proofs_are_accepted(seed: int) -> None:
    """As above, for thousands of instances."""
    _check_seeds(seed, seed + 100)


def _check_seeds(first: int, last: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(first, last):
        instance, result = solved(seed)
        if result.status is rs.Status.INFEASIBLE:
            continue
        assert result.proof is not None
        rs.check_proof(instance, result)
        best = brute_force(instance, result.objective)
        assert best is not None
        assert result.proof.bound == result.lower_bound
        assert best[0] >= result.proof.bound
        for part in result.proof.parts:
            seen[type(part).__name__] += 1
            if isinstance(part, RunsPart):
                assert is_proven(instance, result.objective, part)
                seen[type(part.tree).__name__] += 1
    assert seen["ViewsPart"] > 0
    assert seen["RunsPart"] > 0


def test_samples_are_of_all_kinds(samples: list[Proven]) -> None:
    """All kinds of parts, all entries of trees, negative numbers, several tensors."""
    parts = [part for sample in samples for part in sample.parts]
    assert {type(part) for part in parts} == {ViewsPart, RunsPart, JunctionsPart, ConstantPart}
    trees = [part.tree for part in parts if isinstance(part, RunsPart)]
    assert {type(tree) for tree in trees} == {Leaf, Split, Sieve, Fold}
    leaves = [each for tree in trees for each in entries(tree) if isinstance(each, Leaf)]
    assert any(number < 0 for leaf in leaves for _, number in leaf.sets)
    assert any(len(part.tensors) > 1 for part in parts if isinstance(part, RunsPart))


def test_folds_are_true(samples: list[Proven]) -> None:
    """Chains are taken apart from either end and from both, and the bound is the optimum."""
    shapes: Counter[tuple[bool, bool]] = Counter()
    for sample in samples:
        for part in sample.parts:
            tree = part.tree if isinstance(part, RunsPart) else None
            for entry in [] if tree is None else entries(tree):
                if isinstance(entry, Fold):
                    assert isinstance(part, RunsPart)
                    assert is_proven(sample.instance, sample.result.objective, part)
                    shapes[bool(entry.behind), bool(entry.before)] += 1
        best = brute_force(sample.instance, sample.result.objective)
        assert best is not None
        assert best[0] == sample.result.lower_bound
    assert shapes.keys() == {(True, False), (False, True), (True, True)}


def test_proofs_survive_files(samples: list[Proven]) -> None:
    """A proof read back from a file is the same, and proves the same."""
    for sample in samples:
        text = result_to_json(sample.result)
        back = result_from_json(text, sample.instance)
        rs.check_proof(sample.instance, back)
        assert result_to_json(back) == text
        assert sample.result.proof is not None
        assert back.proof is not None
        assert _sorted(back.proof) == _sorted(sample.result.proof)


def _sorted(proof: Proof) -> Proof:
    """With the members of constraints in order, which means nothing."""
    parts = [
        replace(
            part,
            constraints=tuple((tuple(sorted(names)), demand) for names, demand in part.constraints),
        )
        if isinstance(part, ViewsPart)
        else part
        for part in proof.parts
    ]
    return Proof(tuple(parts))


def test_checker_proves_just_what_plain_loops_prove(samples: list[Proven]) -> None:
    """With numbers changed at random, checker and plain loops agree on every bound."""
    verdicts = _compare_with_plain_loops(samples, 0)
    assert min(verdicts[True], verdicts[False]) > 10


@pytest.mark.parametrize("seed", [1802, 2733, 2858])
def test_sieve_may_take_out_a_split_edge(seed: int) -> None:
    """An edge that is in the tour counts, though a sieve below that split would take it out."""
    instance, result = solved(seed)
    verdicts = _compare_with_plain_loops([Proven(instance, result)], seed)
    assert verdicts[False] > 0


@pytest.mark.slow
def test_checker_proves_just_what_plain_loops_prove_in_many_cases() -> None:
    """As above, for hundreds of proofs."""
    _compare_with_plain_loops(list(islice(proven_samples(7000), 400)), 1)


def _compare_with_plain_loops(samples: list[Proven], seed: int) -> Counter[bool]:
    rng = np.random.default_rng(seed)
    verdicts: Counter[bool] = Counter()
    for sample in samples:
        for number, part in enumerate(sample.parts):
            if not isinstance(part, RunsPart):
                continue
            changed = replace(part, tree=with_leaves(part.tree, lambda leaf: _shaken(rng, leaf)))
            step = max(1, part.bound // 5)
            for bound in (*range(0, part.bound + step, step), part.bound + 1):
                claim = replace(changed, bound=bound)
                expected = is_proven(sample.instance, sample.result.objective, claim)
                verdicts[expected] += 1
                result = sample.with_part(number, claim)
                if expected:
                    rs.check_proof(sample.instance, result)
                else:
                    with pytest.raises(rs.VerificationError, match="is needed"):
                        rs.check_proof(sample.instance, result)
    return verdicts


def _shaken(rng: np.random.Generator, leaf: Leaf) -> Leaf:
    """With numbers of nodes changed a little."""
    changes = rng.integers(-(2**leaf.exponent), 2**leaf.exponent // 2, size=len(leaf.nodes))
    changes[rng.random(changes.size) < 0.7] = 0
    nodes = tuple(a + b for a, b in zip(leaf.nodes, changes.tolist(), strict=True))
    return replace(leaf, nodes=nodes)


def test_numbers_beyond_64_bits_are_exact(samples: list[Proven]) -> None:
    """The same numbers over a much larger power of two prove the same, and no more."""
    tested = 0
    for sample in samples:
        for number, part in enumerate(sample.parts):
            if isinstance(part, RunsPart):
                longer = replace(part, tree=with_leaves(part.tree, lambda leaf: _finer(leaf, 100)))
                rs.check_proof(sample.instance, sample.with_part(number, longer))
                more = replace(longer, bound=part.bound + 1)
                with pytest.raises(rs.VerificationError):
                    rs.check_proof(sample.instance, sample.with_part(number, more))
                tested += 1
    assert tested > 5


def _finer(leaf: Leaf, digits: int) -> Leaf:
    return Leaf(
        tuple(number << digits for number in leaf.nodes),
        tuple((members, number << digits) for members, number in leaf.sets),
        leaf.exponent + digits,
    )


def test_result_without_a_claim_needs_no_parts() -> None:
    """Where the optimum is zero, the empty proof proves it."""
    instance = rs.Instance("one", [rs.Tensor("x", 3)], [rs.Access("a", [rs.Part("x", [0, 2])])])
    result = rs.solve(instance, "copies", backend="greedy")
    assert result.proof == Proof(())
    rs.check_proof(instance, result)


def test_constants_are_proven() -> None:
    """Accesses to a fixed tensor cost what they cost; equal ones are named once."""
    instance = rs.Instance(
        "fixed",
        [rs.Tensor("x", 4, fixed=True), rs.Tensor("y", 2)],
        [
            rs.Access("a", [rs.Part("x", [0, 2])], bytes=5),
            rs.Access("b", [rs.Part("x", [0, 2]), rs.Part("y", [])], bytes=7),
            rs.Access("c", [rs.Part("x", [0, 3]), rs.Part("y", [0, 1])], bytes=1),
            rs.Access("d", [rs.Part("x", [1, 3]), rs.Part("y", [0])], bytes=1, required=False),
        ],
    )
    result = rs.solve(instance, "bytes", backend=Proving())
    assert result.proof is not None
    assert ConstantPart(("a", "c"), 28) in result.proof.parts
    rs.check_proof(instance, result)


def test_result_without_a_proof_is_refused() -> None:
    """A bound that came without a proof cannot be proven again."""
    instance, result = solved(0)
    assert result.proof is not None
    with pytest.raises(rs.VerificationError, match="carries no proof"):
        rs.check_proof(instance, replace(result, proof=None))


def test_layout_and_cost_are_checked_too(samples: list[Proven]) -> None:
    """A true proof does not excuse a wrong cost."""
    sample = samples[0]
    assert sample.result.cost is not None
    wrong = replace(sample.result, cost=sample.result.cost + 1)
    with pytest.raises(rs.VerificationError, match="cost"):
        rs.check_proof(sample.instance, wrong)
