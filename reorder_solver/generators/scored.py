"""Scores instead of subsets: random windows instances (zero-copy pruning)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.core.prices import as_integer
from reorder_solver.core.windows import (
    Budget,
    ScoredAccess,
    ScoredPart,
    ScoredTensor,
    WindowsInstance,
)
from reorder_solver.generators.drawing import FloatArray, Stream
from reorder_solver.generators.parameters import Parameter, checked_values

if TYPE_CHECKING:
    from reorder_solver.generators.parameters import Values

SCORED = {
    "tensors": Parameter(1, 1, 1000, "number of tensors"),
    "channels": Parameter(64, 1, 1 << 20, "channels of each tensor"),
    "readers": Parameter(4, 0, 100_000, "accesses to each tensor"),
    "joined": Parameter(0, 0, 100_000, "accesses to two neighbouring tensors laid end to end"),
    "correlation": Parameter(0.5, 0.0, 1.0, "correlation of the scores of two readers"),
    "spread": Parameter(0.3, 0.0, 1.0, "standard deviation of the scores over their mean"),
    "keep": Parameter(0.5, 0.0, 1.0, "share of the channels that a budget pays for"),
    "shared": Parameter(False, 0, 1, "true for one budget of all accesses"),
}
#: Changes whenever the same call would make another instance.
SCORED_VERSION = 1
_MEAN = 1000
_MOST_SCORES = 1 << 24


def generate_windows(*, seed: int = 0, **parameters: Any) -> WindowsInstance:
    """A random windows instance; the same call gives the same instance, on every machine.

    Readers of one tensor score its channels alike: normal around 1000, rounded, at least 0.

    Parameters
    ----------
    seed : int
        0 or more.
    **parameters
        See :data:`SCORED`.

    Returns
    -------
    WindowsInstance
        Its metadata record the call under ``generator``.

    Raises
    ------
    InputError
        On an unknown parameter, a bad value, or an instance that would be too large.
    """
    seed = as_integer(seed, "seed")
    values = checked_values(SCORED, parameters, "scored")
    if values["joined"] and values["tensors"] < 2:
        raise InputError("joined accesses need at least 2 tensors")
    rows = values["tensors"] * values["readers"] + 2 * values["joined"]
    if rows * values["channels"] > _MOST_SCORES:
        raise InputError(
            f"the instance would have {rows * values['channels']} scores; "
            f"the limit is {_MOST_SCORES}"
        )
    accesses = _accesses(values, Stream(seed))
    call = {"family": "scored", "version": SCORED_VERSION, "seed": seed, "parameters": values}
    tensors = tuple(
        ScoredTensor(f"t{number}", values["channels"]) for number in range(values["tensors"])
    )
    budgets = _budgets(values, accesses)
    return WindowsInstance(f"scored-{seed}", tensors, accesses, budgets, {"generator": call})


def _accesses(values: Values, stream: Stream) -> tuple[ScoredAccess, ...]:
    latent = [stream.scores(values["channels"]) for _ in range(values["tensors"])]

    def part(tensor: int) -> ScoredPart:
        similar = stream.similar(latent[tensor], values["correlation"])
        return ScoredPart(f"t{tensor}", _integers(similar, values["spread"]))

    found = []
    for tensor in range(values["tensors"]):
        for number in range(values["readers"]):
            key = f"t{tensor}.r{number}"
            budget = "all" if values["shared"] else key
            found.append(ScoredAccess(key, (part(tensor),), budget))
    for number in range(values["joined"]):
        first = stream.integer(0, values["tensors"] - 2)
        key = f"j{number}"
        budget = "all" if values["shared"] else key
        found.append(ScoredAccess(key, (part(first), part(first + 1)), budget))
    return tuple(found)


def _integers(scores: FloatArray, spread: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.maximum(np.rint(_MEAN * (1.0 + spread * scores)), 0.0).astype(np.int64)


def _budgets(values: Values, accesses: tuple[ScoredAccess, ...]) -> tuple[Budget, ...]:
    limits = {
        access.id: int(values["keep"] * sum(part.scores.size for part in access.parts) + 0.5)
        for access in accesses
    }
    if values["shared"]:
        return (Budget("all", sum(limits.values())),)
    return tuple(Budget(key, limit) for key, limit in limits.items())
