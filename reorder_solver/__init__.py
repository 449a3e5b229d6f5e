"""reorder-solver: channel reordering of pruned networks as a minimum-copy layout problem."""

from __future__ import annotations

from reorder_solver.core.digest import digest
from reorder_solver.core.errors import (
    BackendContractError,
    InputError,
    InstanceError,
    LayoutError,
    MissingPackageError,
    ReorderSolverError,
    UnknownBackendError,
    UnsupportedError,
    VerificationError,
)
from reorder_solver.core.evaluate import AccessFacts, Evaluation, evaluate
from reorder_solver.core.instance import Access, Instance, Part, Role, Tensor
from reorder_solver.core.layout import Layout
from reorder_solver.core.prices import Mode, Objective, PriceList
from reorder_solver.core.result import Progress, Result, Status, StopReason
from reorder_solver.core.verify import verify
from reorder_solver.formats import read_instance, read_result, write_instance, write_result
from reorder_solver.proofs import check_proof
from reorder_solver.solve import solve

__version__ = "0.1.0"

__all__ = [
    "Access",
    "AccessFacts",
    "BackendContractError",
    "Evaluation",
    "InputError",
    "Instance",
    "InstanceError",
    "Layout",
    "LayoutError",
    "MissingPackageError",
    "Mode",
    "Objective",
    "Part",
    "PriceList",
    "Progress",
    "ReorderSolverError",
    "Result",
    "Role",
    "Status",
    "StopReason",
    "Tensor",
    "UnknownBackendError",
    "UnsupportedError",
    "VerificationError",
    "check_proof",
    "digest",
    "evaluate",
    "read_instance",
    "read_result",
    "solve",
    "verify",
    "write_instance",
    "write_result",
]
