"""Hand-written files of every format, and how a file's name and format are found."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest
from good_documents import INSTANCE, RESULT, edited
from strategies import matrix_instance

import reorder_solver as rs
from reorder_solver.formats import (
    FORMATS,
    instance_from_json,
    read_instance,
    result_from_json,
)

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = matrix_instance([[False, True, True], [False, False, False], [True, False, True]], "m")
MTX = b"%%MatrixMarket matrix coordinate pattern general\n"


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("m.csv", b"0,1,1\n0,0,0\n1,0,1\n"),
        ("m.csv", b"\xef\xbb\xbf 0 , 1 ,1\r\n0,0,0\r\n1,0,\t1\r\n\r\n"),
        ("m.csv", b"0,1,1\n0,0,0\n1,0,1"),
        ("m.mtx", MTX + b"3 3 4\n1 2\n1 3\n3 1\n3 3\n"),
        ("m.mtx", MTX + b"% a note\n%\n\n3 3 4\n3 3\n\n1 3\n  3   1 \n1 2"),
        ("m.mtx", MTX.upper().replace(b"\n", b" \r\n") + b"3 3 4\r\n1 2\r\n1 3\r\n3 1\r\n3 3\r\n"),
        (
            "m.mtx",
            MTX.replace(b"pattern", b"integer") + b"3 3 5\n1 2 1\n1 3 1\n3 1 1\n3 3 1\n2 2 0",
        ),
        ("m.txt", b" 3 3 \n 5 5 5 \n 2 \n 2 3 \n 0\n 2 \n 1 3 \n"),
        ("m.txt", b"3 3 5 5 5 2 3 2 0 2 1 3"),
        ("m.txt", b"3\n3\n5\n5\n5\n2\n3\n2\n0\n2\n1\n3"),
        ("m.cbm", b"3 3\n2 2 3 \n0\n2 1 3 \n"),
        ("m.cbm", b"\n 3\t3\n\n2 3 2\n0\n002 1 3\n\n\n"),
    ],
)
def test_matrix_samples(tmp_path: Path, file: str, data: bytes) -> None:
    """Each format reads the same matrix, whatever the harmless freedom of its layout."""
    path = tmp_path / file
    path.write_bytes(data)
    assert read_instance(path) == EXPECTED
    packed = tmp_path / f"{file}.gz"
    packed.write_bytes(gzip.compress(data))
    assert read_instance(str(packed)) == EXPECTED


@pytest.mark.parametrize(
    ("name", "data"),
    [("mtx", MTX + b"0 2 0\n"), ("orlib", b"0 2\n1 1\n"), ("cbm", b"0 2\n")],
)
def test_matrix_without_rows(name: str, data: bytes) -> None:
    """A matrix may have no rows; its columns then are channels that nobody wants."""
    instance = FORMATS[name].read(data, "m")
    assert instance == rs.Instance("m", [rs.Tensor("columns", 2)], [])
    assert FORMATS[name].read(FORMATS[name].write(instance), "m") == instance


def test_defaults_of_the_native_format() -> None:
    """Only ids, channels and parts must be given; the rest has the defaults of the problem."""
    text = (
        '{"format": "channel-ordering", "version": 1, "tensors": [{"id": "t", "channels": 4}],'
        ' "accesses": [{"id": "a", "parts": [{"tensor": "t", "channels": [3, 0]}]}]}'
    )
    instance = instance_from_json(text, name="default")
    assert instance == rs.Instance(
        "default", [rs.Tensor("t", 4)], [rs.Access("a", [rs.Part("t", [0, 3])])]
    )
    assert instance_from_json("\ufeff" + text.replace(" ", "\r\n")).name == ""


def test_all_fields_of_the_native_format() -> None:
    """Every field of a hand-written file reaches the instance."""
    instance = instance_from_json(json.dumps(INSTANCE))
    assert instance == rs.Instance(
        "good",
        [rs.Tensor("x", 8), rs.Tensor("y", 4, fixed=True)],
        [
            rs.Access(
                "a",
                [rs.Part("x", [0, 1, 2, 3, 7])],
                bytes=4,
                weight=2,
                prices=rs.PriceList((1200, 31), (900, 31, 150), (95,), (4,)),
            ),
            rs.Access("b", [rs.Part("y", [1, 2]), rs.Part("x", [])], required=True),
            rs.Access("c", [rs.Part("x", [5])], role=rs.Role.PASS),
        ],
    )
    assert instance.meta == {"seed": 1}


@pytest.mark.parametrize("given", ["0-3,7", "7,0-3", "0,1,2,3,7", "2-3,0-1,7-7", [7, 3, 2, 1, 0]])
def test_channels_may_come_in_any_order(given: object) -> None:
    """Ranges and lists name a set, so their order does not matter."""
    path = ("accesses", 0, "parts", 0, "channels")
    instance = instance_from_json(json.dumps(edited(INSTANCE, path, given)))
    assert instance.accesses[0].parts[0] == rs.Part("x", [0, 1, 2, 3, 7])


def test_names(tmp_path: Path) -> None:
    """A name in the file counts, also an empty one; else the file's name does, made printable."""
    nameless = {key: value for key, value in INSTANCE.items() if key != "name"}
    for document, file, expected in [
        (INSTANCE, "file.json", "good"),
        (INSTANCE | {"name": ""}, "file.json", ""),
        (nameless, "some.file.JSON", "some.file"),
        (nameless, "a\nb.json", "a\\nb"),
    ]:
        (tmp_path / file).write_text(json.dumps(document), encoding="utf-8")
        assert read_instance(tmp_path / file).name == expected


def test_format_can_be_forced(tmp_path: Path) -> None:
    """A named format wins over the suffix, and is needed where the suffix says nothing."""
    for file in ("m.dat", "m.txt", "m"):
        (tmp_path / file).write_bytes(b"3 3\n2 2 3\n0\n2 1 3\n")
        assert read_instance(tmp_path / file, format="cbm") == EXPECTED
    with pytest.raises(rs.InputError, match=r"m\.dat: unknown format 'sbm'; known: json, csv, mtx"):
        read_instance(tmp_path / "m.dat", format="sbm")
    with pytest.raises(
        rs.InputError, match=r"'\.dat' stands for no format; known: \.json \(json\)"
    ):
        read_instance(tmp_path / "m.dat")


def test_result_belongs_to_its_instance() -> None:
    """Given the instance, a result of another one is refused, by digest and by layout."""
    instance = instance_from_json(json.dumps(INSTANCE))
    right = edited(RESULT, ("instance", "sha256"), rs.digest(instance))
    assert result_from_json(json.dumps(right), instance).cost == 20
    wrong = edited(RESULT, ("instance", "sha256"), "0" * 64)
    assert result_from_json(json.dumps(wrong)).cost == 20
    with pytest.raises(rs.InputError, match=r"instance\.sha256: the result is of another instance"):
        result_from_json(json.dumps(wrong), instance)
    for key, value, rule in [
        ("x", [0, 1], "has 2 channels instead of 8"),
        ("y", [1, 0, 2, 3], "changes a fixed tensor"),
        ("z", [0], "unknown tensor 'z'"),
    ]:
        with pytest.raises(rs.InputError, match=rule):
            result_from_json(json.dumps(edited(RESULT, ("layout", key), value)), instance)


def test_facts_may_leave_the_channels_to_the_instance() -> None:
    """Without ``channels``, the number of wanted channels comes from the instance."""
    instance = instance_from_json(json.dumps(INSTANCE))
    short = json.loads(json.dumps(RESULT))
    for facts in short["accesses"].values():
        del facts["channels"]
    assert result_from_json(json.dumps(short), instance) == result_from_json(json.dumps(RESULT))


def test_smallest_result() -> None:
    """A result needs few fields, and may have no layout."""
    required = ("format", "version", "objective", "stop_reason", "lower_bound", "backend")
    document = {key: RESULT[key] for key in required}
    document |= {"status": "infeasible", "cost": None, "layout": None}
    result = result_from_json(json.dumps(document))
    assert result.layout is None
    assert result.status is rs.Status.INFEASIBLE
    assert (result.seed, result.threads, result.time_limit) == (0, 1, None)
