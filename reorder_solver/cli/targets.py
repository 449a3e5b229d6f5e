"""Output files: where results go, and writing what other libraries produce at once."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reorder_solver.cli.inputs import RESULT_SUFFIX, stem
from reorder_solver.core.errors import InputError
from reorder_solver.formats.files import label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def result_paths(sources: Sequence[Path], output: str | None) -> list[Path | None]:
    """Where the result of each source goes; None where nothing is to be written.

    `output` is a folder (made if missing) if it is one, ends in a slash, or there are several
    sources; else it is the file.

    Raises
    ------
    InputError
        If two results would go to one file, or a result to an instance file.
    """
    if output is None:
        return [None] * len(sources)
    paths: list[Path]
    if len(sources) == 1 and not os.path.isdir(output) and not output.endswith(("/", os.sep)):
        paths = [Path(output)]
    else:
        folder = made_folder(Path(output))
        paths = [folder / f"{stem(source)}{RESULT_SUFFIX}" for source in sources]
    taken: dict[str, Path] = {os.path.realpath(source): source for source in sources}
    for source, path in zip(sources, paths, strict=True):
        first = taken.setdefault(os.path.realpath(path), source)
        if first is not source or os.path.realpath(path) == os.path.realpath(source):
            raise InputError(
                f"the result of {label(source)} would overwrite this file", source=label(path)
            )
    return [*paths]


def made_folder(folder: Path) -> Path:
    """`folder`, made with its parents where missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError("is a file, but must be a folder", source=label(folder)) from None
    except OSError as error:
        reason = (error.strerror or "fails").lower()
        raise InputError(f"cannot be made: {reason}", source=label(folder)) from None
    return folder


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place if the block succeeds."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise InputError("is a folder, but must be a file", source=label(path))
    # The suffix stays: some writers choose the format by it.
    temporary = target.with_name(f".tmp-{secrets.token_hex(8)}{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise InputError(f"cannot be written: {reason}", source=label(path)) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_writable_soon(path: Path) -> None:
    """Raise :class:`InputError` now if `path` cannot be written later, after long work."""
    folder = Path(os.path.realpath(path)).parent
    if os.path.isdir(path):
        raise InputError("is a folder, but must be a file", source=label(path))
    if not folder.is_dir():
        raise InputError("no such folder to write to", source=label(path))
    if not os.access(folder, os.W_OK) and not os.access(path, os.W_OK):
        raise InputError("cannot be written: permission denied", source=label(path))
