"""What it costs to take constant channels out of a layer normalisation.

    python bench_instances/studies/norm_compensation.py

Times PyTorch's layer norm over all channels, over the stored ones alone, and over the stored ones
corrected for the others, in turn on the same input. The ratio is corrected over full: below one,
the norm itself gains; what is around it gains in any case. Float32, one thread unless told.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from study import Row, add_output, save, show
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHAPES = ((1, 197, 192), (1, 197, 768), (8, 197, 384), (1, 3136, 96))
COLUMNS = {
    "shape": "shape",
    "constant": "constant share",
    "full_us": "full, us",
    "plain_us": "stored alone, us",
    "corrected_us": "corrected, us",
    "ratio": "corrected / full",
}
SHARES = (0.02, 0.1, 0.25, 0.5, 0.75)


class Normed(nn.Module):
    """A norm between two linear layers that are nearly free."""

    def __init__(self, channels: int, stored: int) -> None:
        super().__init__()
        self.stem, self.norm = nn.Linear(1, channels), nn.LayerNorm(channels)
        self.head = nn.Linear(channels, 1)
        with torch.no_grad():
            self.stem.weight[stored:] = 0
            self.head.weight[:, stored:] = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The stream, normalised and read."""
        return self.head(self.norm(self.stem(x)))


def norm_alone(channels: int, stored: int) -> tuple[nn.Module, int]:
    """What an export does between the two layers, as a module, and how many channels it takes."""
    x = torch.rand(2, 3, 1)
    extraction = ta.extract(Normed(channels, stored).eval(), x)
    module: Any = ta.apply(extraction, rs.Layout.identity(extraction.instance))
    graph = module.graph
    stem, head = (node for node in graph.nodes if str(node.target) == "aten.linear.default")
    (source,) = (node for node in graph.nodes if node.op == "placeholder")
    stem.replace_all_uses_with(source)
    (output,) = (node for node in graph.nodes if node.op == "output")
    output.args = (head.args[0],)
    graph.eliminate_dead_code()
    module.recompile()
    return module, len(module.stem.weight)


def medians(calls: Sequence[Callable[[], Any]], seconds: float) -> list[float]:
    """Microseconds per call, the calls made in turn."""
    found: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(found[0]) < 20:
        for times, call in zip(found, calls, strict=True):
            start = time.perf_counter()
            call()
            times.append(1e6 * (time.perf_counter() - start))
    return [statistics.median(times) for times in found]


def measure(shape: tuple[int, int, int], share: float, seconds: float) -> Row:
    """One row."""
    batch, places, channels = shape
    stored = channels - max(1, int(np.ceil(share * channels)))
    module, width = norm_alone(channels, stored)
    x = torch.rand(batch, places, channels)
    few = x[..., :width].contiguous()
    weight, bias = torch.rand(2, channels)
    with torch.inference_mode():
        full, plain, corrected = medians(
            [
                lambda: nn.functional.layer_norm(x, [channels], weight, bias),
                lambda: nn.functional.layer_norm(few, [width], weight[:width], bias[:width]),
                lambda: module(few),
            ],
            seconds,
        )
    return {
        "shape": "x".join(map(str, shape)),
        "constant": round(1 - width / channels, 2),
        "full_us": round(full, 1),
        "plain_us": round(plain, 1),
        "corrected_us": round(corrected, 1),
        "ratio": round(corrected / full, 2),
    }


def main() -> None:
    """All shapes and shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="per row")
    parser.add_argument("--threads", type=int, default=1)
    add_output(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = [measure(shape, share, options.seconds) for shape in SHAPES for share in SHARES]
    show("Layer norm with constants taken out", COLUMNS, rows)
    settings = {"seconds": options.seconds, "threads": options.threads}
    save(options.output, "norm_compensation", settings, rows)


if __name__ == "__main__":
    main()
