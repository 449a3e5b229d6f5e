"""Files as bytes: capped reading, atomic writing, gzip by the name's end; no format known here."""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import secrets
import zlib
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from reorder_solver.core.errors import InputError
from reorder_solver.core.instance import MAX_ID_LENGTH
from reorder_solver.formats.limits import MAX_FILE_BYTES, MAX_GZIP_MEMBERS

StrPath = str | os.PathLike[str]

_GZIP_MAGIC = b"\x1f\x8b"
_MEMBER_MAGIC = _GZIP_MAGIC + b"\x08"
_CHUNK = 1 << 20


def label(path: StrPath) -> str:
    """The path as an error message shows it: on one line, printable."""
    return _printable(os.fspath(path))


def stem_and_suffix(path: StrPath) -> tuple[str, str]:
    """Stem and lower-case suffix of the file name, without the ``.gz`` it may end in."""
    name = Path(path).name
    if name.lower().endswith(".gz"):
        name = name[:-3]
    pure = Path(name)
    return _printable(pure.stem)[:MAX_ID_LENGTH], pure.suffix.lower()


def read_bytes(path: StrPath) -> bytes:
    """The content of a file, unpacked if its name ends in ``.gz``.

    Raises
    ------
    InputError
        If it cannot be read, is no valid gzip file, or is (or unpacks to) more than
        :data:`~reorder_solver.formats.limits.MAX_FILE_BYTES`.
    """
    try:
        with open(path, "rb") as stream:
            if os.fstat(stream.fileno()).st_size > MAX_FILE_BYTES:
                _too_large()
            if not _is_packed(path):
                return _read_plain(stream)
            return _read_packed(stream)
    except (OSError, ValueError) as error:
        raise _explained(error, path, "read") from None


def write_bytes(path: StrPath, data: bytes) -> None:
    """Write `data` to a file at once or not at all, packed if the name ends in ``.gz``.

    The bytes go to a temporary file in the same folder, which then takes the place of `path`.
    The same data give the same bytes: a packed file carries no time and no name.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"would be larger than {MAX_FILE_BYTES} bytes", source=label(path))
    if _is_packed(path):
        data = _packed(data)
    try:
        target = os.path.realpath(path)
        if os.path.exists(target) and not os.path.isfile(target):
            # A device or pipe must be written to, not replaced.
            with open(target, "wb") as stream:
                stream.write(data)
        else:
            _replace(target, data)
    except (OSError, ValueError) as error:
        raise _explained(error, path, "written") from None


def _is_packed(path: StrPath) -> bool:
    return os.fspath(path).lower().endswith(".gz")


def _too_large() -> NoReturn:
    raise InputError(f"is larger than the limit of {MAX_FILE_BYTES} bytes (unpacked)")


def _read_plain(stream: BinaryIO) -> bytes:
    data = _read_capped(stream)
    if data.startswith(_GZIP_MAGIC):
        raise InputError("is packed with gzip; then its name must end in .gz")
    return data


def _read_packed(stream: BinaryIO) -> bytes:
    packed = _read_capped(stream)
    # Empty members cost a few bytes each, yet time to unpack; their count is all but exact.
    if packed.count(_MEMBER_MAGIC) > MAX_GZIP_MEMBERS:
        raise InputError(f"has more than {MAX_GZIP_MEMBERS} gzip members")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed), mode="rb") as unpacked:
            return _read_capped(cast("BinaryIO", unpacked))
    except EOFError:
        raise InputError("is a gzip file cut short") from None
    except (gzip.BadGzipFile, zlib.error):
        raise InputError("is no valid gzip file, though its name ends in .gz") from None


def _read_capped(stream: BinaryIO) -> bytes:
    content = bytearray()
    while chunk := stream.read(_CHUNK):
        content += chunk
        if len(content) > MAX_FILE_BYTES:
            _too_large()
    return bytes(content)


def _packed(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as stream:
        stream.write(data)
    return buffer.getvalue()


def _replace(target: str, data: bytes) -> None:
    # Not tempfile: its files are private to the user, while this one must obey the umask.
    temporary = os.path.join(os.path.dirname(target), f".tmp-{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _explained(error: OSError | ValueError, path: StrPath, verb: str) -> InputError:
    if isinstance(error, InputError):
        return error.located(label(path))
    if not isinstance(error, OSError):
        rule = "is no valid file name"
    elif error.errno == errno.ENOENT:
        rule = "no such file" if verb == "read" else "no such folder to write to"
    elif error.errno == errno.EISDIR or os.path.isdir(path):
        rule = "is a folder, but must be a file"
    else:
        rule = f"cannot be {verb}: {(error.strerror or type(error).__name__).lower()}"
    return InputError(rule, source=label(path))


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    escape = "unicode_escape"
    return "".join(c if c.isprintable() else c.encode(escape).decode("ascii") for c in text)
