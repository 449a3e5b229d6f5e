"""From a pruned PyTorch model to an instance, and from a layout to a compact model.

The only part of the package that imports torch.
"""

from __future__ import annotations

from reorder_solver.core.errors import MissingPackageError

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as _error:
    if _error.name != "torch":
        raise
    raise MissingPackageError(
        "PyTorch is needed for this: pip install 'reorder-solver[torch]'"
    ) from None

from reorder_solver.torch_adapter.apply import apply
from reorder_solver.torch_adapter.compact import Compacted, compact
from reorder_solver.torch_adapter.compare import max_relative_error
from reorder_solver.torch_adapter.errors import CaptureError, ExportMismatchError
from reorder_solver.torch_adapter.extract import Extraction, extract
from reorder_solver.torch_adapter.latency import LatencyTable, compare_latency
from reorder_solver.torch_adapter.masks import masked
from reorder_solver.torch_adapter.models import calibrate, load_model
from reorder_solver.torch_adapter.pareto import Front, Point, pareto
from reorder_solver.torch_adapter.plan import Pin
from reorder_solver.torch_adapter.prediction import LatencyPrices, measured_prices
from reorder_solver.torch_adapter.pruning import (
    Pruner,
    channel_scores,
    constrain,
    prune,
    prune_inputs,
    prune_outputs,
)
from reorder_solver.torch_adapter.report import AccessRow, Report
from reorder_solver.torch_adapter.traffic import Traffic, copied_bytes
from reorder_solver.torch_adapter.transformed_plan import Transformations
from reorder_solver.torch_adapter.window_pruning import (
    WindowPruner,
    WindowPruning,
    prune_windows,
)

__all__ = [
    "AccessRow",
    "CaptureError",
    "Compacted",
    "ExportMismatchError",
    "Extraction",
    "Front",
    "LatencyPrices",
    "LatencyTable",
    "Pin",
    "Point",
    "Pruner",
    "Report",
    "Traffic",
    "Transformations",
    "WindowPruner",
    "WindowPruning",
    "apply",
    "calibrate",
    "channel_scores",
    "compact",
    "compare_latency",
    "constrain",
    "copied_bytes",
    "extract",
    "load_model",
    "masked",
    "max_relative_error",
    "measured_prices",
    "pareto",
    "prune",
    "prune_inputs",
    "prune_outputs",
    "prune_windows",
]
