"""Parameters of instance families: what each may be, checked before anything is drawn."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import InputError
from reorder_solver.core.prices import as_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

Number = int | float
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a family.

    Attributes
    ----------
    default : bool, int or float
        Its type is the type of the parameter; a float parameter also takes an int.
    minimum, maximum : int or float
        Inclusive bounds (of no meaning for a bool).
    summary : str
        One line on what it does.
    """

    default: Number
    minimum: Number
    maximum: Number
    summary: str

    @property
    def kind(self) -> type[bool | int | float]:
        """``bool``, ``int`` or ``float``."""
        return type(self.default)

    def checked(self, value: Any, name: str) -> Number:
        """`value` as a plain Python number; raises :class:`InputError` if it may not be that."""
        if self.kind is bool:
            if not isinstance(value, bool):
                raise InputError(f"parameter {name} must be true or false, got {value!r}")
            return value
        number: Number
        if self.kind is int:
            number = as_integer(value, f"parameter {name}", minimum=int(self.minimum))
        else:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(f"parameter {name} must be a number, got {value!r}")
            number = float(value) if abs(value) < 1e300 else math.inf
        if not self.minimum <= number <= self.maximum:
            raise InputError(
                f"parameter {name} must be from {self.minimum} to {self.maximum}, got {number}"
            )
        return number


def checked_values(
    parameters: Mapping[str, Parameter], given: Mapping[str, Any], family: str
) -> Values:
    """The value of every parameter, given or default, in the family's order.

    Raises
    ------
    InputError
        On an unknown parameter, or a value that is out of bounds or of the wrong type.
    """
    for name in given:
        if name not in parameters:
            near = difflib.get_close_matches(name[:64], parameters, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(parameters)}"
            raise InputError(f"family {family!r} has no parameter {name[:64]!r}; {hint}")
    return {
        name: one.checked(given.get(name, one.default), name) for name, one in parameters.items()
    }
