"""A proof gets from the backend that made it to the result, and stays with its bound."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from proof_producers import Proving

import reorder_solver as rs
from reorder_solver.backends import make_backend
from reorder_solver.core.proof import ViewsPart
from reorder_solver.incumbent import Incumbent
from reorder_solver.presolve import compile_problem

if TYPE_CHECKING:
    from reorder_solver.backends import Answer, Backend, Task


def _triangle(tensor: str) -> list[rs.Access]:
    """Three accesses of which one must pay, and an equal of the first."""
    parts = [[0, 1], [1, 2], [0, 2], [0, 1]]
    return [
        rs.Access(f"{tensor}{number}", [rs.Part(tensor, part)], bytes=number + 1)
        for number, part in enumerate(parts)
    ]


@pytest.fixture
def two_triangles() -> rs.Instance:
    """Two independent tensors, each with a conflict."""
    tensors = [rs.Tensor("x", 3), rs.Tensor("y", 3)]
    return rs.Instance("two", tensors, [*_triangle("x"), *_triangle("y")])


def test_parts_of_components_are_put_together(two_triangles: rs.Instance) -> None:
    """Each component gives its part, in the instance's ids; equal accesses are named once."""
    result = rs.solve(two_triangles, "bytes", backend=Proving())
    assert result.cost == result.lower_bound == 8
    assert result.proof is not None
    assert [part.bound for part in result.proof.parts] == [4, 4]
    assert result.proof.parts[1] == ViewsPart(((("y0", "y1", "y2"), 1),), 4)
    rs.check_proof(two_triangles, result)


class _OnlyFirst(Proving):
    """Proves the components of one call but not those after the first."""

    def solve(self, task: Task) -> Answer:
        answer = super().solve(task)
        is_first = task.problem.accesses[0].members[0] == 0
        return answer if is_first else replace(answer, proof=None)


def test_proof_of_a_component_only_is_none(two_triangles: rs.Instance) -> None:
    """Unless every component with a bound has a proof, the result has none."""
    result = rs.solve(two_triangles, "bytes", backend=_OnlyFirst())
    assert result.lower_bound == 8
    assert result.proof is None


def test_portfolio_passes_proofs_on(
    two_triangles: rs.Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a member proves is proven by the portfolio."""

    def made(name: str) -> Backend:
        return Proving() if name == "exact" else make_backend(name)

    monkeypatch.setattr("reorder_solver.backends.portfolio.make_backend", made)
    result = rs.solve(two_triangles, "bytes", backend="auto")
    assert result.proof is not None
    rs.check_proof(two_triangles, result)


def test_proof_belongs_to_the_bound(two_triangles: rs.Instance) -> None:
    """A better bound leaves the proof of the old one behind; the same bound may bring one."""
    problem = compile_problem(two_triangles, rs.Objective.BYTES).problem
    proofs = {bound: ViewsPart((((0, 1, 2), 1),), bound) for bound in (1, 2, 3)}
    incumbent = Incumbent(problem)
    incumbent.offer(None, 1, proofs[1])
    assert incumbent.proof is proofs[1]
    incumbent.offer(None, 2)
    assert incumbent.proof is None
    incumbent.offer(None, 1, proofs[1])
    assert incumbent.proof is None
    incumbent.offer(None, 2, proofs[3])
    assert incumbent.proof is None
    incumbent.offer(None, 2, proofs[2])
    assert incumbent.proof is proofs[2]
    incumbent.offer(None, 3, proofs[3])
    assert incumbent.proof is proofs[3]


def test_interrupted_solve_has_no_proof_of_its_bound(two_triangles: rs.Instance) -> None:
    """A bound that was only reported carries no proof."""

    class Interrupted(Proving):
        def solve(self, task: Task) -> Answer:
            answer = super().solve(task)
            task.report(answer.orders, answer.lower_bound)
            raise KeyboardInterrupt

    result = rs.solve(two_triangles, "bytes", backend=Interrupted())
    assert result.proof is None
