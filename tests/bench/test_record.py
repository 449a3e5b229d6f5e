"""Records and their JSON."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from bench_records import configurations, plain_record, records
from hypothesis import given

from reorder_solver.bench.record import Configuration, Record, record_from_json, record_to_json
from reorder_solver.core.errors import InputError


@given(records)
def test_round_trip(record: Record) -> None:
    """A record read back is the same, and its text is always the same."""
    text = record_to_json(record)
    assert "\n" not in text
    assert record_from_json(text) == record
    assert record_to_json(record_from_json(text)) == text


@given(configurations)
def test_key_is_the_same_for_equal_numbers(configuration: Configuration) -> None:
    """A limit of 10 and one of 10.0 are one configuration."""
    limit = configuration.time_limit
    if limit is not None and limit == int(limit):
        assert replace(configuration, time_limit=int(limit)).key == configuration.key
    assert configuration.key == replace(configuration).key


def test_key_depends_on_every_field() -> None:
    """No two configurations that differ share a key."""
    base = plain_record().configuration
    other = Configuration("0" * 64, "identity", "runs", 7, None, 2, 1 << 30, "2.0")
    for each in fields(Configuration):
        changed = replace(base, **{each.name: getattr(other, each.name)})
        assert changed.key != base.key, each.name


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("configuration", "seed"), 1.5, "configuration.seed: must be an integer"),
        (("configuration", "instance"), "abc", "configuration.instance: must be 64"),
        (("configuration", "objective"), "speed", "configuration.objective: must be one of"),
        (("outcome",), "lost", "outcome: must be one of"),
        (("status",), "good", "status: must be one of"),
        (("trace",), [[0.1, 2]], "trace[0]: must be [seconds, cost, bound]"),
        (("started",), "yesterday", "started: must be a time"),
        (("times",), {"wall": -1}, "times.wall: must be a number"),
        (("machine",), {"cores": 1.5}, "machine.cores: must be a string"),
        (("surprise",), 1, "unknown field 'surprise'"),
    ],
)
def test_bad_records(path: tuple[str, ...], value: object, words: str) -> None:
    """What is no record is refused in one line that names the place."""
    tree = json.loads(record_to_json(plain_record()))
    inner = tree
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(InputError) as caught:
        record_from_json(json.dumps(tree))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
