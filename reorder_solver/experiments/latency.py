"""Stage ``latency``: exports of pruned networks timed in turn, and what they copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from reorder_solver.experiments.methods import Task, method
from reorder_solver.torch_adapter.compact import compact
from reorder_solver.torch_adapter.latency import compare_latency
from reorder_solver.torch_adapter.pruning import Pruner
from reorder_solver.torch_adapter.timing import threads_set_to
from reorder_solver.torch_adapter.traffic import copied_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from reorder_solver.experiments.accuracy import Grid
    from reorder_solver.experiments.rows import RowFile
    from reorder_solver.experiments.subjects import Subject
    from reorder_solver.torch_adapter.compact import Compacted
    from reorder_solver.torch_adapter.latency import LatencyTable

#: Exports of the unconstrained masks; those of other methods are exported as ``optimal``.
EXPORTS = ("naive", "upscale", "optimal", "oracle")


def run_latency(
    subject: Subject,
    grid: Grid,
    rows: RowFile,
    progress: Callable[[str], object],
    *,
    rounds: int = 50,
    time_limit: float = 5.0,
    compiled: bool = True,
    batch: int = 1,
) -> int:
    """Add what is missing of a network's latencies, on one thread.

    Parameters
    ----------
    subject : Subject
    grid : Grid
        Its methods besides ``unconstrained`` are exported, too.
    rows : RowFile
        One row per score, side, budget and amount, since all its exports are timed in turn.
    progress : callable
    rounds : int
    time_limit : float
        Seconds for the solver, per export.
    compiled : bool
        Time them under ``torch.compile`` as well, where that works.
    batch : int
        Images at a time.

    Returns
    -------
    int
        Rows added.
    """
    added = 0
    pruner: Pruner | None = None
    inputs, timed = subject.inputs(2), subject.inputs(batch)
    for point in _points(grid):
        settings = {
            "rounds": rounds,
            "time_limit": time_limit,
            "compile": compiled,
            "batch": batch,
        }
        key = _configuration(subject, point, grid.methods, settings)
        if key in rows or not subject.suits(point["score"]):
            continue
        progress(f"{subject.architecture} {subject.seed}: {point['score']} {point['amount']}")
        pruner = pruner or Pruner(subject.model, inputs)
        task = Task(
            subject.model,
            inputs,
            pruner,
            subject.scores(pruner, point["score"], point["side"]),
            **point,
        )
        exports = _exports(task, grid.methods, time_limit)
        rows.add(key, measured(subject.model, exports, timed, rounds, compiled=compiled))
        added += 1
    return added


def measured(
    model: nn.Module,
    exports: Mapping[str, Compacted],
    inputs: Any,
    rounds: int,
    *,
    compiled: bool,
) -> dict[str, Any]:
    """What exports copy, and how long they and the unpruned model take.

    Parameters
    ----------
    model : torch.nn.Module
        Unpruned.
    exports : mapping of str to Compacted
    inputs : tensor
    rounds : int
    compiled : bool

    Returns
    -------
    dict
        Fit for JSON.
    """
    modules = {"unpruned": model, **{name: each.module for name, each in exports.items()}}
    found: dict[str, Any] = {
        "copies": {name: _copies(each, inputs) for name, each in exports.items()},
        "eager": _times(compare_latency(modules, inputs, rounds)),
    }
    if compiled:
        found["compiled"] = _compiled(modules, inputs, rounds)
    return found


def _exports(task: Task, methods: tuple[str, ...], time_limit: float) -> dict[str, Compacted]:
    found: dict[str, Compacted] = {}
    for name in methods:
        masks = method(name)(task)
        kinds = EXPORTS if name == "unconstrained" else ("optimal",)
        for kind in kinds:
            label = kind if name == "unconstrained" else name
            found[label] = compact(task.model, task.inputs, masks, kind, time_limit=time_limit)
    return found


def _copies(export: Compacted, inputs: Any) -> dict[str, Any]:
    copying = ("gather", "cat", "copy")
    copied = [row for row in export.report.accesses if row.mode in copying]
    return {
        "accesses": sum(1 for row in copied if row.kind != "concatenation"),
        "bytes": export.report.copied.get("this", 0),
        "measured_bytes": copied_bytes(export.module, inputs).total,
        "macs": export.report.after.macs,
        "parameters": export.report.after.parameters,
    }


def _compiled(modules: Mapping[str, nn.Module], inputs: Any, rounds: int) -> dict[str, Any]:
    torch.compiler.reset()
    try:
        with threads_set_to(1):
            ready: Any = {name: torch.compile(each) for name, each in modules.items()}
            return _times(compare_latency(ready, inputs, rounds))
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return {"failed": f"{type(error).__name__}: {lines[0]}"}
    finally:
        torch.compiler.reset()


def _times(table: LatencyTable) -> dict[str, Any]:
    reference = "naive" if "naive" in table.names else table.names[0]
    times: dict[str, Any] = {}
    for name in table.names:
        low, middle, high = table.quartiles_ms(name)
        ratio = table.ratio(name, reference)
        times[name] = {
            "ms": [low, middle, high],
            "of_naive": [ratio.low, ratio.value, ratio.high],
        }
    return times


def _points(grid: Grid) -> list[dict[str, Any]]:
    return [
        {"score": score, "side": side, "budget": budget, "amount": amount}
        for score in grid.scores
        for side in grid.sides
        for budget in grid.budgets
        for amount in grid.amounts
    ]


def _configuration(
    subject: Subject, point: dict[str, Any], methods: tuple[str, ...], settings: dict[str, Any]
) -> dict[str, Any]:
    return {
        "stage": "latency",
        "data": subject.data.name,
        "architecture": subject.architecture,
        "seed": subject.seed,
        "weights": subject.digest,
        "methods": sorted(methods),
        **point,
        **settings,
    }
