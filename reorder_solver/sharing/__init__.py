"""Sharing: readers of one tensor that share copied buffers, as a rewritten instance."""

from reorder_solver.sharing.plan import SharedBuffer, SharingPlan, Source
from reorder_solver.sharing.planner import share_buffers

__all__ = ["SharedBuffer", "SharingPlan", "Source", "share_buffers"]
