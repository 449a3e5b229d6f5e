"""The runs of one tensor as peers are given them: a 0/1 matrix and distances of its columns."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from reorder_solver.presolve import Problem

IntArray: TypeAlias = npt.NDArray[np.int64]


def no_tour(problem: Problem) -> str | None:
    """Why the runs of `problem` are no single tour; None if they are."""
    if len(problem.sizes) != 1:
        return f"{len(problem.sizes)} tensors depend on each other; it takes one at a time"
    if problem.fixed[0]:
        return "the tensor is fixed"
    if any(len(access.parts) != 1 for access in problem.accesses):
        return "an access has several parts"
    if any(access.required for access in problem.accesses):
        return "an access is required"
    return None


def run_weights(problem: Problem) -> list[int]:
    """What a run beyond the first costs each access, over their common divisor."""
    weights = [access.cost(2, access.channels + 1).primary for access in problem.accesses]
    unit = gcd(*weights) or 1
    return [weight // unit for weight in weights]


def distances(problem: Problem) -> IntArray:
    """Weighted Hamming distances of the classes, and last of a column of zeros.

    Returns
    -------
    ndarray of int64, (classes + 1, classes + 1)
        Symmetric. A tour through all is as long as twice its weighted runs (Kou 1977).

    Notes
    -----
    Exact while the weights add up to less than 2**53: products are taken in floats.

    References
    ----------
    L. T. Kou, "Polynomial complete consecutive information retrieval problems", SIAM Journal on
    Computing 6 (1977) 67-75, DOI 10.1137/0206004.
    """
    weights = run_weights(problem)
    wants = np.zeros((problem.classes + 1, len(weights)))
    for number, access in enumerate(problem.accesses):
        wants[access.parts[0][1], number] = 1.0
    weighted = wants * np.array(weights, dtype=np.float64)
    lengths = weighted.sum(axis=1)
    found = lengths[:, None] + lengths[None, :] - 2.0 * (wants @ weighted.T)
    whole: IntArray = np.rint(found).astype(np.int64)
    return whole
