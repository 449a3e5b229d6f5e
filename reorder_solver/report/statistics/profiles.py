"""Performance profiles: which share of the instances a solver handles within a factor of the best.

References
----------
E. D. Dolan and J. J. More, Benchmarking optimization software with performance profiles,
Mathematical Programming 91 (2002) 201-213, doi:10.1007/s101070100263.

N. Gould and J. Scott, A note on performance profiles for benchmarking software, ACM Transactions
on Mathematical Software 43 (2016) 15, doi:10.1145/2950048: only the best at each factor can be
read off; the order of the others may change when a solver leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reorder_solver.report.statistics.gaps import ratios_to_best

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A right-continuous step function per solver.

    Attributes
    ----------
    factors : ndarray of float64, shape (k,)
        Where any solver steps, ascending, from 1 on.
    shares : ndarray of float64, shape (solvers, k)
        Share of the instances with a ratio of at most the factor; below 1 for ever where
        the solver failed on one.
    instances : int
        How many instances that is a share of.
    """

    factors: FloatArray
    shares: FloatArray
    instances: int

    def at(self, factor: float) -> FloatArray:
        """Share of every solver at a factor, shape (solvers,); 0 below 1."""
        place = int(np.searchsorted(self.factors, factor, side="right")) - 1
        if place < 0:
            return np.zeros(self.shares.shape[0])
        return np.asarray(self.shares[:, place])


def performance_profile(values: npt.ArrayLike) -> Profile:
    """The profile of a table of costs or times.

    Parameters
    ----------
    values : array_like of float, shape (instances, solvers)
        Non-negative; infinity for a failure. NaN (did not run) counts as a failure: whoever
        compares must choose instances that all solvers ran on. Instances on which every
        solver failed count, too.

    Returns
    -------
    Profile
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError("values must be a table of instances by solvers")
    ratios = ratios_to_best(np.where(np.isnan(table), np.inf, table))
    finite = ratios[np.isfinite(ratios)]
    factors = np.unique(np.concatenate(([1.0], finite)))
    instances = table.shape[0]
    counts = np.array(
        [
            np.searchsorted(np.sort(column), factors, side="right")
            for column in ratios.T.reshape(table.shape[1], instances)
        ],
        dtype=np.float64,
    ).reshape(table.shape[1], factors.size)
    return Profile(factors, counts / max(instances, 1), instances)
