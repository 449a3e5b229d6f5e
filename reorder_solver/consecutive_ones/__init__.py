"""Consecutive ones: which orders keep a set of rows consecutive, decided by a PQ-tree."""

from reorder_solver.consecutive_ones.pq_tree import PQTree, consecutive_order

__all__ = ["PQTree", "consecutive_order"]
