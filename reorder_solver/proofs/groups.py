"""The instance as the checker sees it: which channels take up room, and which accesses are equal.

Accesses that want the same channels of the same tensors, after parts that cannot matter are left
out, have the same runs and span under every layout. A proof names one of them, and what it says
of the one counts for all, their prices added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import VerificationError, shown
from reorder_solver.proofs.prices import price, price_as_no_view, price_of_a_run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reorder_solver.core.instance import Access, Instance
    from reorder_solver.core.prices import Objective

IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Accesses that have the same facts under every layout.

    Attributes
    ----------
    members : tuple of Access
    parts : tuple of (str, ndarray of int64)
        Tensor ids and wanted channels, ascending; tensors without room and empty parts at either
        end are left out.
    objective : Objective
    """

    members: tuple[Access, ...]
    parts: tuple[tuple[str, IntArray], ...]
    objective: Objective

    @property
    def name(self) -> str:
        """For messages."""
        return f"access {shown(self.members[0].id)}"

    @property
    def size(self) -> int:
        """How many channels each member wants."""
        return sum(int(channels.size) for _, channels in self.parts)

    @property
    def required(self) -> bool:
        """Whether all are views in every solution, as one of them must be."""
        return any(access.required for access in self.members)

    def price(self, runs: int, span: int) -> int:
        """What all members pay together."""
        if self.required:
            return 0
        return sum(price(access, self.objective, runs, span) for access in self.members)

    @property
    def price_as_no_view(self) -> int:
        """The least they pay together where they are no views."""
        if self.required:
            return 0
        return sum(price_as_no_view(access, self.objective) for access in self.members)

    @property
    def price_of_a_run(self) -> int | None:
        """What each run beyond the first costs; None if runs do not add up."""
        if self.required:
            return 0
        prices = [price_of_a_run(access, self.objective) for access in self.members]
        known = [each for each in prices if each is not None]
        return sum(known) if len(known) == len(prices) else None


class Groups:
    """The groups of an instance.

    Parameters
    ----------
    instance : Instance
    objective : Objective

    Attributes
    ----------
    placed : dict of str to ndarray of int64
        Per tensor id the channels that take up a position, ascending.
    fixed : dict of str to bool
    all : list of Group
    """

    def __init__(self, instance: Instance, objective: Objective) -> None:
        self.placed = _placed(instance)
        self.fixed = {tensor.id: tensor.fixed for tensor in instance.tensors}
        self.all: list[Group] = []
        self._number: dict[str, int] = {}
        members: dict[tuple[tuple[str, bytes], ...], list[Access]] = {}
        for access in instance.accesses:
            key = tuple((tensor, wanted.tobytes()) for tensor, wanted in self._trimmed(access))
            members.setdefault(key, []).append(access)
        for number, group in enumerate(members.values()):
            self.all.append(Group(tuple(group), self._trimmed(group[0]), objective))
            self._number.update((access.id, number) for access in group)

    def take(self, names: Iterable[object], taken: set[int]) -> list[Group]:
        """The groups that `names` stand for; each once, and none that is in `taken` already.

        Raises
        ------
        VerificationError
            If there is no such access, or its group has a part of the proof already.
        """
        found: list[Group] = []
        for name in names:
            number = self.number(name)
            if number in taken:
                raise VerificationError(
                    f"access {shown(name)}, or one equal to it, is accounted for twice"
                )
            taken.add(number)
            found.append(self.all[number])
        return found

    def number(self, name: object) -> int:
        """The number of the group that access `name` is in."""
        number = self._number.get(name) if isinstance(name, str) else None
        if number is None:
            raise VerificationError(f"there is no access {shown(name)}")
        return number

    def _trimmed(self, access: Access) -> tuple[tuple[str, IntArray], ...]:
        parts = [
            (part.tensor, part.channels)
            for part in access.parts
            if self.placed[part.tensor].size > 0
        ]
        wanting = [place for place, (_, channels) in enumerate(parts) if channels.size > 0]
        return tuple(parts[wanting[0] : wanting[-1] + 1]) if wanting else ()


def _placed(instance: Instance) -> dict[str, IntArray]:
    """Every channel that some access wants, and all of a fixed tensor."""
    used = {
        tensor.id: np.full(tensor.channels, tensor.fixed, dtype=np.bool_)
        for tensor in instance.tensors
    }
    for access in instance.accesses:
        for part in access.parts:
            used[part.tensor][part.channels] = True
    return {tensor: np.flatnonzero(marks) for tensor, marks in used.items()}
