"""The store: one SQLite file that a killed benchmark leaves whole."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import zlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from reorder_solver.bench.lock import WriterLock
from reorder_solver.bench.record import record_from_json, record_to_json
from reorder_solver.core.digest import digest
from reorder_solver.core.errors import InputError
from reorder_solver.formats.files import StrPath, label
from reorder_solver.formats.instance_json import instance_from_json, instance_to_json
from reorder_solver.formats.json_text import loads
from reorder_solver.formats.limits import MAX_FILE_BYTES
from reorder_solver.formats.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reorder_solver.bench.record import Record
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.layout import Layout

SCHEMA_VERSION = 1

#: SQLite's own mark in the head of the file ("rsob"), so that no other database is taken for one.
_APPLICATION_ID = 0x72736F62

_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE runs(key TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE layouts(key TEXT PRIMARY KEY REFERENCES runs(key), data BLOB NOT NULL);
CREATE TABLE instances(
    digest TEXT PRIMARY KEY, name TEXT NOT NULL, family TEXT NOT NULL, data BLOB NOT NULL
);
"""

#: Seconds to wait for another process that reads or writes at this moment.
_PATIENCE = 60.0


class Store:
    """Finished runs, their layouts, and the instances they belong to.

    A run is written in one transaction, so a process killed at any moment leaves each run there
    completely or not at all. One process writes; others may read meanwhile. Make one with
    :meth:`open`, and use it as a context manager.
    """

    def __init__(
        self, source: str, connection: sqlite3.Connection, lock: WriterLock | None
    ) -> None:
        self._source = source
        self._connection = connection
        self._lock = lock

    @classmethod
    def open(cls, path: StrPath, readonly: bool = False) -> Store:
        """Open a store, or make it if it is missing and to be written.

        Parameters
        ----------
        path : str or path
        readonly : bool
            True: the file must be there, and may be written by another process meanwhile.

        Raises
        ------
        InputError
            If the file is missing, is no store, has another schema version, or another process
            writes to it.
        """
        source = label(path)
        if os.path.isdir(path):
            raise InputError("is a folder, but must be a file", source=source)
        if readonly:
            if not os.path.exists(path):
                raise InputError("no such file", source=source)
            return cls._checked(source, _reader(path, source), None)
        if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
            raise InputError("no such folder to write to", source=source)
        lock = WriterLock(path)
        try:
            return cls._checked(source, _writer(path, source), lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _checked(
        cls, source: str, connection: sqlite3.Connection, lock: WriterLock | None
    ) -> Store:
        store = cls(source, connection, lock)
        try:
            store._check_schema()
        except BaseException:
            connection.close()
            raise
        return store

    def close(self) -> None:
        """Close the file; what was added is there already."""
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def keys(self) -> set[str]:
        """Keys of the finished runs."""
        return {key for (key,) in self._rows("SELECT key FROM runs")}

    def records(self) -> Iterator[Record]:
        """Finished runs, in the order in which they were added.

        Raises
        ------
        InputError
            If one of them is no valid record.
        """
        for key, text in self._rows("SELECT key, record FROM runs ORDER BY rowid"):
            with self._place(f"run {str(key)[:16]}"):
                if not isinstance(text, str):
                    raise InputError("is no text")
                record = record_from_json(text)
                if record.key != key:
                    raise InputError("its configuration belongs to another key")
            yield record

    def layout(self, key: str) -> dict[str, list[int]] | None:
        """Tensor id to channels, position by position; None if the run found no layout."""
        rows = self._rows("SELECT data FROM layouts WHERE key = ?", key)
        if not rows:
            return None
        with self._place(f"layout {key[:16]}"):
            found = Node(loads(_unpacked(rows[0][0]))).mapping()
            return {tensor: node.integers() for tensor, node in found.items()}

    def instance_text(self, digest: str) -> str:
        """The native JSON of an instance.

        Raises
        ------
        InputError
            If it is not in the store.
        """
        rows = self._rows("SELECT data FROM instances WHERE digest = ?", digest)
        with self._place(f"instance {digest[:16]}"):
            if not rows:
                raise InputError("is not in the store")
            try:
                return _unpacked(rows[0][0]).decode("utf-8")
            except UnicodeDecodeError:
                raise InputError("is not UTF-8") from None

    def instance(self, key: str) -> Instance:
        """The instance with the digest `key`; errors as for :meth:`instance_text`."""
        text = self.instance_text(key)
        with self._place(f"instance {key[:16]}"):
            found = instance_from_json(text)
            if digest(found) != key:
                raise InputError("its digest is another")
        return found

    def instances(self) -> dict[str, tuple[str, str]]:
        """Digest to name and family, in the order in which they were added."""
        rows = self._rows("SELECT digest, name, family FROM instances ORDER BY rowid")
        return {key: (name, family) for key, name, family in rows}

    def add_instance(self, instance: Instance, name: str, family: str) -> None:
        """Keep an instance under its digest; nothing happens if it is there."""
        key = digest(instance)
        if self._rows("SELECT 1 FROM instances WHERE digest = ?", key):
            return
        data = _packed(instance_to_json(instance))
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO instances VALUES (?, ?, ?, ?)", (key, name, family, data)
            )

    def add(self, record: Record, layout: Layout | None = None) -> bool:
        """Keep a finished run; durable once this returns.

        Returns
        -------
        bool
            False if the run was there already: then nothing is changed.
        """
        return self._put(record, layout, replacing=False)

    def replace(self, record: Record, layout: Layout | None = None) -> None:
        """Keep a finished run in place of an earlier one of the same key, if there is one."""
        self._put(record, layout, replacing=True)

    def _put(self, record: Record, layout: Layout | None, *, replacing: bool) -> bool:
        text = record_to_json(record)
        with self._transaction() as connection:
            if replacing:
                connection.execute("DELETE FROM layouts WHERE key = ?", (record.key,))
                connection.execute("DELETE FROM runs WHERE key = ?", (record.key,))
            done = connection.execute(
                "INSERT OR IGNORE INTO runs VALUES (?, ?)", (record.key, text)
            )
            if done.rowcount == 0:
                return False
            if layout is not None:
                orders = {tensor: order.tolist() for tensor, order in layout.items()}
                data = _packed(json.dumps(orders, separators=(",", ":")))
                connection.execute("INSERT INTO layouts VALUES (?, ?)", (record.key, data))
        return True

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._damaged(error) from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._damaged(error) from None

    @contextmanager
    def _place(self, place: str) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            inner = f"{place}: {error.place}" if error.place else place
            raise InputError(error.rule, place=inner, source=self._source) from None

    def _check_schema(self) -> None:
        (mark,) = self._rows("PRAGMA application_id")[0]
        if mark != _APPLICATION_ID:
            if self._lock is None or self._rows("SELECT 1 FROM sqlite_master"):
                raise InputError("is no benchmark store", source=self._source)
            self._create()
        rows = self._rows("SELECT value FROM meta WHERE key = 'schema'")
        version = rows[0][0] if rows else "missing"
        if version != str(SCHEMA_VERSION):
            raise InputError(
                f"schema version {version} is unknown; this program reads {SCHEMA_VERSION}",
                source=self._source,
            )

    def _create(self) -> None:
        with self._transaction() as connection:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")

    def _damaged(self, error: sqlite3.Error) -> InputError:
        if error.sqlite_errorname == "SQLITE_NOTADB":
            rule = "is no benchmark store"
        else:
            rule = f"cannot be used: {' '.join(str(error).split())}"
        return InputError(rule, source=self._source)


def _writer(path: StrPath, source: str) -> sqlite3.Connection:
    connection = _connect(path, "rwc", source)
    try:
        # A rollback journal: between two transactions the store is this one file. EXTRA also
        # makes the end of a transaction survive a power failure.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
    except sqlite3.Error as error:
        connection.close()
        rule = "is no benchmark store" if _is_foreign(error) else f"cannot be used: {error}"
        raise InputError(rule, source=source) from None
    return connection


def _reader(path: StrPath, source: str) -> sqlite3.Connection:
    """A connection that reads; a transaction that a killed writer left half done is undone."""
    connection = _connect(path, "ro", source)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        connection.close()
        if _is_foreign(error):
            raise InputError("is no benchmark store", source=source) from None
        connection = _connect(path, "rw", source)
        connection.execute("PRAGMA query_only = 1")
    return connection


def _connect(path: StrPath, mode: str, source: str) -> sqlite3.Connection:
    from pathlib import Path

    try:
        uri = f"{Path(os.path.abspath(path)).as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)
    except (sqlite3.Error, ValueError) as error:
        raise InputError(f"cannot be opened: {error}", source=source) from None


def _is_foreign(error: sqlite3.Error) -> bool:
    return error.sqlite_errorname == "SQLITE_NOTADB"


def _packed(text: str) -> bytes:
    return gzip.compress(text.encode("utf-8"), mtime=0)


def _unpacked(data: object) -> bytes:
    """The content of a packed blob; a small one that unpacks to gigabytes is refused."""
    if not isinstance(data, bytes):
        raise InputError("is no packed text")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(data, MAX_FILE_BYTES)
    except zlib.error:
        raise InputError("is no packed text") from None
    if not unpacker.eof:
        raise InputError("is cut short or too large")
    return content
