"""What writers refuse: anything that could not be read back, or would lose part of the problem."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from strategies import matrix_instance

import reorder_solver as rs
from reorder_solver.formats import FORMATS, instance_to_json, result_to_json
from reorder_solver.formats.limits import MAX_ACCESSES, MAX_CHANNELS

MATRIX_FORMATS = [name for name in FORMATS if name != "json"]
PART = rs.Part("t", [0, 2])


def _instance(*accesses: rs.Access, **tensor: Any) -> rs.Instance:
    return rs.Instance("i", [rs.Tensor("t", 3, **tensor)], accesses)


@pytest.mark.parametrize("name", MATRIX_FORMATS)
@pytest.mark.parametrize(
    ("instance", "phrase"),
    [
        (
            rs.Instance("i", [rs.Tensor("t", 1), rs.Tensor("u", 1)], []),
            "has one tensor, but it has 2",
        ),
        (rs.Instance("i", [], []), "one tensor, but it has 0"),
        (_instance(rs.Access("a", [PART]), fixed=True), "tensor 't': "),
        (_instance(rs.Access("a", [PART, PART])), "access 'a': .*one part, but this one has 2"),
        (_instance(rs.Access("a", [PART], required=True)), "no access is required"),
        (_instance(rs.Access("a", [PART], weight=2)), "weights are 1, but this one is not"),
    ],
)
def test_matrix_formats_refuse_what_they_cannot_say(
    name: str, instance: rs.Instance, phrase: str
) -> None:
    """A hard constraint, a weight, a part or a tensor is never dropped silently."""
    with pytest.raises(rs.InputError, match=phrase):
        FORMATS[name].write(instance)


def test_matrix_formats_leave_labels_out() -> None:
    """Ids, roles, bytes and prices are no part of a matrix; what is left is the matrix."""
    access = rs.Access("a", [PART], role="pass", bytes=7, prices=rs.PriceList(split=(1,)))
    for name in MATRIX_FORMATS:
        back = FORMATS[name].read(FORMATS[name].write(_instance(access)), "i")
        assert back == matrix_instance([[True, False, True]], "i")


def test_csv_needs_a_row() -> None:
    """A csv file without rows would not say how many columns there are."""
    with pytest.raises(rs.InputError, match="without rows"):
        FORMATS["csv"].write(_instance())


def test_csv_of_absurd_size_is_refused() -> None:
    """A sparse matrix whose csv would fill gigabytes is refused before memory is."""
    rows = [rs.Access(f"a{index}", [rs.Part("t", [0])]) for index in range(300)]
    with pytest.raises(rs.InputError, match=r"use \.mtx"):
        FORMATS["csv"].write(rs.Instance("i", [rs.Tensor("t", MAX_CHANNELS)], rows))


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        (math.nan, r"meta\.key: nan is no JSON number"),
        ([1, math.inf], r"meta\.key\[1\]: inf is no JSON number"),
        ({1: 2}, r"meta\.key: a key of type int"),
        ({"a": {2}}, r"meta\.key\.a: a value of type set"),
        (np.int64(3), r"meta\.key: a value of type int64"),
        ("\ud800", r"meta\.key: holds half a surrogate pair"),
        ({"\udfff": 1}, r"meta\.key: holds half a surrogate pair"),
        (10**1000, r"meta\.key: a number must have at most 1000 digits"),
    ],
)
def test_metadata_that_is_no_json_is_refused(value: object, phrase: str) -> None:
    """Metadata must be JSON, or the file could not be read or would come back changed."""
    with pytest.raises(rs.InputError, match=phrase):
        instance_to_json(rs.Instance("i", [], [], meta={"key": value}))


def test_deep_metadata_is_refused_exactly_where_reading_would_refuse_it() -> None:
    """The deepest metadata that is written can be read back, one level more cannot be written."""
    value: list[Any] = []
    for _ in range(29):
        value = [value]
    text = instance_to_json(rs.Instance("i", [], [], meta={"key": value}))
    assert FORMATS["json"].read(text.encode(), "").meta == {"key": value}
    with pytest.raises(rs.InputError, match="deeper than 32"):
        instance_to_json(rs.Instance("i", [], [], meta={"key": [value]}))


def test_instances_past_the_limits_are_refused() -> None:
    """A writer makes no file that the reader would refuse as too large."""
    tensors = [rs.Tensor(f"t{index}", MAX_CHANNELS) for index in range(5)]
    with pytest.raises(rs.InputError, match="channels over all tensors"):
        instance_to_json(rs.Instance("i", tensors, []))
    wide = rs.Part("t0", np.arange(MAX_CHANNELS))
    with pytest.raises(rs.InputError, match="wanted channels over all accesses"):
        instance_to_json(rs.Instance("i", tensors[:1], [rs.Access("a", [wide] * 17)]))
    many = [rs.Access(str(index), [PART]) for index in range(MAX_ACCESSES + 1)]
    with pytest.raises(rs.InputError, match="accesses are past the limit"):
        instance_to_json(_instance(*many))
    with pytest.raises(rs.InputError, match="at most 1000 digits"):
        instance_to_json(_instance(rs.Access("a", [PART], bytes=10**1000)))


@pytest.mark.parametrize(
    "change",
    [
        {"cost": 1.0 + 1e999},
        {"cost": np.int64(1)},
        {"times": {"total": math.nan}},
        {"versions": {"x": "\ud800"}},
        {"backend": "\ud800"},
        {"lower_bound": -(10**1000)},
    ],
)
def test_results_that_are_no_json_are_refused(change: dict[str, Any]) -> None:
    """A result with a value that JSON cannot hold is refused, not written wrongly."""
    fields: dict[str, Any] = {
        "status": rs.Status.NO_SOLUTION,
        "stop_reason": rs.StopReason.TIME_LIMIT,
        "cost": None,
        "lower_bound": None,
        "layout": None,
        "objective": rs.Objective.RUNS,
        "backend": "b",
    }
    with pytest.raises(rs.InputError):
        result_to_json(rs.Result(**(fields | change)))
