"""Whole networks against the paper's own exporter, the installed package ``apple-upscale``.

    pip install --no-deps apple-upscale
    python bench_instances/studies/apple_upscale.py resnet18 googlenet --amount 0.5

The package is Apple's, under a licence of its own; it is run as installed, and nothing of it is
part of this one. Every exporter gets the same masked network (random weights, every layer drops
its own inputs of smallest norm). Printed per export: bytes that copies write in one run (batch 1,
counted alike for all), in parts of theirs without reordering; seconds to compute the order (theirs
trace the network in that time, ours do not) and to export altogether; and the largest error against
the masked model, relative to its output, in double precision. ``ours`` is ``export="optimal"``.
Exit code 3 if the package is missing.
"""

from __future__ import annotations

import argparse
import sys
import time
from copy import deepcopy
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from study import Row, add_output, progress, save, show

from reorder_solver import torch_adapter as ta

if TYPE_CHECKING:
    from torch import nn

COLUMNS = {
    "model": "model",
    "export": "export",
    "copied": "bytes copied",
    "share": "of their baseline",
    "order_seconds": "order s",
    "export_seconds": "export s",
    "equal": "equal",
    "shown_error": "error",
}
#: An export whose error is below is taken to equal the masked model.
_TOLERANCE = 1e-10


def theirs(model: nn.Module, images: torch.Tensor, baseline: bool) -> tuple[nn.Module, Row]:
    """Their export of a masked model, with or without reordering."""
    from upscale import PruningManager

    copied = deepcopy(model).eval()
    begin = time.perf_counter()
    manager = PruningManager(copied).compute([images])
    ordered = time.perf_counter()
    manager.prune(baseline=baseline)
    seconds = {"order_seconds": ordered - begin, "export_seconds": time.perf_counter() - begin}
    return copied, seconds


def ours(
    model: nn.Module, images: torch.Tensor, masks: Any, export: str, seconds: float
) -> tuple[nn.Module, Row]:
    """One of our exports of the same masked model."""
    begin = time.perf_counter()
    out = ta.compact(model, images, masks, export=export, time_limit=seconds, check=False)
    taken = time.perf_counter() - begin
    return out.module, {"order_seconds": out.result.times["total"], "export_seconds": taken}


def compared(network: str, arguments: argparse.Namespace) -> list[Row]:
    """A row per export of one network."""
    model = ta.load_model(f"torchvision:{network}", seed=0).eval()
    side = arguments.image
    images = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    masks = ta.prune_inputs(model, images, amount=arguments.amount)
    masked = ta.masked(model, masks).eval()
    makers = {
        "theirs, no order": lambda: theirs(masked, images, baseline=True),
        "theirs": lambda: theirs(masked, images, baseline=False),
        "ours, no order": lambda: ours(model, images, masks, "naive", arguments.time_limit),
        "ours, their order": lambda: ours(model, images, masks, "upscale", arguments.time_limit),
        "ours": lambda: ours(model, images, masks, "optimal", arguments.time_limit),
    }
    rows: list[Row] = []
    for export, make in makers.items():
        row: Row = {"model": network, "export": export}
        rows.append(row)
        try:
            module, figures = make()
            row |= figures
            row["error"] = float(ta.max_relative_error(masked, module, images))
            row["shown_error"] = f"{row['error']:.0e}"
            row["equal"] = row["error"] <= _TOLERANCE
            row["copied"] = ta.copied_bytes(module, images).total
        except Exception as error:
            # An exporter that fails is a result.
            row["failure"] = f"{type(error).__name__}: {error}".splitlines()[0][:100]
        progress(" ".join(map(str, row.values())))
    baseline = rows[0].get("copied")
    for row in rows:
        row["share"] = row["copied"] / baseline if baseline and "copied" in row else None
        row["equal"] = "failed" if "failure" in row else "yes" if row["equal"] else "NO"
    return rows


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("models", nargs="*", default=["resnet18", "squeezenet1_1", "googlenet"])
    parser.add_argument("--amount", type=float, default=0.5)
    parser.add_argument("--image", type=int, default=224, metavar="PIXELS")
    parser.add_argument("--time-limit", type=float, default=10.0, metavar="SECONDS")
    add_output(parser)
    arguments = parser.parse_args(argv)
    if find_spec("upscale") is None:
        print("apple-upscale is not installed: pip install --no-deps apple-upscale")
        return 3
    torch.set_num_threads(1)
    rows = [row for network in arguments.models for row in compared(network, arguments)]
    show("exports of one masked network, one thread", COLUMNS, rows)
    for row in rows:
        if "failure" in row:
            print(f"{row['model']}, {row['export']}: {row['failure']}")
    settings = {key: getattr(arguments, key) for key in ("amount", "image", "time_limit")}
    save(arguments.output, "apple_upscale", settings, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
