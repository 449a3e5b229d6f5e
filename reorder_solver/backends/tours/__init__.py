"""Tours of a symmetric travelling salesman: a chained Lin-Kernighan search over flat arrays.

Knows nodes and distances, nothing of accesses. Nothing here imports numba before it is called.
"""

from formulations.columns import PackedColumns
from reorder_solver.backends.tours.improve import improve_tour
from reorder_solver.backends.tours.large import LargeAnswer, solve_large

__all__ = ["LargeAnswer", "PackedColumns", "improve_tour", "solve_large"]
