"""From a trained network to a faster one: prune to a share of the multiply-adds, tune, export.

    python bench_instances/studies/fine_tuning.py
    python bench_instances/studies/fine_tuning.py --architectures residual --macs 0.5 --epochs 4

Three ways to prune, each by the least amount that meets the target: every layer its own channels
(unconstrained), all layers on a tensor the same (constrained), and windows (zero-copy, as
compact(scores=..., target=...) does it). The pruned networks are tuned with their masks held, and
exported. Top-1 is that of the export; all exports and the unpruned network are timed in turn on
one thread.
"""

from __future__ import annotations

import argparse
import dataclasses
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from study import Row, add_output, progress, save, show

from reorder_solver import torch_adapter as ta
from reorder_solver.experiments.architectures import ARCHITECTURES
from reorder_solver.experiments.checkpoints import default_folder
from reorder_solver.experiments.data import load_data
from reorder_solver.experiments.subjects import trained_here
from reorder_solver.experiments.training import accuracy, fine_tune, tasks, train_missing
from reorder_solver.torch_adapter.pruning import Pruner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.experiments.data import ArrayData
    from reorder_solver.experiments.subjects import Subject

_COLUMNS = {
    "network": "network",
    "method": "method",
    "amount": "amount",
    "macs": "multiply-adds",
    "copies": "accesses that copy",
    "pruned": "top-1 pruned, %",
    "tuned": "top-1 tuned, %",
    "ms": "ms",
    "of_unpruned": "of unpruned (95 %)",
}
_COPYING = ("gather", "cat", "copy")


def pruned(subject: Subject, args: argparse.Namespace) -> dict[str, tuple[float, Any]]:
    """Amount and masks of each method that meets the target of multiply-adds."""
    inputs = subject.inputs(2)
    pruner = Pruner(subject.model, inputs)
    scores = subject.scores(pruner, args.score, "input")
    whole = ta.compact(subject.model, inputs, {}, check=False).report.before.macs
    limit: float = args.macs * whole
    found: dict[str, tuple[float, Any]] = {}
    for name, side in (("unconstrained", "input"), ("constrained", "joint")):

        def masks(percent: int, side: str = side) -> Any:
            return pruner.masks(scores, percent / 100, side=side)

        def met(percent: int, masks: Callable[[int], Any] = masks) -> bool:
            out = ta.compact(subject.model, inputs, masks(percent), time_limit=2, check=False)
            return out.report.after.macs <= limit

        percent = bisect_left(range(100), True, key=met)
        found[name] = percent / 100, masks(percent)
    target = {"macs": args.macs}
    out = ta.compact(subject.model, inputs, scores=scores, target=target, time_limit=2)
    assert out.pruning is not None
    kept = [side for sides in out.pruning.masks.values() for side in sides.values()]
    share = 1 - sum(int(each.sum()) for each in kept) / sum(each.size for each in kept)
    found["zero-copy"] = share, out.pruning.masks
    return found


def measured(subject: Subject, data: ArrayData, args: argparse.Namespace) -> list[Row]:
    """Prune, tune, export and time one network."""
    inputs = subject.inputs(2)
    exports: dict[str, Any] = {}
    rows: list[Row] = []
    for name, (amount, masks) in pruned(subject, args).items():
        progress(f"{subject.architecture}: tuning {name}")
        masked = ta.masked(subject.model, masks)
        tuned = fine_tune(masked, data, args.epochs, subject.seed)
        out = ta.compact(tuned, inputs, masks, time_limit=5)
        exports[name] = out.module
        copies = [row for row in out.report.accesses if row.mode in _COPYING]
        rows.append(
            {
                "network": subject.architecture,
                "method": name,
                "amount": f"{amount:.2f}",
                "macs": out.report.after.macs,
                "copies": sum(row.kind != "concatenation" for row in copies),
                "pruned": f"{100 * accuracy(masked, subject.data):.1f}",
                "tuned": f"{100 * accuracy(out.module, subject.data):.1f}",
            }
        )
    progress(f"{subject.architecture}: timing")
    modules = {"unpruned": subject.model, **exports}
    if args.compile:
        torch.compiler.reset()
        modules = {name: torch.compile(each) for name, each in modules.items()}
    times = ta.compare_latency(modules, subject.inputs(args.batch), args.rounds)
    whole = ta.compact(subject.model, inputs, {}, check=False).report.before.macs
    top1 = f"{100 * accuracy(subject.model, subject.data):.1f}"
    unpruned = {"method": "unpruned", "amount": "0.00", "macs": whole, "copies": 0}
    rows.insert(0, {"network": subject.architecture, **unpruned, "pruned": top1, "tuned": top1})
    for row in rows:
        ratio = times.ratio(row["method"], "unpruned")
        row["ms"] = f"{times.quartiles_ms(row['method'])[1]:.3f}"
        row["of_unpruned"] = f"{ratio.value:.3f} ({ratio.low:.3f}-{ratio.high:.3f})"
        row["ratio"] = dataclasses.asdict(ratio)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architectures", nargs="*", default=list(ARCHITECTURES), metavar="NAME")
    parser.add_argument("--checkpoints", type=Path, default=default_folder(), metavar="FOLDER")
    parser.add_argument("--data", default="mnist", choices=["mnist", "digits"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--score", default="l2")
    parser.add_argument("--macs", type=float, default=0.5, help="share of multiply-adds that stays")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--compile", action="store_true", help="time under torch.compile")
    add_output(parser)
    args = parser.parse_args(arguments)
    data = load_data(args.data)
    rows: list[Row] = []
    for task in tasks(args.checkpoints, args.architectures, args.data, [args.seed]):
        progress(f"{task.architecture}: training, if there is no checkpoint")
        train_missing(task, data)
        subject = trained_here(args.checkpoints, task.architecture, args.seed, data)
        rows += measured(subject, data, args)
    show(f"Tuned for {args.epochs} epochs after pruning to {args.macs:.0%}", _COLUMNS, rows)
    save(args.output, "fine_tuning", vars(args), rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
