"""Reading and writing files: which format a name stands for, and errors that name the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError
from reorder_solver.formats.covering import read_cbm, read_orlib, write_cbm, write_orlib
from reorder_solver.formats.csv_matrix import read_csv, write_csv
from reorder_solver.formats.files import (
    StrPath,
    label,
    read_bytes,
    stem_and_suffix,
    write_bytes,
)
from reorder_solver.formats.instance_json import instance_from_json, instance_to_json
from reorder_solver.formats.matrix_market import read_mtx, write_mtx
from reorder_solver.formats.result_json import result_from_json, result_to_json
from reorder_solver.formats.windows_json import windows_from_json, windows_to_json
from reorder_solver.formats.windows_result_json import (
    windows_result_from_json,
    windows_result_to_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from reorder_solver.core.instance import Instance
    from reorder_solver.core.result import Result
    from reorder_solver.core.window_result import WindowsResult
    from reorder_solver.core.windows import WindowsInstance


@dataclass(frozen=True, slots=True)
class Format:
    """A file format of instances.

    Attributes
    ----------
    name, suffix, summary : str
        How it is called, what its file names end in (before ``.gz``), and what it is.
    read : callable
        From content and default name to instance.
    write : callable
        From instance to content.
    """

    name: str
    suffix: str
    summary: str
    read: Callable[[bytes, str], Instance]
    write: Callable[[Instance], bytes]


def _read_json(data: bytes, name: str) -> Instance:
    return instance_from_json(data, name=name)


def _write_json(instance: Instance) -> bytes:
    return instance_to_json(instance).encode("utf-8")


_ALL = (
    Format("json", ".json", "native format, version 1", _read_json, _write_json),
    Format("csv", ".csv", "0/1 matrix, a line a row", read_csv, write_csv),
    Format("mtx", ".mtx", "Matrix Market, coordinate", read_mtx, write_mtx),
    Format("orlib", ".txt", "OR-Library set covering", read_orlib, write_orlib),
    Format("cbm", ".cbm", "row lists of consecutive block minimisation", read_cbm, write_cbm),
)

#: The formats of instances, by name.
FORMATS: dict[str, Format] = {one.name: one for one in _ALL}


def read_instance(path: StrPath, format: str | None = None) -> Instance:
    """Read an instance from a file.

    Parameters
    ----------
    path : str or path
        Unpacked first if it ends in ``.gz``.
    format : str, optional
        One of ``json``, ``csv``, ``mtx``, ``orlib``, ``cbm``. By default the suffix decides:
        ``.json .csv .mtx .txt .cbm``, ``.txt`` being ``orlib``.

    Returns
    -------
    Instance
        Named after the file where the file gives no name. The matrix formats give one tensor,
        ``columns``, and accesses ``row1``, ``row2`` ... of bytes and weight 1.

    Raises
    ------
    InputError
        If the file cannot be read or breaks a rule of its format. The message is one line
        that names the file, the place and the rule.
    """
    try:
        chosen = _format(path, format)
        return chosen.read(read_bytes(path), stem_and_suffix(path)[0])
    except InputError as error:
        raise error.located(label(path)) from None


def write_instance(instance: Instance, path: StrPath, format: str | None = None) -> None:
    """Write an instance to a file, at once or not at all; packed if the name ends in ``.gz``.

    Parameters
    ----------
    instance : Instance
    path : str or path
    format : str, optional
        As for :func:`read_instance`. The matrix formats hold one tensor and weights of 1 only,
        and neither ids nor bytes nor prices.

    Raises
    ------
    InputError
        If the file cannot be written, or the format cannot hold the instance.
    """
    try:
        write_bytes(path, _format(path, format).write(instance))
    except InputError as error:
        raise error.located(label(path)) from None


def read_result(path: StrPath, instance: Instance | None = None) -> Result:
    """Read a result from a JSON file.

    Parameters
    ----------
    path : str or path
        Unpacked first if it ends in ``.gz``.
    instance : Instance, optional
        What was solved; if given, the result must belong to it.

    Raises
    ------
    InputError
        If the file cannot be read, breaks a rule of the format or belongs to another instance.
    """
    try:
        return result_from_json(read_bytes(path), instance)
    except InputError as error:
        raise error.located(label(path)) from None


def write_result(result: Result, path: StrPath) -> None:
    """Write a result to a JSON file, at once or not at all; packed if the name ends in ``.gz``.

    Raises
    ------
    InputError
        If the file cannot be written, or the result could not be read back.
    """
    try:
        write_bytes(path, result_to_json(result).encode("utf-8"))
    except InputError as error:
        raise error.located(label(path)) from None


def read_windows_instance(path: StrPath) -> WindowsInstance:
    """Read a windows instance (zero-copy pruning) from a JSON file.

    Parameters
    ----------
    path : str or path
        Unpacked first if it ends in ``.gz``.

    Returns
    -------
    WindowsInstance
        Named after the file where the file gives no name.

    Raises
    ------
    InputError
        If the file cannot be read or breaks a rule of the format. The message is one line
        that names the file, the place and the rule.
    """
    try:
        return windows_from_json(read_bytes(path), name=stem_and_suffix(path)[0])
    except InputError as error:
        raise error.located(label(path)) from None


def write_windows_instance(instance: WindowsInstance, path: StrPath) -> None:
    """Write a windows instance to a JSON file, at once or not at all; packed if it ends in .gz.

    Raises
    ------
    InputError
        If the file cannot be written, or the instance could not be read back.
    """
    try:
        write_bytes(path, windows_to_json(instance).encode("utf-8"))
    except InputError as error:
        raise error.located(label(path)) from None


def read_windows_result(path: StrPath, instance: WindowsInstance | None = None) -> WindowsResult:
    """Read a windows result from a JSON file.

    Parameters
    ----------
    path : str or path
        Unpacked first if it ends in ``.gz``.
    instance : WindowsInstance, optional
        What was solved; if given, the result must belong to it.

    Raises
    ------
    InputError
        If the file cannot be read, breaks a rule of the format or belongs to another instance.
    """
    try:
        return windows_result_from_json(read_bytes(path), instance)
    except InputError as error:
        raise error.located(label(path)) from None


def write_windows_result(result: WindowsResult, path: StrPath) -> None:
    """Write a windows result to a JSON file, at once or not at all; packed if it ends in .gz.

    Raises
    ------
    InputError
        If the file cannot be written, or the result could not be read back.
    """
    try:
        write_bytes(path, windows_result_to_json(result).encode("utf-8"))
    except InputError as error:
        raise error.located(label(path)) from None


def _format(path: StrPath, name: str | None) -> Format:
    if name is not None:
        if name not in FORMATS:
            raise InputError(f"unknown format {name!r}; known: {', '.join(FORMATS)}")
        return FORMATS[name]
    suffix = stem_and_suffix(path)[1]
    for one in _ALL:
        if one.suffix == suffix:
            return one
    known = ", ".join(f"{one.suffix} ({one.name})" for one in _ALL)
    raise InputError(
        f"the suffix {suffix!r} stands for no format; known: {known}, each also with .gz; "
        "or name the format"
    )
