"""The store: what was added is there, whatever happened meanwhile."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from bench_records import plain_record, records, small_instance
from hypothesis import given, settings
from hypothesis import strategies as st

import reorder_solver as rs
from reorder_solver.bench.record import Record, record_to_json
from reorder_solver.bench.store import Store
from reorder_solver.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@settings(max_examples=20, deadline=None)
@given(st.lists(records, max_size=5, unique_by=lambda record: record.key))
def test_records_come_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, made: list[Record]
) -> None:
    """Records come back equal, in the order of adding, also from a second opening."""
    path = tmp_path_factory.mktemp("store") / "runs.db"
    with Store.open(path) as store:
        for record in made:
            assert store.add(record)
        assert list(store.records()) == made
    with Store.open(path, readonly=True) as store:
        assert list(store.records()) == made
        assert store.keys() == {record.key for record in made}


def test_a_run_is_kept_once(tmp_path: Path) -> None:
    """A second record of one configuration changes nothing, unless it is to replace the first."""
    first, second = plain_record(cost=1), plain_record(cost=2)
    with Store.open(tmp_path / "runs.db") as store:
        assert store.add(first)
        assert not store.add(second)
        assert list(store.records()) == [first]
        store.replace(second)
        assert list(store.records()) == [second]


def test_layouts_and_instances(tmp_path: Path) -> None:
    """A layout and an instance come back as they went in; a report needs nothing else."""
    instance = small_instance()
    layout = rs.Layout({"t": [2, 0, 4, 5, 1, 3]})
    record = plain_record()
    with Store.open(tmp_path / "runs.db") as store:
        store.add_instance(instance, "small", "tests")
        store.add_instance(instance, "again", "tests")
        store.add(record, layout)
        store.add(plain_record(seed=1))
    with Store.open(tmp_path / "runs.db", readonly=True) as store:
        assert store.layout(record.key) == {"t": [2, 0, 4, 5, 1, 3]}
        assert store.layout(plain_record(seed=1).key) is None
        assert store.instances() == {rs.digest(instance): ("small", "tests")}
        assert store.instance(rs.digest(instance)) == instance
        with pytest.raises(InputError, match="is not in the store"):
            store.instance("0" * 64)


def test_one_writer_many_readers(tmp_path: Path) -> None:
    """A second writer is refused, a reader is not; a closed store leaves one file."""
    path = tmp_path / "runs.db"
    with Store.open(path) as store:
        store.add(plain_record())
        with pytest.raises(InputError, match="another process writes to it"):
            Store.open(path)
        with Store.open(path, readonly=True) as reader:
            assert len(reader.keys()) == 1
            store.add(plain_record(seed=1))
            assert len(reader.keys()) == 2
            with pytest.raises(InputError, match="cannot be used"):
                reader.add(plain_record(seed=2))
    assert [each.name for each in tmp_path.iterdir()] == ["runs.db"]
    Store.open(path).close()


def _refused(path: Path, readonly: bool = True) -> str:
    with pytest.raises(InputError) as caught:
        _read_all(path, readonly)
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text
    return text


def _read_all(path: Path, readonly: bool) -> None:
    with Store.open(path, readonly=readonly) as store:
        for record in store.records():
            store.layout(record.key)
        for key in store.instances():
            store.instance(key)


@pytest.mark.parametrize("readonly", [True, False])
def test_what_is_no_store(tmp_path: Path, readonly: bool) -> None:
    """Other files are refused in one line and left as they were."""
    text = tmp_path / "text.db"
    text.write_text("this is no database\n" * 100, encoding="utf-8")
    assert "is no benchmark store" in _refused(text, readonly)
    assert text.read_text(encoding="utf-8").startswith("this is no database")
    foreign = tmp_path / "foreign.db"
    sqlite3.connect(foreign).execute("CREATE TABLE t(x)").connection.close()
    before = foreign.read_bytes()
    assert "is no benchmark store" in _refused(foreign, readonly)
    assert foreign.read_bytes() == before
    assert "is a folder" in _refused(tmp_path, readonly)
    assert "no such f" in _refused(tmp_path / "missing" / "runs.db", readonly)


def test_missing_store_is_not_made_by_reading(tmp_path: Path) -> None:
    """Reading needs a file."""
    assert "no such file" in _refused(tmp_path / "runs.db")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE meta SET value = '99'", "schema version 99 is unknown"),
        ("DELETE FROM meta", "schema version missing is unknown"),
        ("DROP TABLE runs", "no such table"),
        ("UPDATE runs SET record = '{}'", "is missing"),
        ("UPDATE runs SET record = x'ff00'", "run"),
        ("UPDATE runs SET record = 5", "run"),
        ("UPDATE runs SET key = 'abc'", "belongs to another key"),
        ("UPDATE layouts SET data = x'0011'", "is no packed text"),
        ("UPDATE layouts SET data = substr(data, 1, 20)", "is cut short"),
        ("UPDATE layouts SET data = 'text'", "is no packed text"),
        ("UPDATE instances SET data = substr(data, 1, 20)", "is cut short"),
        ("UPDATE instances SET digest = 'abc'", "its digest is another"),
    ],
)
def test_damaged_store(tmp_path: Path, statement: str, words: str) -> None:
    """Damage is named in one line with its place."""
    path = tmp_path / "runs.db"
    with Store.open(path) as store:
        store.add_instance(small_instance(), "small", "tests")
        store.add(plain_record(), rs.Layout({"t": [0, 1, 2, 3, 4, 5]}))
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    assert words in _refused(path)


def test_file_cut_short(tmp_path: Path) -> None:
    """A file whose end is missing is refused in one line."""
    path = tmp_path / "runs.db"
    with Store.open(path) as store:
        for seed in range(200):
            store.add(plain_record(seed))
    path.write_bytes(path.read_bytes()[:20_000])
    assert "cannot be used" in _refused(path)


_WRITE = """
import sys
from bench_records import plain_record
from reorder_solver.bench.store import Store
store = Store.open(sys.argv[1])
for seed in range(100000):
    store.add(plain_record(seed))
    print(seed, flush=True)
"""


def _killed_writers(path: Path, times: int) -> None:
    done = -1
    for turn in range(times):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITE, str(path)],
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        assert writer.stdout is not None
        # Killed in whatever it does after this line.
        target = done + 1 + 11 * (turn % 7)
        for line in writer.stdout:
            if int(line) >= target:
                break
        writer.kill()
        said = [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        done = max([target, *said])
        with Store.open(path, readonly=turn % 2 == 0) as store:
            found = list(store.records())
        seeds = [record.configuration.seed for record in found]
        # All that was reported as added, and at most the one in flight beyond.
        assert seeds == list(range(len(seeds)))
        assert done + 1 <= len(seeds) <= done + 2
        done = len(seeds) - 1
        assert record_to_json(found[-1]) == record_to_json(plain_record(done))


def test_killed_writer(tmp_path: Path) -> None:
    """A writer killed by SIGKILL loses nothing that it had added."""
    _killed_writers(tmp_path / "runs.db", 3)


@pytest.mark.slow
def test_killed_writer_many_times(tmp_path: Path) -> None:
    """The same, many times over."""
    _killed_writers(tmp_path / "runs.db", 40)
