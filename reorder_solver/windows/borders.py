"""Borders: in which order the windows of every tensor begin and end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from formulations.windows import WindowsModel

    IntArray = npt.NDArray[np.int64]
    BoolArray = npt.NDArray[np.bool_]
    FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """What accesses want of one tensor whose order is free.

    Attributes
    ----------
    accesses : ndarray of int, shape (rows,)
        Number of the access of each row.
    parts : ndarray of int, shape (rows,)
        Which of its parts lies here.
    scores : ndarray of float64, shape (rows, channels)
    """

    accesses: IntArray
    parts: IntArray
    scores: FloatArray


def lines_of(model: WindowsModel) -> list[Line | None]:
    """Per tensor its line; None where the order is fixed."""
    found: list[Line | None] = []
    for tensor, channels in enumerate(model.channels):
        mine = [
            (number, part, scores)
            for number, access in enumerate(model.accesses)
            for part, (where, scores) in enumerate(access.parts)
            if where == tensor
        ]
        if model.fixed[tensor]:
            found.append(None)
            continue
        found.append(
            Line(
                np.array([number for number, _, _ in mine], dtype=np.int64),
                np.array([part for _, part, _ in mine], dtype=np.int64),
                np.array([s for _, _, s in mine], dtype=np.float64).reshape(len(mine), channels),
            )
        )
    return found


@dataclass(slots=True)
class Sequence:
    """The borders on one line.

    Attributes
    ----------
    base : set of int
        Rows whose windows are open from the beginning.
    borders : list of (int, int)
        Row, and +1 where its window begins, -1 where it ends.
    """

    base: set[int] = field(default_factory=set)
    borders: list[tuple[int, int]] = field(default_factory=list)

    def arrays(self, rows: int) -> tuple[BoolArray, IntArray, IntArray]:
        """Base, rows and signs as :mod:`formulations.window_lines` takes them."""
        base = np.zeros(rows, dtype=np.bool_)
        base[list(self.base)] = True
        flat = np.array(self.borders, dtype=np.int64).reshape(-1, 2)
        return base, np.ascontiguousarray(flat[:, 0]), np.ascontiguousarray(flat[:, 1])


@dataclass(slots=True)
class Borders:
    """The borders on all lines, and how every access is served.

    Attributes
    ----------
    sequences : list of Sequence
        One per tensor; empty for fixed ones.
    pays : list of bool
        Accesses that select freely.
    """

    sequences: list[Sequence]
    pays: list[bool]

    @classmethod
    def empty(cls, model: WindowsModel) -> Borders:
        """No window anywhere."""
        return cls(
            [Sequence() for _ in model.channels],
            [False] * len(model.accesses),
        )
