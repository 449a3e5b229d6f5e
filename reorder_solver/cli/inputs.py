"""Input files: which ones are meant, and what they hold, checked before any work is done."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError
from reorder_solver.core.objectives import price_list
from reorder_solver.core.prices import Objective
from reorder_solver.formats import FORMATS, read_instance, read_result
from reorder_solver.formats.files import label, stem_and_suffix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.core.instance import Instance
    from reorder_solver.core.layout import Layout
    from reorder_solver.core.result import Result

#: How the names of result files end.
RESULT_SUFFIX = ".layout.json"


def expand(names: Iterable[str]) -> list[Path]:
    """The files that `names` stand for: files, folders and patterns, each file once.

    Parameters
    ----------
    names : iterable of str
        A folder stands for the instance files right in it, without result files; a pattern that
        no shell has expanded for what it matches. Both sorted by name.

    Raises
    ------
    InputError
        If a folder or pattern stands for nothing.
    """
    found: list[Path] = []
    for name in names:
        if os.path.isdir(name):
            found += _in_folder(Path(name))
        elif not os.path.lexists(name) and glob.has_magic(name):
            found += _matching(name)
        else:
            found.append(Path(name))
    return list(dict.fromkeys(found))


def load(path: Path, form: str | None, objective: str) -> Instance:
    """Read an instance and check that `objective` can be asked of it."""
    instance = read_instance(path, format=form)
    parsed = Objective.parse(objective)
    try:
        for access in instance.accesses:
            price_list(access, parsed)
    except InputError as error:
        raise error.located(label(path)) from None
    return instance


def load_result(path: Path, instance: Instance) -> Result:
    """Read a result file that a re-check is to judge, even one of another instance."""
    try:
        return read_result(path)
    except InputError:
        # Facts without channel counts can be read only beside the instance.
        return read_result(path, instance)


def load_layout(path: Path, instance: Instance) -> Layout:
    """The layout of a result file of `instance`."""
    layout = read_result(path, instance).layout
    if layout is None:
        raise InputError("has no layout", source=label(path))
    return layout


def stem(path: Path) -> str:
    """The file name without its suffixes."""
    return stem_and_suffix(path)[0]


def _in_folder(folder: Path) -> list[Path]:
    suffixes = {each.suffix for each in FORMATS.values()}
    found = [
        path
        for path in sorted(folder.iterdir())
        if stem_and_suffix(path)[1] in suffixes
        and not path.name.endswith((RESULT_SUFFIX, f"{RESULT_SUFFIX}.gz"))
        and path.is_file()
    ]
    if not found:
        known = ", ".join(sorted(suffixes))
        raise InputError(f"has no instance files ({known})", source=label(folder))
    return found


def _matching(pattern: str) -> list[Path]:
    found = sorted(Path(name) for name in glob.glob(pattern) if os.path.isfile(name))
    if not found:
        raise InputError("matches no file", source=label(pattern))
    return found
