"""Trace: what PyTorch's execution trace file says about every operator that ran."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Use:
    """A tensor as an argument or result of a call.

    Attributes
    ----------
    storage : int
        Number of its storage, the same for its views; a freed storage's may come back.
    shape : tuple of int
    bytes : int
        Elements times the size of one.
    dtype : str
    """

    storage: int
    shape: tuple[int, ...]
    bytes: int
    dtype: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operator that ran, or a labelled section.

    Attributes
    ----------
    number, parent : int
    name : str
        Without the namespace: ``conv2d``, ``copy_``.
    is_operator : bool
        False for a section.
    arguments, results : tuple of Use
        The tensors among them, those in lists included, in order.
    """

    number: int
    parent: int
    name: str
    is_operator: bool
    arguments: tuple[Use, ...]
    results: tuple[Use, ...]


def read_calls(path: Path) -> list[Call]:
    """All calls in a trace file, in the order in which they ended.

    Raises
    ------
    ValueError
        If the file is no such trace.
    """
    # A label of the model's own may hold bytes of any kind.
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        nodes = json.loads(text, strict=False)["nodes"]
        return [
            Call(
                number=node["id"],
                parent=node["ctrl_deps"],
                name=node["name"].rpartition("::")[2],
                is_operator="::" in node["name"],
                arguments=tuple(_uses(node["inputs"])),
                results=tuple(_uses(node["outputs"])),
            )
            for node in nodes
        ]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"unknown format: {type(error).__name__}: {error}") from None


def _uses(side: dict[str, list[Any]]) -> list[Use]:
    found: list[Use] = []
    for value, shape, kind in zip(side["values"], side["shapes"], side["types"], strict=True):
        _collect(value, shape, kind, found)
    return found


def _collect(value: Any, shape: Any, kind: str, found: list[Use]) -> None:
    if kind.startswith("GenericList["):
        kinds = kind.removeprefix("GenericList[").removesuffix("]").split(",")
        for each, its_shape, its_kind in zip(value, shape, kinds, strict=False):
            _collect(each, its_shape, its_kind, found)
    elif kind.startswith("Tensor(") and "nullptr" not in kind:
        _, storage, _, elements, size, _ = value
        found.append(Use(storage, tuple(shape), elements * size, kind))
