"""Files as the system gives them: missing, forbidden, huge; and writing all or nothing."""

from __future__ import annotations

import gzip
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from strategies import matrix_instance

import reorder_solver as rs
from reorder_solver.formats import files, read_instance, read_result, write_instance
from reorder_solver.formats.limits import MAX_FILE_BYTES

if TYPE_CHECKING:
    from pathlib import Path

INSTANCE = matrix_instance([[True, False]], name="i")


@pytest.mark.parametrize("read", [read_instance, read_result])
def test_missing_file_and_folder(tmp_path: Path, read: object) -> None:
    """A missing file and a folder are refused by name."""
    assert callable(read)
    with pytest.raises(rs.InputError, match=r"none\.json: no such file$"):
        read(tmp_path / "none.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(rs.InputError, match=r"folder\.json: is a folder, but must be a file$"):
        read(tmp_path / "folder.json")
    (tmp_path / "i.json").write_text("{}", encoding="utf-8")
    with pytest.raises(rs.InputError, match=r"i\.json/x\.json: cannot be read: not a directory"):
        read(tmp_path / "i.json" / "x.json")


def test_forbidden_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be opened is refused with the system's reason."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(rs.InputError, match=r"i\.json: cannot be read: permission denied$"):
        read_instance(tmp_path / "i.json")
    with pytest.raises(rs.InputError, match=r"i\.json: cannot be written: permission denied$"):
        write_instance(INSTANCE, tmp_path / "i.json")


@pytest.mark.parametrize("name", ["a\0b.json", "a\ud800.json", "a" * 300 + ".json"])
def test_impossible_file_names(tmp_path: Path, name: str) -> None:
    """Names no file can have are refused in one printable line."""
    for action in (read_instance, lambda path: write_instance(INSTANCE, path)):
        with pytest.raises(rs.InputError) as caught:
            action(f"{tmp_path}/{name}")
        assert str(caught.value).isprintable()


def test_odd_file_name_stays_on_one_line(tmp_path: Path) -> None:
    """Line breaks and control characters of a file name are shown escaped."""
    path = tmp_path / "two\nlines\x1b[31m.json"
    path.write_bytes(b"")
    with pytest.raises(rs.InputError) as caught:
        read_instance(path)
    assert str(caught.value).endswith("two\\nlines\\x1b[31m.json: is empty")


def test_huge_files_are_refused_unread(tmp_path: Path) -> None:
    """A (sparse) terabyte is refused by its size alone."""
    for name in ("huge.json", "huge.csv.gz"):
        with (tmp_path / name).open("wb") as stream:
            stream.truncate(1 << 40)
        with pytest.raises(rs.InputError, match=f"larger than the limit of {MAX_FILE_BYTES}"):
            read_instance(tmp_path / name)


def test_gzip_of_countless_empty_members_is_refused(tmp_path: Path) -> None:
    """A file of nothing but gzip headers is refused, however many there are."""
    path = tmp_path / "members.json.gz"
    path.write_bytes(gzip.compress(b"") * 70_000)
    with pytest.raises(rs.InputError, match="gzip members"):
        read_instance(path)
    path.write_bytes(gzip.compress(b'{"format": "channel-ordering", "version": 1, "tensors"') * 1)
    with path.open("ab") as stream:
        stream.write(gzip.compress(b': [], "accesses": []}'))
    assert read_instance(path) == rs.Instance("members", [], [])


def test_failed_write_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If writing fails or is interrupted, the old file stays whole and nothing is left behind."""
    path = tmp_path / "i.json"
    path.write_text("old", encoding="utf-8")
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):

        def fail(*args: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(os, "replace", fail)
        expected = rs.InputError if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(expected):
            write_instance(INSTANCE, path)
        assert path.read_text(encoding="utf-8") == "old"
        assert os.listdir(tmp_path) == ["i.json"]


def test_write_refuses_folders(tmp_path: Path) -> None:
    """A folder, or a missing one around the file, is refused by name."""
    (tmp_path / "d.json").mkdir()
    with pytest.raises(rs.InputError, match=r"d\.json: is a folder"):
        write_instance(INSTANCE, tmp_path / "d.json")
    with pytest.raises(rs.InputError, match=r"e/i\.json: no such folder to write to"):
        write_instance(INSTANCE, tmp_path / "e" / "i.json")
    with pytest.raises(rs.InputError, match=r"i\.yaml: the suffix '\.yaml' stands for no format"):
        write_instance(INSTANCE, tmp_path / "i.yaml")


def test_write_replaces_a_file_behind_a_link(tmp_path: Path) -> None:
    """Writing to a symbolic link changes the file it points to; the link stays."""
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    write_instance(INSTANCE, link)
    assert link.is_symlink()
    assert read_instance(target) == INSTANCE


def test_written_files_obey_the_umask(tmp_path: Path) -> None:
    """A written file has the permissions of any new file, not those of a private temporary one."""
    (tmp_path / "plain").write_text("", encoding="utf-8")
    write_instance(INSTANCE, tmp_path / "i.json")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "i.json")]
    assert modes[0] == modes[1]


def test_pipes_are_written_to_and_read_from(tmp_path: Path) -> None:
    """A pipe (or a device such as /dev/stdout) is used as it is, never replaced by a file."""
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    found: list[rs.Instance] = []
    reader = threading.Thread(target=lambda: found.append(read_instance(pipe)), daemon=True)
    reader.start()
    write_instance(INSTANCE, pipe)
    reader.join(timeout=60)
    assert found == [INSTANCE]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_content_past_the_limit_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file is written that would be too large to be read."""
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 10)
    with pytest.raises(rs.InputError, match=r"i\.json: would be larger than 10 bytes"):
        write_instance(INSTANCE, tmp_path / "i.json")
    assert os.listdir(tmp_path) == []
