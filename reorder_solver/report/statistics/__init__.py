"""Statistics of benchmarks: pure functions over numbers, which know no store and no page.

What is compared how, and why, is written down in ``docs/protocol.md``.
"""

from __future__ import annotations

from reorder_solver.report.statistics.anytime import gap_at, primal_integral, time_to_gap
from reorder_solver.report.statistics.averages import (
    Interval,
    median_interval,
    median_over_seeds,
    penalised,
    shifted_geometric_mean,
)
from reorder_solver.report.statistics.gaps import bound_gap, primal_gap, ratios_to_best
from reorder_solver.report.statistics.paired import Comparison, compare_pair, holm
from reorder_solver.report.statistics.profiles import Profile, performance_profile
from reorder_solver.report.statistics.scaling import PowerLaw, fit_power_law

__all__ = [
    "Comparison",
    "Interval",
    "PowerLaw",
    "Profile",
    "bound_gap",
    "compare_pair",
    "fit_power_law",
    "gap_at",
    "holm",
    "median_interval",
    "median_over_seeds",
    "penalised",
    "performance_profile",
    "primal_gap",
    "primal_integral",
    "ratios_to_best",
    "shifted_geometric_mean",
    "time_to_gap",
]
