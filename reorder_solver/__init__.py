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
from reorder_solver.core.verify_windows import verify_windows
from reorder_solver.core.window_result import (
    Window,
    WindowsEvaluation,
    WindowsResult,
    evaluate_windows,
    windows_digest,
)
from reorder_solver.core.windows import (
    Budget,
    ScoredAccess,
    ScoredPart,
    ScoredTensor,
    WindowsInstance,
)
from reorder_solver.formats import (
    read_instance,
    read_result,
    read_windows_instance,
    read_windows_result,
    write_instance,
    write_result,
    write_windows_instance,
    write_windows_result,
)
from reorder_solver.proofs import check_proof
from reorder_solver.solve import solve
from reorder_solver.solve_windows import WINDOWS_BACKENDS, WindowsProgress, solve_windows
from reorder_solver.windows.pareto import WindowsPoint, pareto_windows

__version__ = "0.1.0"

__all__ = [
    "WINDOWS_BACKENDS",
    "Access",
    "AccessFacts",
    "BackendContractError",
    "Budget",
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
    "ScoredAccess",
    "ScoredPart",
    "ScoredTensor",
    "Status",
    "StopReason",
    "Tensor",
    "UnknownBackendError",
    "UnsupportedError",
    "VerificationError",
    "Window",
    "WindowsEvaluation",
    "WindowsInstance",
    "WindowsPoint",
    "WindowsProgress",
    "WindowsResult",
    "check_proof",
    "digest",
    "evaluate",
    "evaluate_windows",
    "pareto_windows",
    "read_instance",
    "read_result",
    "read_windows_instance",
    "read_windows_result",
    "solve",
    "solve_windows",
    "verify",
    "verify_windows",
    "windows_digest",
    "write_instance",
    "write_result",
    "write_windows_instance",
    "write_windows_result",
]
