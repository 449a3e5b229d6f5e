"""The published JSON Schemas say what the readers and writers do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from good_documents import INSTANCE, RESULT, edited
from hypothesis import given
from hypothesis import strategies as st
from strategies import instances, odd_ids, results

import reorder_solver as rs
from reorder_solver.core.instance import MAX_CHANNELS, MAX_ID_LENGTH
from reorder_solver.core.prices import PRICE_ARITY
from reorder_solver.formats import (
    instance_from_json,
    instance_to_json,
    result_from_json,
    result_to_json,
)
from reorder_solver.formats.limits import MAX_ACCESSES, MAX_EXPONENT, MAX_TENSORS

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schema"


def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


ORDERING = _validator("channel-ordering-1.schema.json")
LAYOUT = _validator("channel-layout-1.schema.json")


@given(data=st.data(), instance=instances(ids=odd_ids))
def test_written_files_are_valid(data: st.DataObject, instance: rs.Instance) -> None:
    """Whatever the writers write, the schemas allow."""
    ORDERING.validate(json.loads(instance_to_json(instance)))
    LAYOUT.validate(json.loads(result_to_json(data.draw(results(instance)))))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("format",), "channel-layout"),
        (("extra",), 1),
        (("name",), "n" * (MAX_ID_LENGTH + 1)),
        (("tensors", 0, "channels"), 0),
        (("tensors", 0, "channels"), 8.5),
        (("tensors", 0, "channels"), MAX_CHANNELS + 1),
        (("tensors", 0, "id"), ""),
        (("accesses", 0, "role"), "reads"),
        (("accesses", 0, "parts"), []),
        (("accesses", 0, "parts", 0, "channels"), "0-3, 7"),
        (("accesses", 0, "parts", 0, "channels"), "01"),
        (("accesses", 0, "parts", 0, "channels"), [1, 1]),
        (("accesses", 0, "parts", 0, "channels"), [-1]),
        (("accesses", 0, "prices"), {"gather": [1]}),
        (("accesses", 0, "prices"), {"view": [1]}),
        (("accesses", 0, "weight"), -1),
    ],
)
def test_bad_instances_are_invalid(path: tuple[str | int, ...], value: object) -> None:
    """What the reader refuses for its form, the schema refuses too."""
    assert ORDERING.is_valid(INSTANCE)
    changed = edited(INSTANCE, path, value)
    assert not ORDERING.is_valid(changed)
    with pytest.raises(rs.InputError):
        instance_from_json(json.dumps(changed))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("status",), "done"),
        (("cost",), -1),
        (("layout", "x"), "0-7"),
        (("layout", "x"), [0, 0]),
        (("accesses", "a", "mode"), "copy"),
        (("instance", "sha256"), "12"),
        (("threads",), 0),
        (("times", "total"), -1),
        (("more",), 0),
        (("proof",), None),
        (("proof", "parts", 0, "kind"), "cost"),
        (("proof", "parts", 0, "bound"), -1),
        (("proof", "parts", 1, "constraints", 0, 0), [0, 1]),
        (("proof", "parts", 1, "constraints", 0, 1), 0),
        (("proof", "parts", 2, "tree"), []),
        (("proof", "parts", 2, "tree", 0), {}),
        (("proof", "parts", 2, "tree", 0, "split"), [1]),
        (("proof", "parts", 2, "tree", 1, "sieve", "exponent"), 257),
        (("proof", "parts", 2, "tree", 2, "leaf", "nodes"), []),
    ],
)
def test_bad_results_are_invalid(path: tuple[str | int, ...], value: object) -> None:
    """What the reader refuses for its form, the schema refuses too."""
    assert LAYOUT.is_valid(RESULT)
    changed = edited(RESULT, path, value)
    assert not LAYOUT.is_valid(changed)
    with pytest.raises(rs.InputError):
        result_from_json(json.dumps(changed))


def test_schemas_and_code_name_the_same_things() -> None:
    """Enumerations, arities and limits of the schemas are those of the code."""
    ordering, layout = ORDERING.schema, LAYOUT.schema
    definitions: dict[str, Any] = ordering["$defs"]
    assert definitions["access"]["properties"]["role"]["enum"] == [role.value for role in rs.Role]
    prices = definitions["prices"]["properties"]
    assert {mode: prices[mode]["minItems"] for mode in prices} == PRICE_ARITY
    assert definitions["channel"]["maximum"] == MAX_CHANNELS - 1
    assert ordering["properties"]["tensors"]["maxItems"] == MAX_TENSORS
    assert ordering["properties"]["accesses"]["maxItems"] == MAX_ACCESSES
    for key, kind in [
        ("objective", rs.Objective),
        ("status", rs.Status),
        ("stop_reason", rs.StopReason),
    ]:
        assert layout["properties"][key]["enum"] == [member.value for member in kind]
    assert layout["$defs"]["leaf"]["properties"]["exponent"]["maximum"] == MAX_EXPONENT
    assert layout["$defs"]["ids"]["maxItems"] == MAX_ACCESSES
    modes = layout["$defs"]["facts"]["properties"]["mode"]["enum"]
    assert modes == [mode.value for mode in rs.Mode] + [None]
