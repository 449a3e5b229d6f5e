"""Zero-copy pruning: how much importance windows retain, and how close to the bound that is.

    python bench_instances/studies/windows.py
    python bench_instances/studies/windows.py --networks resnet18 googlenet --time-limit 20
    python bench_instances/studies/windows.py --networks --checkpoints ~/.cache/reorder-solver
    python bench_instances/studies/windows.py --large

For each instance: the share that windows retain of what separates constrained pruning (all layers
on a tensor keep the same channels) from unconstrained pruning (each keeps its own best), the gap
to the proven bound, and the time. Generated instances have correlated scores; those of networks
are what prune_windows solves for the norms of their weights (random, as torchvision initialises
them, unless --pretrained; or of checkpoints). --large adds 4096 channels with 64 accesses.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
import torchvision
from study import Row, add_output, progress, save, show

import reorder_solver as rs
from reorder_solver.core.verify_windows import verify_windows
from reorder_solver.experiments.checkpoints import load
from reorder_solver.formats import write_windows_instance
from reorder_solver.generators import generate_windows
from reorder_solver.torch_adapter.window_pruning import WindowPruner, demanded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from reorder_solver.core.windows import WindowsInstance

NETWORKS = (
    "resnet18", "resnet50", "mobilenet_v2", "densenet121", "googlenet", "efficientnet_b0",
    "squeezenet1_1", "alexnet", "vgg11_bn", "densenet201", "efficientnet_v2_s", "inception_v3",
    "regnet_y_400mf",
)  # fmt: skip

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


def unconstrained(instance: WindowsInstance) -> int:
    """What is retained if every budget takes its best channels."""
    scores: dict[str, list[np.ndarray]] = {budget.id: [] for budget in instance.budgets}
    for access in instance.accesses:
        scores[access.budget] += [part.scores for part in access.parts]
    best = {name: np.sort(np.concatenate(each))[::-1] for name, each in scores.items() if each}
    limits = {budget.id: budget.limit for budget in instance.budgets}
    return sum(int(each[: limits[name]].sum()) for name, each in best.items())


def constrained(instance: WindowsInstance, keep: float) -> int:
    """What is retained if every tensor keeps one set of channels, those of most importance."""
    worth = {one.id: np.zeros(one.channels, dtype=np.int64) for one in instance.tensors}
    for access in instance.accesses:
        for part in access.parts:
            worth[part.tensor] += part.scores
    return sum(int(np.sort(each)[::-1][: kept(each.size, keep)].sum()) for each in worth.values())


def kept(channels: int, keep: float) -> int:
    """How many channels of a tensor are kept."""
    return max(1, channels - int((1 - keep) * channels))


def generated(large: bool) -> Iterator[tuple[WindowsInstance, float]]:
    """Instances of one tensor with correlated scores, half of the channels kept."""
    for readers, channels in ((3, 64), (4, 128), (6, 128), (8, 256), (12, 256)):
        for correlation in (0.0, 0.5, 0.9):
            made = generate_windows(readers=readers, channels=channels, correlation=correlation)
            yield made.replace(name=f"{readers}x{channels}, correlation {correlation}"), 0.5
    if large:
        made = generate_windows(readers=64, channels=4096, correlation=0.5)
        yield made.replace(name="64x4096, correlation 0.5"), 0.5


def of_network(
    model: nn.Module, inputs: torch.Tensor, name: str, scores: Sequence[str], keeps: Sequence[float]
) -> Iterator[tuple[WindowsInstance, float]]:
    """The windows instances that zero-copy pruning of a model poses."""
    pruner = WindowPruner(model, inputs)
    for score in scores:
        table = pruner.scores(score)
        for keep in keeps:
            instance = pruner.problem(table, demanded(1 - keep)).instance
            yield instance.replace(name=f"{name}/{score}-{keep:.2f}"), keep


def networks(args: argparse.Namespace) -> Iterator[tuple[WindowsInstance, float]]:
    """Those of torchvision's networks, and of checkpoints."""
    for name in NETWORKS if args.networks is None else args.networks:
        torch.manual_seed(0)
        weights = "DEFAULT" if args.pretrained else None
        model = torchvision.models.get_model(name, weights=weights).eval()
        side = 299 if name == "inception_v3" else 224
        yield from of_network(model, torch.zeros(1, 3, side, side), name, args.scores, args.keep)
    for path in sorted(args.checkpoints.glob("*.safetensors")) if args.checkpoints else []:
        model, trained = load(path)
        inputs = torch.zeros(1, trained.channels, trained.size, trained.size)
        yield from of_network(model, inputs, path.stem, args.scores, args.keep)


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
    parser.add_argument("--checkpoints", type=Path, metavar="FOLDER", help="of networks trained")
    parser.add_argument("--scores", nargs="*", default=["l1", "l2"], choices=["l1", "l2", "fpgm"])
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
    for instance, keep in networks(args):
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
