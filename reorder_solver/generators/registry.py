"""The instance families by name, and the one call that makes an instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import InputError
from reorder_solver.core.instance import Instance
from reorder_solver.core.prices import as_integer
from reorder_solver.generators.drawing import Draft, Size, Stream
from reorder_solver.generators.independent import (
    CORRELATED,
    RANDOM,
    correlated_draft,
    correlated_size,
    random_draft,
    random_size,
)
from reorder_solver.generators.parameters import Parameter, Values, checked_values
from reorder_solver.generators.planted import PLANTED, planted_draft, planted_size
from reorder_solver.generators.residual import RESIDUAL, residual_draft, residual_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Changes whenever any family would make another instance of the same call.
GENERATOR_VERSION = 1
#: The largest instance that may be asked for.
LIMIT = Size(channels=1 << 22, accesses=1 << 17, wanted=1 << 24)
_MAX_SEED = 1 << 128


@dataclass(frozen=True, slots=True)
class Family:
    """A family of random instances.

    Attributes
    ----------
    name, summary : str
    parameters : mapping of str to Parameter
    draft : callable
        Draws an instance from checked values and a random stream.
    size : callable
        Bounds on its size, from checked values.
    """

    name: str
    summary: str
    parameters: Mapping[str, Parameter]
    draft: Callable[[Values, Stream], Draft]
    size: Callable[[Values], Size]


_ALL = (
    Family("random", "independent random subsets", RANDOM, random_draft, random_size),
    Family(
        "correlated",
        "readers of a tensor keep the highest of correlated scores",
        CORRELATED,
        correlated_draft,
        correlated_size,
    ),
    Family(
        "planted",
        "a hidden layout makes all accesses but the noise views",
        PLANTED,
        planted_draft,
        planted_size,
    ),
    Family(
        "residual",
        "a chain of residual streams with many readers and concatenations",
        RESIDUAL,
        residual_draft,
        residual_size,
    ),
)

#: The families by name.
FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}


def generate(family: str, *, seed: int = 0, **parameters: Any) -> Instance:
    """A random instance; the same call gives the same instance, bit for bit, on every machine.

    Parameters
    ----------
    family : str
        ``random``, ``correlated``, ``planted`` or ``residual``.
    seed : int
        0 or more.
    **parameters
        Of the family; see ``FAMILIES[family].parameters``.

    Returns
    -------
    Instance
        Its metadata record the call under ``generator``.

    Raises
    ------
    InputError
        On an unknown family or parameter, a bad value, or an instance that would be too large.

    Examples
    --------
    >>> generate("planted", seed=7, channels=16, accesses=5).meta["generator"]["seed"]
    7
    """
    if family not in FAMILIES:
        raise InputError(f"unknown family {family!r}; known: {', '.join(FAMILIES)}")
    chosen = FAMILIES[family]
    seed = as_integer(seed, "seed")
    if seed >= _MAX_SEED:
        raise InputError("seed must be below 2**128")
    values = checked_values(chosen.parameters, parameters, family)
    for what, size, limit in zip(Size._fields, chosen.size(values), LIMIT, strict=True):
        if size > limit:
            raise InputError(f"the instance could have {size} {what}; the limit is {limit}")
    draft = chosen.draft(values, Stream(seed))
    call = {
        "family": family,
        "version": GENERATOR_VERSION,
        "seed": seed,
        "parameters": values,
    }
    return Instance(
        name=f"{family}-{seed}",
        tensors=tuple(draft.tensors),
        accesses=tuple(draft.accesses),
        meta={"generator": call, **draft.meta},
    )
