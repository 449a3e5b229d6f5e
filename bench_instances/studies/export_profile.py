"""Where the time of an export goes: what copies take, and so what any order could save at most.

    python bench_instances/studies/export_profile.py resnet50 googlenet --batch 8 --channels-last

For each network the exports `naive`, `upscale` and `optimal` run under PyTorch's profiler on one
thread. The time that each operator spends itself is added up by kind: layers (convolutions and
products of matrices), copies (gathers, concatenations, and what operators copy of their inputs),
norms, elementwise operators, pools, and the rest. The last column is what a network that copies
nothing would take of the time of this one: no order of channels gets lower than that without
transformations that do less work.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import Any

import export_latency
from latency_report import KEPT, geometric_mean
from study import Row, add_output, progress, save, show

#: What the names of the operators of each kind contain, in this order.
KINDS = {
    "layers": ("conv", "aten::mm", "addmm", "bmm", "attention", "aten::linear"),
    "copies": ("index_select", "aten::index", "aten::cat", "aten::clone", "contiguous"),
    "norms": ("norm",),
    "pools": ("pool", "aten::mean"),
    "elementwise": (
        "aten::add", "aten::mul", "aten::div", "relu", "clamp", "hardtanh", "sigmoid", "silu",
        "gelu", "hardswish", "softmax", "aten::sub",
    ),
}  # fmt: skip
REST = "rest"
EXPORTS = ("naive", "upscale", KEPT, "optimal")


def kind_of(event: Any) -> str:
    """The kind of an operator in a profile; what has none is part of what called it.

    So a convolution that writes its bias is at its own work, but not when it copies its input.
    """
    while event is not None:
        for kind, words in KINDS.items():
            if any(word in event.name for word in words):
                return kind
        event = event.cpu_parent
    return REST


def profile(module: Any, inputs: Any, rounds: int) -> dict[str, float]:
    """Milliseconds per call that operators of each kind spend themselves."""
    import torch
    from torch.profiler import ProfilerActivity

    with torch.inference_mode():
        for _ in range(2):
            module(inputs)
        with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as found:
            for _ in range(rounds):
                module(inputs)
    total: Counter[str] = Counter()
    for event in found.events():
        total[kind_of(event)] += event.self_cpu_time_total / (1000 * rounds)
    return {kind: total[kind] for kind in (*KINDS, REST)}


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("models", nargs="*", default=list(export_latency.MODELS), metavar="MODEL")
    parser.add_argument("--amount", type=float, default=0.5)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--objective", default="latency")
    parser.add_argument("--score", default="l2")
    parser.add_argument("--side", default="input", choices=("input", "output", "mixed"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-limit", type=float, default=10.0, help="of the solver, per export")
    parser.add_argument("--input-size", type=int)
    parser.add_argument("--channels-last", action="store_true")
    add_output(parser)
    arguments = parser.parse_args(argv)
    settings = {
        name: getattr(arguments, name)
        for name in export_latency.SETTINGS
        if name in vars(arguments)
    }
    rows: list[Row] = []
    for model in arguments.models:
        progress(model)
        job = {"model": model, "amount": arguments.amount, "settings": settings}
        rows += rows_of(job | {"settings": settings | {"exports": list(EXPORTS)}}, arguments)
    form = "channels_last" if arguments.channels_last else "contiguous"
    columns = {"model": "model", "export": "export", "ms": "ms", "copies": "copies ms"}
    columns |= {kind: f"{kind} ms" for kind in (*KINDS, REST) if kind != "copies"}
    columns |= {"floor": "without copies"}
    title = f"batch {arguments.batch}, {form}, amount {arguments.amount:g}, 1 thread"
    show(title, columns, rows)
    for export in EXPORTS:
        floors = [row["floor"] for row in rows if row["export"] == export]
        print(f"{export}: without copies {geometric_mean(floors):.3f} of its time")
    save(arguments.output, "export_profile", vars(arguments) | {"output": None}, rows)
    return 0


def rows_of(job: Row, arguments: argparse.Namespace) -> list[Row]:
    """One row per export of a network."""
    network = export_latency.Network(job)
    modules = network.exports(arguments.batch, 1)
    inputs = export_latency.example_inputs(job, arguments.batch)
    rows = []
    for export in EXPORTS:
        kinds = profile(modules[export], inputs, arguments.rounds)
        total = sum(kinds.values())
        facts = {"model": job["model"], "export": export, "ms": total}
        rows.append(facts | kinds | {"floor": 1 - kinds["copies"] / total})
    return rows


if __name__ == "__main__":
    sys.exit(main())
