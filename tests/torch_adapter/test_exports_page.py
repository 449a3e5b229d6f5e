"""The worked example of docs/exports.md runs, and does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from page_runner import run_page
from torch import nn

from reorder_solver.torch_adapter.exports import EXPORTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "exports.md").read_text("utf-8")


def test_every_export_is_on_the_page() -> None:
    """And no other."""
    table = PAGE[: PAGE.index("## What the module is")]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [
        "naive",
        "upscale",
        "optimal",
        "constrained",
        "oracle",
    ]
    assert set(EXPORTS) == {"naive", "upscale", "optimal", "constrained", "oracle"}


def test_fine_tuning(tmp_path: Path) -> None:
    """Pruning costs accuracy, tuning brings it back, and the export stays small."""
    torch.set_num_threads(1)
    (names,) = run_page("docs/exports.md", tmp_path)
    losses, model, small = names["losses"], names["model"], names["small"]
    assert losses["dense"] < 0.1
    assert losses["pruned"] > 5 * losses["dense"]
    assert losses["tuned"] < 0.1
    sizes = [sum(each.numel() for each in one.parameters()) for one in (model, small)]
    assert sizes[1] < 0.4 * sizes[0]
    kinds = {type(layer) for layer in small.modules()}
    assert {nn.BatchNorm2d, nn.Dropout} <= kinds
