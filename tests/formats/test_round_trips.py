"""What is written is what is read, in every format and byte for byte the same every time."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import instances, matrices, matrix_instance, odd_ids, results

import reorder_solver as rs
from reorder_solver.formats import (
    FORMATS,
    instance_from_json,
    instance_to_json,
    read_instance,
    read_result,
    result_from_json,
    result_to_json,
    write_instance,
    write_result,
)

if TYPE_CHECKING:
    from pathlib import Path


@given(instance=instances(ids=odd_ids))
def test_json_round_trip_is_exact(instance: rs.Instance) -> None:
    """Every field of an instance survives JSON, metadata and odd ids included."""
    text = instance_to_json(instance)
    back = instance_from_json(text, name="unused")
    assert back == instance
    assert back.meta == instance.meta
    assert rs.digest(back) == rs.digest(instance)
    assert instance_to_json(back) == text


@given(data=st.data(), instance=instances(ids=odd_ids))
def test_result_round_trip_is_exact(data: st.DataObject, instance: rs.Instance) -> None:
    """Every field of a result survives JSON, and the copy still verifies."""
    result = data.draw(results(instance))
    text = result_to_json(result)
    back = result_from_json(text, instance)
    assert back == result
    assert result_to_json(back) == text
    rs.verify(instance, back)


@pytest.mark.parametrize("name", FORMATS)
@given(instance=matrices())
def test_matrix_round_trip_is_exact(name: str, instance: rs.Instance) -> None:
    """A 0/1 matrix survives every format."""
    data = FORMATS[name].write(instance)
    assert FORMATS[name].read(data, "") == instance
    assert FORMATS[name].write(instance) == data


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_files_round_trip(tmp_path: Path, name: str, packed: str) -> None:
    """Through a file, plain or packed, an instance stays the same, named by the file if need be."""
    path = tmp_path / f"my.sample{FORMATS[name].suffix}{packed}"
    write_instance(matrix_instance([[True, False], [True, True]], name="my.sample"), path)
    assert read_instance(path) == matrix_instance([[True, False], [True, True]], name="my.sample")
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == bool(packed)


def test_packed_files_are_deterministic(tmp_path: Path) -> None:
    """Packing adds neither time nor file name: two files of one instance are the same bytes."""
    instance = matrix_instance([[True, False, True]], name="same")
    for name in ("a.json.gz", "b.json.gz"):
        write_instance(instance, tmp_path / name)
    data = (tmp_path / "a.json.gz").read_bytes()
    assert data == (tmp_path / "b.json.gz").read_bytes()
    assert gzip.decompress(data).decode() == instance_to_json(instance)


def test_result_files_round_trip(tmp_path: Path) -> None:
    """A result survives a plain and a packed file."""
    instance = matrix_instance([[True, False, True]], name="m")
    layout = rs.Layout({"columns": [0, 2, 1]})
    facts = rs.evaluate(instance, layout, "runs")
    result = rs.Result(
        status=rs.Status.OPTIMAL,
        stop_reason=rs.StopReason.PROVEN,
        cost=0,
        lower_bound=0,
        layout=layout,
        objective=rs.Objective.RUNS,
        backend="hand",
        accesses=facts.accesses,
        instance_sha256=rs.digest(instance),
    )
    for name in ("r.json", "r.json.gz"):
        write_result(result, tmp_path / name)
        assert read_result(tmp_path / name, instance) == result
        assert read_result(tmp_path / name) == result


def test_numbers_of_any_size_survive() -> None:
    """Bytes, weights and prices are exact far beyond 64 bits."""
    big = 10**1000 - 1
    access = rs.Access(
        "a", [rs.Part("t", [0])], bytes=big, weight=big, prices=rs.PriceList(gather=(big, big))
    )
    instance = rs.Instance("big", [rs.Tensor("t", 1)], [access])
    assert instance_from_json(instance_to_json(instance)) == instance


def test_json_is_written_for_readers() -> None:
    """The text has compact ranges, one tensor and one access a line, and is plain JSON."""
    instance = rs.Instance(
        "n",
        [rs.Tensor("t", 256), rs.Tensor("u", 2, fixed=True)],
        [
            rs.Access("a", [rs.Part("t", [0, 1, 2, 3, 7, *range(10, 256)])], bytes=784),
            rs.Access("ä", [rs.Part("u", []), rs.Part("u", [1])], required=True),
        ],
    )
    text = instance_to_json(instance)
    assert text.splitlines() == [
        '{"format": "channel-ordering", "version": 1, "name": "n", "meta": {},',
        ' "tensors": [',
        '  {"id": "t", "channels": 256},',
        '  {"id": "u", "channels": 2, "fixed": true}],',
        ' "accesses": [',
        '  {"id": "a", "role": "read", "parts": [{"tensor": "t", "channels": "0-3,7,10-255"}], '
        '"bytes": 784, "weight": 1},',
        '  {"id": "ä", "role": "read", "parts": [{"tensor": "u", "channels": ""}, '
        '{"tensor": "u", "channels": "1"}], "bytes": 1, "weight": 1, "required": true}]}',
    ]
    assert json.loads(text)["tensors"][0] == {"id": "t", "channels": 256}
