"""Backends: the written interface, the registry, and those that come with the package."""

from reorder_solver.backends.base import Answer, Backend, Task
from reorder_solver.backends.registry import (
    ENTRY_POINT_GROUP,
    backend_class,
    backend_names,
    make_backend,
)

__all__ = [
    "ENTRY_POINT_GROUP",
    "Answer",
    "Backend",
    "Task",
    "backend_class",
    "backend_names",
    "make_backend",
]
