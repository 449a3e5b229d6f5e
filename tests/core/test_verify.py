"""Verification catches every kind of wrong result."""

from __future__ import annotations

from dataclasses import replace

import pytest

import reorder_solver as rs
from reorder_solver import Access, Instance, Layout, Mode, Part, Result, Status, Tensor


@pytest.fixture
def instance() -> Instance:
    """Two views and one gather under the original order."""
    return Instance(
        "v",
        [Tensor("x", 5), Tensor("y", 2, fixed=True)],
        [
            Access("a", [Part("x", [0, 1, 2])], bytes=3),
            Access("b", [Part("x", [0, 4])], bytes=5),
            Access("c", [Part("y", [0, 1]), Part("x", [0, 1, 2, 3, 4])], bytes=2),
        ],
    )


@pytest.fixture
def result(instance: Instance) -> Result:
    """An honest result for the original order: access b pays 10."""
    layout = Layout.identity(instance)
    found = rs.evaluate(instance, layout)
    return Result(
        status=Status.FEASIBLE,
        stop_reason=rs.StopReason.FINISHED,
        cost=found.total,
        lower_bound=0,
        layout=layout,
        objective=rs.Objective.BYTES,
        backend="hand",
        accesses=found.accesses,
        instance_sha256=rs.digest(instance),
    )


def test_honest_result_passes(instance: Instance, result: Result) -> None:
    """Nothing is wrong with it."""
    assert result.cost == 10
    rs.verify(instance, result)


def _with_facts(result: Result, **changes: object) -> Result:
    facts = dict(result.accesses)
    facts["b"] = replace(facts["b"], **changes)  # type: ignore[arg-type]
    return replace(result, accesses=facts)


LIES = {
    "cost too low": lambda r: replace(r, cost=9),
    "bound above cost": lambda r: replace(r, lower_bound=11),
    "optimal without bound": lambda r: replace(r, status=Status.OPTIMAL, lower_bound=None),
    "optimal with a gap": lambda r: replace(r, status=Status.OPTIMAL),
    "infeasible with a layout": lambda r: replace(r, status=Status.INFEASIBLE),
    "layout lost": lambda r: replace(r, layout=None),
    "moved fixed tensor": lambda r: replace(r, layout=Layout({"x": [0, 1, 2, 3, 4], "y": [1, 0]})),
    "another layout": lambda r: replace(r, layout=Layout({"x": [0, 4, 2, 3, 1], "y": [0, 1]})),
    "missing tensor": lambda r: replace(r, layout=Layout({"x": [0, 1, 2, 3, 4]})),
    "wrong runs": lambda r: _with_facts(r, runs=1),
    "wrong span": lambda r: _with_facts(r, span=4),
    "wrong channels": lambda r: _with_facts(r, channels=3),
    "view that is none": lambda r: _with_facts(r, mode=Mode.VIEW, cost=0),
    "mode not offered": lambda r: _with_facts(r, mode=Mode.SPLIT),
    "wrong price": lambda r: _with_facts(r, cost=7),
    "facts missing": lambda r: replace(r, accesses={}),
    "another instance": lambda r: replace(r, instance_sha256="0" * 64),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_caught(instance: Instance, result: Result, lie: str) -> None:
    """Each single falsification is rejected."""
    with pytest.raises(rs.VerificationError):
        rs.verify(instance, LIES[lie](result))


def test_required_violation_is_caught(instance: Instance, result: Result) -> None:
    """A required access that is no view is rejected even if its facts admit it."""
    accesses = [replace(a, required=a.id == "b") for a in instance.accesses]
    strict = instance.replace(accesses=accesses)
    facts = _with_facts(result, mode=None, cost=0)
    with pytest.raises(rs.VerificationError, match="required"):
        rs.verify(strict, replace(facts, cost=0, instance_sha256=rs.digest(strict)))


def test_no_solution_passes_without_layout(instance: Instance, result: Result) -> None:
    """An honest "nothing found" is fine."""
    rs.verify(
        instance,
        replace(result, status=Status.NO_SOLUTION, layout=None, cost=None, accesses={}),
    )
