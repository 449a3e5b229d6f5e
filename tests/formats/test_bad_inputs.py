"""Hostile content: each file is refused with one line that names the file and the broken rule."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from bad_inputs import bad_instances, bad_results
from good_documents import INSTANCE, RESULT, edited
from hypothesis import given
from hypothesis import strategies as st

import reorder_solver as rs
from reorder_solver.formats import (
    FORMATS,
    instance_from_json,
    read_instance,
    read_result,
    result_from_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bad_inputs import BadInput

SAMPLES = {
    "json": json.dumps(INSTANCE).encode(),
    "csv": b"0,1,1\n1,0,0\n",
    "mtx": b"%%MatrixMarket matrix coordinate pattern general\n% note\n2 3 3\n1 2\n1 3\n2 1\n",
    "orlib": b"2 3\n1 1 1\n2\n2 3\n1\n1\n",
    "cbm": b"2 3\n2 2 3\n1 1\n",
}


def _complaint(read: Callable[[Path], object], path: Path, case: BadInput) -> str | None:
    """What is wrong with the refusal of `case`, if anything."""
    try:
        read(path)
    except rs.InputError as error:
        message = str(error)
        if not message.startswith(f"{path}: "):
            return f"{case.name}: does not name the file: {message}"
        if not message.isprintable() or len(message) > 400 + len(str(path)):
            return f"{case.name}: not one short line: {message[:500]}"
        return None if case.phrase in message else f"{case.name}: {case.phrase!r} not in {message}"
    return f"{case.name}: was accepted"


@pytest.mark.parametrize(
    ("cases", "read"), [(bad_instances, read_instance), (bad_results, read_result)]
)
def test_each_bad_file_is_refused_in_one_line(
    tmp_path: Path, cases: Callable[[], Iterator[BadInput]], read: Callable[[Path], object]
) -> None:
    """Every file of the corpus raises InputError: one line with the file and what is wrong."""
    complaints = []
    for case in cases():
        path = tmp_path / case.name
        path.write_bytes(case.data)
        complaints.append(_complaint(read, path, case))
        path.unlink()
    assert [complaint for complaint in complaints if complaint] == []


def test_corpus_is_large_and_deterministic() -> None:
    """The corpus has at least 200 instances, distinct names, and is the same every time."""

    def fingerprint() -> list[tuple[str, str]]:
        return [(case.name, hashlib.sha256(case.data).hexdigest()) for case in bad_instances()]

    first = fingerprint()
    assert len(first) >= 200
    assert len({name for name, _ in first}) == len(first)
    assert first == fingerprint()


def test_documents_behind_the_corpus_are_good() -> None:
    """What the corpus spoils is correct before, so each case breaks the rule it means to break."""
    instance = instance_from_json(json.dumps(INSTANCE))
    result = result_from_json(json.dumps(RESULT), instance)
    rs.verify(instance, result)
    for name, data in SAMPLES.items():
        assert FORMATS[name].read(data, "sample").accesses


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.binary(max_size=60))
def test_any_bytes_give_an_instance_or_an_input_error(name: str, data: bytes) -> None:
    """Whatever the bytes, a reader ends in an instance or an InputError of one line."""
    _reads_or_refuses(lambda: FORMATS[name].read(data, "fuzz"))


@pytest.mark.parametrize("name", FORMATS)
@given(
    start=st.integers(0, 700),
    drop=st.integers(0, 4),
    insert=st.binary(max_size=2) | st.sampled_from([b"0", b"-", b",", b"9" * 30, b"\n", b'"']),
)
def test_damaged_files_give_an_instance_or_an_input_error(
    name: str, start: int, drop: int, insert: bytes
) -> None:
    """A good file with a few bytes replaced anywhere never raises anything but InputError."""
    sample = SAMPLES[name]
    start %= len(sample) + 1
    damaged = sample[:start] + insert + sample[start + drop :]
    _reads_or_refuses(lambda: FORMATS[name].read(damaged, "fuzz"))


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=4,
    ),
    data=st.data(),
)
def test_any_value_in_any_place_gives_a_value_or_an_input_error(
    value: object, data: st.DataObject
) -> None:
    """Whatever JSON value stands in whatever place, reading raises nothing but InputError."""
    read, document = data.draw(
        st.sampled_from([(instance_from_json, INSTANCE), (result_from_json, RESULT)])
    )
    path: list[str | int] = []
    place: Any = document
    while isinstance(place, dict | list) and place and (not path or data.draw(st.booleans())):
        keys = list(place) if isinstance(place, dict) else range(len(place))
        path.append(data.draw(st.sampled_from(keys)))
        place = place[path[-1]]
    text = json.dumps(edited(document, tuple(path), value))
    _reads_or_refuses(lambda: read(text))


def _reads_or_refuses(read: Callable[[], object]) -> None:
    message = ""
    try:
        read()
    except rs.InputError as error:
        message = str(error)
    assert message.isprintable()
