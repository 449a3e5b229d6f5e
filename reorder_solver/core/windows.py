"""Zero-copy pruning as a value: scores instead of masks, budgets, and one window per access."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import InputError, InstanceError, shown
from reorder_solver.core.instance import (
    MAX_CHANNELS,
    MAX_ID_LENGTH,
    Role,
    check_flag,
    check_id,
    check_unique,
)
from reorder_solver.core.prices import as_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

Scores = npt.NDArray[np.int64]

#: Sums of scores of an access must stay below this, so that no arithmetic overflows.
MAX_TOTAL_SCORE = 1 << 50
#: Most units of a budget, and of a cost.
MAX_BUDGET = 1 << 50


@dataclass(frozen=True, slots=True)
class ScoredTensor:
    """An activation whose channel order, and use, may be chosen.

    Parameters
    ----------
    id : str
        Unique within the instance.
    channels : int
        How many channels it has, at least 1.
    fixed : bool
        True if its order may not change; then no channel leaves it either.
    live_limit : int, optional
        At most so many of its channels may be selected by any access. The smaller it is, the
        more do accesses agree: with the width of the windows as limit this is constrained
        pruning.
    live_cost : int
        What each channel that some access selects costs, charged to `budget`.
    budget : str, optional
        Id of a budget; needed where `live_cost` is not 0.
    """

    id: str
    channels: int
    fixed: bool = False
    live_limit: int | None = None
    live_cost: int = 0
    budget: str | None = None

    def __post_init__(self) -> None:
        check_id(self.id, "tensor id")
        try:
            object.__setattr__(self, "channels", as_integer(self.channels, "channels", minimum=1))
            if self.channels > MAX_CHANNELS:
                raise InstanceError(f"channels must be at most {MAX_CHANNELS}")
            check_flag(self.fixed, "fixed")
            if self.live_limit is not None:
                object.__setattr__(self, "live_limit", as_integer(self.live_limit, "live_limit"))
            object.__setattr__(self, "live_cost", _cost(self.live_cost, "live_cost"))
            if self.budget is not None:
                check_id(self.budget, "budget id")
            if self.live_cost and self.budget is None:
                raise InstanceError("live_cost needs a budget that it is charged to")
            if self.fixed and (self.live_limit is not None or self.live_cost):
                raise InstanceError("no channel leaves a fixed tensor; drop live_limit, live_cost")
        except InputError as error:
            raise InstanceError(error.rule, place=f"tensor {self.id!r}") from None


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPart:
    """What the channels of one tensor are worth to an access.

    Parameters
    ----------
    tensor : str
        Id of the tensor.
    scores : sequence of int
        One per channel of the tensor, at least 0; stored as a read-only int64 array.
    """

    tensor: str
    scores: Scores

    def __post_init__(self) -> None:
        check_id(self.tensor, "tensor id")
        raw = np.asarray(self.scores)
        if raw.ndim != 1 or (raw.size and raw.dtype.kind not in "iu"):
            raise InstanceError("scores must be a flat list of integers")
        scores = raw.astype(np.int64)
        if scores.size and int(scores.min()) < 0:
            raise InstanceError(f"score {int(scores.min())} is negative")
        if float(scores.astype(np.float64).sum()) > MAX_TOTAL_SCORE:
            raise InstanceError(f"scores must add up to at most {MAX_TOTAL_SCORE}")
        scores.flags.writeable = False
        object.__setattr__(self, "scores", scores)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScoredPart):
            return NotImplemented
        return self.tensor == other.tensor and np.array_equal(self.scores, other.scores)

    def __hash__(self) -> int:
        return hash((self.tensor, self.scores.tobytes()))


@dataclass(frozen=True, slots=True)
class ScoredAccess:
    """One operation that may have any window of the channels of a tensor, or of a concatenation.

    Parameters
    ----------
    id : str
        Unique within the instance.
    parts : sequence of ScoredPart
        In order. The window is contiguous in the layouts of the parts' tensors laid end to end.
        A concatenation each part of which has a window of its own is several accesses that
        share a budget.
    budget : str
        Id of the budget that the width of the window is charged to.
    role : Role
        ``read``, ``write`` or ``pass``.
    cost : int
        Units of the budget per channel.
    minimum, maximum : int
        Channels that the window must (may) have; no maximum if None.
    gather : pair of int, optional
        Units of the budget, fixed and per channel, for which the access may select any channels
        instead of a window. None: only a window will do.
    """

    id: str
    parts: tuple[ScoredPart, ...]
    budget: str
    role: Role = Role.READ
    cost: int = 1
    minimum: int = 0
    maximum: int | None = None
    gather: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_id(self.id, "access id")
        try:
            self._normalise()
        except InputError as error:
            raise InstanceError(error.rule, place=f"access {self.id!r}") from None

    def _normalise(self) -> None:
        parts = tuple(self.parts)
        if not parts or not all(isinstance(part, ScoredPart) for part in parts):
            raise InstanceError("parts must be a non-empty list of scored parts")
        tensors = [part.tensor for part in parts]
        if len(set(tensors)) < len(tensors):
            raise InstanceError("a tensor is used by two parts; an access may use it once")
        object.__setattr__(self, "parts", parts)
        check_id(self.budget, "budget id")
        try:
            object.__setattr__(self, "role", Role(self.role))
        except ValueError:
            known = ", ".join(role.value for role in Role)
            raise InstanceError(f"unknown role {shown(self.role)}; known: {known}") from None
        object.__setattr__(self, "cost", _cost(self.cost, "cost"))
        object.__setattr__(self, "minimum", as_integer(self.minimum, "minimum"))
        most = sum(part.scores.size for part in parts)
        if self.maximum is not None:
            object.__setattr__(self, "maximum", as_integer(self.maximum, "maximum"))
            most = min(most, self.maximum)
        if self.minimum > most:
            raise InstanceError(f"minimum {self.minimum} is more than the {most} it can have")
        if self.gather is not None:
            gather = tuple(self.gather) if isinstance(self.gather, Iterable) else ()
            if len(gather) != 2:
                raise InstanceError("gather must be two prices: fixed, and per channel")
            object.__setattr__(self, "gather", tuple(_cost(price, "gather") for price in gather))

    @property
    def most(self) -> int:
        """Most channels the access can select."""
        channels = sum(part.scores.size for part in self.parts)
        return channels if self.maximum is None else min(channels, self.maximum)

    def price(self, channels: int, *, gathered: bool = False) -> int:
        """Units of the budget for a selection of so many channels."""
        units = self.cost * channels
        if gathered and self.gather is not None:
            units += self.gather[0] + self.gather[1] * channels
        return units


@dataclass(frozen=True, slots=True)
class Budget:
    """Units that accesses and live channels may use together.

    Parameters
    ----------
    id : str
        Unique within the instance.
    limit : int
    """

    id: str
    limit: int

    def __post_init__(self) -> None:
        check_id(self.id, "budget id")
        try:
            object.__setattr__(self, "limit", _cost(self.limit, "limit"))
        except InputError as error:
            raise InstanceError(error.rule, place=f"budget {self.id!r}") from None


@dataclass(frozen=True, slots=True)
class WindowsInstance:
    """A zero-copy pruning problem, immutable and validated.

    To be chosen are a layout and, for every access, one window of it, so that the scores inside
    the windows add up to as much as possible within the budgets.

    Parameters
    ----------
    name : str
        A label, may be empty.
    tensors : sequence of ScoredTensor
    accesses : sequence of ScoredAccess
    budgets : sequence of Budget
    meta : mapping of str to object, optional
        Free description; no part of the problem, ignored by comparison.

    Raises
    ------
    InstanceError
        On a duplicate id, an unknown tensor or budget, or scores that do not fit their tensor.
    """

    name: str
    tensors: tuple[ScoredTensor, ...]
    accesses: tuple[ScoredAccess, ...]
    budgets: tuple[Budget, ...]
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or len(self.name) > MAX_ID_LENGTH:
            raise InstanceError(f"name must be a string of at most {MAX_ID_LENGTH} characters")
        if self.name and not self.name.isprintable():
            raise InstanceError("name must have printable characters only")
        object.__setattr__(self, "tensors", tuple(self.tensors))
        object.__setattr__(self, "accesses", tuple(self.accesses))
        object.__setattr__(self, "budgets", tuple(self.budgets))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))
        check_unique("tensor", [tensor.id for tensor in self.tensors])
        check_unique("access", [access.id for access in self.accesses])
        check_unique("budget", [budget.id for budget in self.budgets])
        self._check_references()

    def _check_references(self) -> None:
        widths = {tensor.id: tensor.channels for tensor in self.tensors}
        budgets = {budget.id for budget in self.budgets}
        for tensor in self.tensors:
            if tensor.budget is not None and tensor.budget not in budgets:
                raise InstanceError(
                    f"unknown budget {shown(tensor.budget)}", place=f"tensor {tensor.id!r}"
                )
        for access in self.accesses:
            place = f"access {access.id!r}"
            if access.budget not in budgets:
                raise InstanceError(f"unknown budget {shown(access.budget)}", place=place)
            for part in access.parts:
                width = widths.get(part.tensor)
                if width is None:
                    raise InstanceError(f"unknown tensor {shown(part.tensor)}", place=place)
                if part.scores.size != width:
                    raise InstanceError(
                        f"{part.scores.size} scores for tensor {part.tensor!r} of {width} channels",
                        place=place,
                    )

    def replace(self, **changes: Any) -> WindowsInstance:
        """A copy with some fields changed, validated again."""
        return replace(self, **changes)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "tensors": self.tensors,
            "accesses": self.accesses,
            "budgets": self.budgets,
            "meta": dict(self.meta),
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        for key, value in state.items():
            object.__setattr__(self, key, MappingProxyType(value) if key == "meta" else value)


def _cost(value: Any, what: str) -> int:
    number = as_integer(value, what)
    if number > MAX_BUDGET:
        raise InstanceError(f"{what} must be at most {MAX_BUDGET}")
    return number
