"""Rows packed into machine words so that all rows of a word have the same weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bits of a machine word.
WORD_BITS = 64


@dataclass(frozen=True, slots=True)
class Word:
    """Up to 64 rows (by index) that weigh the same, lowest bit first."""

    weight: int
    rows: tuple[int, ...]


def pack(weights: Sequence[int]) -> list[Word]:
    """Spread rows of the given weights over as few words as is easy.

    Either one group per distinct weight, or one per power of two: then a row is in several words,
    whose weights add up to its own. Every row is in at least one word.
    """
    by_weight: dict[int, list[int]] = {}
    by_power: dict[int, list[int]] = {}
    for row, weight in enumerate(weights):
        by_weight.setdefault(weight, []).append(row)
        if not weight:
            by_power.setdefault(0, []).append(row)
        for power in range(weight.bit_length()):
            if weight >> power & 1:
                by_power.setdefault(1 << power, []).append(row)
    return min(_words(by_weight), _words(by_power), key=len)


def _words(groups: dict[int, list[int]]) -> list[Word]:
    return [
        Word(weight, tuple(rows[start : start + WORD_BITS]))
        for weight, rows in sorted(groups.items())
        for start in range(0, len(rows), WORD_BITS)
    ]
