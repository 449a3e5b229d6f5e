"""Windows instances and results as JSON: round trips, schemas, and one line for each bad file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
from good_documents import INSTANCE as ORDERING_DOCUMENT
from good_documents import MISSING, edited
from hypothesis import given
from hypothesis import strategies as st
from strategies import odd_ids

import reorder_solver as rs
from reorder_solver.core.instance import Role
from reorder_solver.core.result import Status, StopReason
from reorder_solver.core.verify_windows import verify_windows
from reorder_solver.core.window_result import (
    WindowsResult,
    evaluate_windows,
    windows_digest,
)
from reorder_solver.core.windows import (
    MAX_BUDGET,
    Budget,
    ScoredAccess,
    ScoredPart,
    ScoredTensor,
    WindowsInstance,
)
from reorder_solver.formats import (
    read_windows_instance,
    read_windows_result,
    windows_from_json,
    windows_result_from_json,
    windows_result_to_json,
    windows_to_json,
    write_windows_instance,
    write_windows_result,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schema"

DOCUMENT: dict[str, Any] = {
    "format": "channel-windows",
    "version": 1,
    "name": "good",
    "meta": {"seed": 1},
    "budgets": [{"id": "all", "limit": 9}],
    "tensors": [
        {"id": "x", "channels": 3, "live_limit": 2, "live_cost": 1, "budget": "all"},
        {"id": "y", "channels": 2, "fixed": True},
    ],
    "accesses": [
        {
            "id": "a",
            "role": "write",
            "budget": "all",
            "cost": 2,
            "minimum": 1,
            "maximum": 4,
            "gather": [3, 1],
            "parts": [{"tensor": "x", "scores": [5, 0, 7]}, {"tensor": "y", "scores": [1, 2]}],
        },
        {"id": "b", "budget": "all", "parts": [{"tensor": "x", "scores": [1, 2, 3]}]},
    ],
}
RESULT: dict[str, Any] = {
    "format": "channel-windows-layout",
    "version": 1,
    "instance": {"name": "good", "sha256": ""},
    "status": "feasible",
    "stop_reason": "time_limit",
    "importance": 13,
    "upper_bound": 20,
    "spent": {"all": 6},
    "layout": {"x": [2, 0, 1], "y": [0, 1]},
    "accesses": {
        "a": {"window": [1, 3], "parts": ["0", "0"]},
        "b": {"window": None, "parts": ["0,2"]},
    },
    "backend": "heuristic",
    "seed": 0,
    "threads": 1,
    "time_limit": None,
    "versions": {"reorder-solver": "0.1.0"},
    "times": {"total": 0.5},
}


def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


WINDOWS = _validator("channel-windows-1.schema.json")
LAYOUT = _validator("channel-windows-layout-1.schema.json")


@st.composite
def windows_instances(draw: Callable[..., Any]) -> WindowsInstance:
    """Small windows instances with every field."""
    amounts = st.integers(0, 9) | st.just(MAX_BUDGET)
    budgets = draw(st.lists(odd_ids, min_size=1, max_size=3, unique=True))
    tensors = []
    for key in draw(st.lists(odd_ids, min_size=1, max_size=3, unique=True)):
        fixed = draw(st.booleans())
        budget = draw(st.sampled_from([None, *budgets]))
        live = None if fixed else draw(st.none() | st.integers(0, 9))
        cost = 0 if fixed or budget is None else draw(amounts)
        tensors.append(ScoredTensor(key, draw(st.integers(1, 5)), fixed, live, cost, budget))
    accesses = []
    for key in draw(st.lists(odd_ids, max_size=4, unique=True)):
        used = draw(st.lists(st.sampled_from(tensors), min_size=1, max_size=3, unique=True))
        parts = tuple(
            ScoredPart(
                one.id,
                np.array(draw(st.lists(amounts, min_size=one.channels, max_size=one.channels)))
                // one.channels,
            )
            for one in used
        )
        accesses.append(
            ScoredAccess(
                key,
                parts,
                draw(st.sampled_from(budgets)),
                draw(st.sampled_from(Role)),
                draw(amounts),
                draw(st.integers(0, 1)),
                draw(st.none() | st.integers(1, 9)),
                draw(st.none() | st.tuples(amounts, amounts)),
            )
        )
    limits = tuple(Budget(key, draw(amounts)) for key in budgets)
    name = draw(odd_ids | st.just(""))
    return WindowsInstance(name, tuple(tensors), tuple(accesses), limits, {"a": [1, None]})


@given(instance=windows_instances())
def test_instances_survive(instance: WindowsInstance) -> None:
    """Written and read back an instance is the same, digest included; the schema allows it."""
    text = windows_to_json(instance)
    again = windows_from_json(text)
    assert again == instance
    assert dict(again.meta) == dict(instance.meta)
    assert windows_digest(again) == windows_digest(instance)
    assert windows_to_json(again) == text
    WINDOWS.validate(json.loads(text))


def _solved() -> tuple[WindowsInstance, WindowsResult]:
    instance = windows_from_json(json.dumps(DOCUMENT))
    layout = rs.Layout({"x": [2, 0, 1], "y": [0, 1]})
    selected = {
        "a": (np.array([0]), np.array([0])),
        "b": (np.array([0, 2]),),
    }
    facts = evaluate_windows(instance, layout, selected)
    assert facts.violations == ()
    result = WindowsResult(
        Status.FEASIBLE,
        StopReason.FINISHED,
        facts.importance,
        20,
        layout,
        selected,
        windows=facts.windows,
        spent=facts.spent,
        backend="hand",
        instance_name="good",
        instance_sha256=windows_digest(instance),
        times={"total": 0.25},
    )
    return instance, result


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_files(tmp_path: Path, suffix: str) -> None:
    """Instances and results survive a file, packed or not, and verify."""
    instance, result = _solved()
    write_windows_instance(instance, tmp_path / f"i{suffix}")
    write_windows_result(result, tmp_path / f"r{suffix}")
    again = read_windows_instance(tmp_path / f"i{suffix}")
    found = read_windows_result(tmp_path / f"r{suffix}", again)
    assert again == instance
    verify_windows(again, found)
    text = windows_result_to_json(result)
    assert windows_result_to_json(found) == text
    LAYOUT.validate(json.loads(text))


def test_no_solution_survives() -> None:
    """A result without a layout."""
    nothing = WindowsResult(Status.INFEASIBLE, StopReason.PROVEN, None, None, None, backend="exact")
    text = windows_result_to_json(nothing)
    again = windows_result_from_json(text)
    assert again.layout is None
    assert again.status is Status.INFEASIBLE
    LAYOUT.validate(json.loads(text))


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("version",), 2, "version"),
        (("format",), "channel-layout", "format"),
        (("extra",), 1, "extra"),
        (("budgets",), MISSING, "budgets"),
        (("budgets", 0, "limit"), -1, "budgets[0].limit"),
        (("budgets", 0, "limit"), MAX_BUDGET + 1, "budgets[0].limit"),
        (("tensors", 0, "channels"), 0, "tensors[0].channels"),
        (("tensors", 0, "channels"), 2.5, "tensors[0].channels"),
        (("tensors", 0, "live_limit"), -1, "tensors[0].live_limit"),
        (("tensors", 0, "id"), "", "tensors[0].id"),
        (("accesses", 0, "role"), "reads", "accesses[0].role"),
        (("accesses", 0, "parts"), [], "accesses[0].parts"),
        (("accesses", 0, "parts", 0, "scores"), [1, 2, -1], "accesses[0].parts[0].scores[2]"),
        (("accesses", 0, "parts", 0, "scores"), [1, 2, 0.5], "accesses[0].parts[0].scores[2]"),
        (("accesses", 0, "parts", 0, "scores"), "0-3", "accesses[0].parts[0].scores"),
        (("accesses", 0, "gather"), [1], "accesses[0].gather"),
        (("accesses", 0, "gather"), [1, -1], "accesses[0].gather[1]"),
        (("accesses", 0, "budget"), MISSING, "budget"),
        (("accesses", 0, "cost"), True, "accesses[0].cost"),
    ],
)
def test_bad_instances(path: tuple[str | int, ...], value: object, place: str) -> None:
    """Reader and schema refuse what has not the form; one line names the place."""
    assert WINDOWS.is_valid(DOCUMENT)
    changed = edited(DOCUMENT, path, value)
    assert not WINDOWS.is_valid(changed)
    with pytest.raises(rs.InputError) as caught:
        windows_from_json(json.dumps(changed))
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("budgets",), [{"id": "all", "limit": 1}] * 2, "used twice"),
        (("tensors", 0, "budget"), "al", "unknown budget 'al'"),
        (("tensors", 0, "budget"), None, "live_cost needs a budget"),
        (("accesses", 0, "budget"), "none", "unknown budget 'none'"),
        (("accesses", 0, "parts", 0, "tensor"), "z", "unknown tensor 'z'"),
        (("accesses", 0, "parts", 0, "tensor"), "y", "must list 2 scores"),
        (("accesses", 0, "parts", 0, "scores"), [1, 2], "must list 3 scores"),
        (("accesses", 0, "minimum"), 5, "minimum 5 is more"),
        (("accesses", 1, "id"), "a", "used twice"),
        (("accesses", 1, "parts", 0, "scores"), [MAX_BUDGET, MAX_BUDGET, 0], "add up"),
    ],
)
def test_broken_rules(path: tuple[str | int, ...], value: object, rule: str) -> None:
    """What only the reader can see."""
    with pytest.raises(rs.InputError, match=rule):
        windows_from_json(json.dumps(edited(DOCUMENT, path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("status",), "done"),
        (("importance",), -1),
        (("layout", "x"), "0-2"),
        (("layout", "x"), [0, 0, 1]),
        (("accesses", "a", "window"), [3]),
        (("accesses", "a", "parts"), [[0], [0]]),
        (("accesses", "a", "runs"), 1),
        (("instance", "sha256"), "12"),
        (("threads",), 0),
        (("spent", "all"), -1),
        (("more",), 0),
    ],
)
def test_bad_results(path: tuple[str | int, ...], value: object) -> None:
    """What the reader refuses for its form, the schema refuses too."""
    assert LAYOUT.is_valid(RESULT)
    windows_result_from_json(json.dumps(RESULT))
    changed = edited(RESULT, path, value)
    assert not LAYOUT.is_valid(changed)
    with pytest.raises(rs.InputError):
        windows_result_from_json(json.dumps(changed))


def test_result_of_another_instance() -> None:
    """The digest tells."""
    instance, result = _solved()
    other = instance.replace(budgets=(Budget("all", 8),))
    with pytest.raises(rs.InputError, match="another instance"):
        windows_result_from_json(windows_result_to_json(result), other)


def test_formats_are_not_confused(tmp_path: Path) -> None:
    """Each reader says which one the file is for."""
    path = tmp_path / "windows.json"
    path.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    with pytest.raises(rs.InputError, match="read_windows_instance"):
        rs.read_instance(path)
    path.write_text(json.dumps(ORDERING_DOCUMENT), encoding="utf-8")
    with pytest.raises(rs.InputError, match="for read_instance"):
        read_windows_instance(path)
    path.write_text(json.dumps(RESULT), encoding="utf-8")
    with pytest.raises(rs.InputError, match="read_windows_result"):
        rs.read_result(path)
