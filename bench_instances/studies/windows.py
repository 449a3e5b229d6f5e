"""Zero-copy pruning: how much importance windows retain, and how close to the bound that is.

    python bench_instances/studies/windows.py
    python bench_instances/studies/windows.py --networks resnet18 googlenet --time-limit 20
    python bench_instances/studies/windows.py --large

For each instance: the share that windows retain of what separates constrained pruning (all layers
on a tensor keep the same channels) from unconstrained pruning (each keeps its own best), the gap
to the proven bound, and the time. Generated instances have correlated scores; those of networks
have the norms of the weights of each layer's input channels (random weights, as torchvision
initialises them, unless --pretrained). --large adds 4096 channels with 64 accesses.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from study import Row, add_output, progress, save, show

import reorder_solver as rs
from reorder_solver.core.verify_windows import verify_windows
from reorder_solver.core.windows import (
    Budget,
    ScoredAccess,
    ScoredPart,
    ScoredTensor,
    WindowsInstance,
)
from reorder_solver.formats import write_windows_instance
from reorder_solver.generators import generate_windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COLUMNS = {
    "instance": "instance",
    "channels": "channels",
    "accesses": "accesses",
    "constrained": "constrained/unconstrained",
    "windows": "windows/unconstrained",
    "regained": "regained",
    "gap": "gap to bound",
    "seconds": "seconds",
    "status": "status",
}
_LARGEST_SCORE = 1_000_000


def unconstrained(instance: WindowsInstance) -> int:
    """What accesses retain that each select their own best channels."""
    limits = {budget.id: budget.limit for budget in instance.budgets}
    total = 0
    for access in instance.accesses:
        scores = np.sort(np.concatenate([part.scores for part in access.parts]))[::-1]
        total += int(scores[: limits[access.budget]].sum())
    return total


def constrained(instance: WindowsInstance, keep: float) -> int:
    """What they retain when every tensor keeps one set of channels, those of most importance."""
    worth = {one.id: np.zeros(one.channels, dtype=np.int64) for one in instance.tensors}
    for access in instance.accesses:
        for part in access.parts:
            worth[part.tensor] += part.scores
    return sum(int(np.sort(each)[::-1][: kept(each.size, keep)].sum()) for each in worth.values())


def kept(channels: int, keep: float) -> int:
    """How many channels of a tensor are kept."""
    return max(1, int(keep * channels + 0.5))


def generated(large: bool) -> Iterator[tuple[WindowsInstance, float]]:
    """Instances of one tensor with correlated scores, half of the channels kept."""
    for readers, channels in ((3, 64), (4, 128), (6, 128), (8, 256), (12, 256)):
        for correlation in (0.0, 0.5, 0.9):
            made = generate_windows(readers=readers, channels=channels, correlation=correlation)
            yield made.replace(name=f"{readers}x{channels}, correlation {correlation}"), 0.5
    if large:
        made = generate_windows(readers=64, channels=4096, correlation=0.5)
        yield made.replace(name="64x4096, correlation 0.5"), 0.5


def of_network(name: str, score: str, keep: float, pretrained: bool) -> WindowsInstance:
    """The windows instance that the norms of a torchvision model's layers pose."""
    import torch
    import torchvision

    from reorder_solver.torch_adapter.connections import connections
    from reorder_solver.torch_adapter.weight_scores import Magnitude

    torch.manual_seed(0)
    weights = "DEFAULT" if pretrained else None
    model = torchvision.models.get_model(name, weights=weights).eval()
    scorer = Magnitude({"l1": 1, "l2": 2}[score])
    tensors: dict[str, ScoredTensor] = {}
    accesses: list[ScoredAccess] = []
    budgets: list[Budget] = []
    for one in connections(model, torch.zeros(1, 3, 224, 224)):
        if not one.reads.free:
            continue
        parts = _parts(
            one.reads.tensor,
            one.reads.channel,
            scorer(one.module, model.get_submodule(one.module), one.reads, "input"),
        )
        if parts is None:
            continue
        key = one.module if one.module not in {each.id for each in accesses} else ""
        if not key:
            continue
        for part in parts:
            tensors.setdefault(part.tensor, ScoredTensor(part.tensor, part.scores.size))
        accesses.append(ScoredAccess(key, parts, key))
        budgets.append(Budget(key, sum(kept(part.scores.size, keep) for part in parts)))
    widths: dict[str, int] = {part.tensor: part.scores.size for a in accesses for part in a.parts}
    used = tuple(ScoredTensor(tensor, width) for tensor, width in widths.items())
    label = f"{name}/{score}-{keep:.2f}"
    return WindowsInstance(label, used, tuple(accesses), tuple(budgets))


def _parts(
    tensors: Sequence[str], channels: np.ndarray, scores: np.ndarray
) -> tuple[ScoredPart, ...] | None:
    """Whole tensors laid end to end; None where the layer reads anything else."""
    names = list(dict.fromkeys(tensors))
    where = np.array([names.index(each) for each in tensors])
    if (np.diff(where) < 0).any():
        return None
    top = float(scores.max(initial=0.0)) or 1.0
    whole = np.rint(scores / top * _LARGEST_SCORE).astype(np.int64)
    parts = []
    for index, name in enumerate(names):
        mine = np.flatnonzero(where == index)
        order = channels[mine]
        if sorted(order.tolist()) != list(range(order.size)):
            return None
        placed = np.empty(order.size, dtype=np.int64)
        placed[order] = whole[mine]
        parts.append(ScoredPart(name, placed))
    return tuple(parts)


def solved(instance: WindowsInstance, keep: float, args: argparse.Namespace) -> Row:
    """Solve, verify and compare one instance."""
    progress(instance.name)
    result = rs.solve_windows(
        instance, backend=args.backend, time_limit=args.time_limit, seed=args.seed
    )
    verify_windows(instance, result)
    free, same = unconstrained(instance), constrained(instance, keep)
    importance = result.importance or 0
    return {
        "instance": instance.name,
        "channels": sum(tensor.channels for tensor in instance.tensors),
        "accesses": len(instance.accesses),
        "constrained": same / free,
        "windows": importance / free,
        "regained": (importance - same) / (free - same) if free > same else None,
        "importance": importance,
        "upper_bound": result.upper_bound,
        "gap": None if result.gap is None else f"{result.gap:.3%}",
        "gap_share": result.gap,
        "seconds": round(result.times["total"], 2),
        "status": result.status.value,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", default=None, metavar="NAME")
    parser.add_argument("--scores", nargs="*", default=["l1", "l2"], choices=["l1", "l2"])
    parser.add_argument("--keep", nargs="*", type=float, default=[0.5, 0.7])
    parser.add_argument("--pretrained", action="store_true", help="downloads weights")
    parser.add_argument("--large", action="store_true", help="add 4096 channels x 64 accesses")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--time-limit", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", metavar="FOLDER", help="write the networks' instances there")
    add_output(parser)
    args = parser.parse_args(arguments)
    rows: list[Row] = []
    if args.networks is None or args.large:
        rows += [solved(instance, keep, args) for instance, keep in generated(args.large)]
        show("Generated scores", _COLUMNS, rows)
    exported: list[Row] = []
    networks = ["resnet18", "resnet50", "googlenet", "densenet121"]
    for name in networks if args.networks is None else args.networks:
        for score in args.scores:
            for keep in args.keep:
                instance = of_network(name, score, keep, args.pretrained)
                if args.write:
                    file = instance.name.replace("/", "-")
                    write_windows_instance(instance, Path(args.write) / f"{file}.json.gz")
                exported.append(solved(instance, keep, args))
    if exported:
        show("Scores of networks", _COLUMNS, exported)
        gaps = [row["gap_share"] for row in exported if row["gap_share"] is not None]
        print(f"median gap on {len(gaps)} instances of networks: {median(gaps):.3%}")
    save(args.output, "windows", vars(args), rows + exported)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
