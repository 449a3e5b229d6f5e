"""Names: readable, unique and reproducible ids for tensors and accesses."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def name_tensors(producers: Mapping[int, Sequence[str]]) -> dict[int, str]:
    """An id per tensor class: what its producers' names have in common, or the first of them.

    Parameters
    ----------
    producers : mapping of int to sequence of str
        Per class the dotted names of what writes to it, in order.
    """
    common = {root: _common_prefix(names) for root, names in producers.items()}
    popular = Counter(common.values())
    wanted = {
        root: prefix if prefix and popular[prefix] == 1 else producers[root][0]
        for root, prefix in common.items()
    }
    return dict(zip(wanted, number_repeats(wanted.values()), strict=True))


def number_repeats(names: Iterable[str]) -> list[str]:
    """The names with ``#2``, ``#3`` ... after the second, third ... of each kind."""
    taken: set[str] = set()
    unique: list[str] = []
    for name in names:
        candidate, count = name, 1
        while candidate in taken:
            count += 1
            candidate = f"{name}#{count}"
        taken.add(candidate)
        unique.append(candidate)
    return unique


def _common_prefix(names: Sequence[str]) -> str:
    if len(set(names)) == 1:
        return names[0]
    shared: list[str] = []
    for parts in zip(*(name.split(".") for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)
