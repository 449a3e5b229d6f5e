"""Every rule on values whose channels take several features each, all of them or some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from captured_operators import FIXED, GROUPS, NAMES, sample, seen_group
from masks_and_layouts import layouts, random_masks
from operator_items import Items
from programme_oracles import assert_exports_are_right
from torch import nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

TOLERANCE = 1e-12
#: Channels, and features of each, piece by piece: eight features in all.
KINDS = {"one": [(1, 8)], "pairs": [(4, 2)], "mixed": [(2, 1), (1, 4), (2, 1)]}
#: Operators that move, take or lay out features by number; the others are left to slow cases.
MOVING = [
    name
    for name in NAMES
    if name in RULES
    and RULES[name].__module__.rpartition(".")[2] in ("pieces", "regrouping", "shapes", "views")
]


class Blocks(nn.Module):
    """Pieces with blocks of different features per channel, some of them constant."""

    def __init__(self, kind: str, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.convs = nn.ModuleList(nn.Conv2d(3, channels, 1) for channels, _ in KINDS[kind])
        self.blocks = [block for _, block in KINDS[kind]]
        with torch.no_grad():
            for conv in self.convs:
                conv.weight[1:2] = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pieces = []
        for conv, block in zip(self.convs, self.blocks, strict=True):
            steps = torch.linspace(0.5, 1.5, block, dtype=x.dtype)[:, None, None]
            pieces.append((conv(x)[:, :, None] * steps).flatten(1, 2))
        return torch.cat(pieces, 1)


def network(number: int, kind: str, names: list[str]) -> nn.Module:
    """Examples on blocks, each with a reader on the axis that usually has the channels."""
    group = seen_group(number)
    found = dict(zip(group.names, group.results, strict=True))
    values = [group.program.values.get(found[name]) for name in names]
    net = Items(names, [None if value is None else value.flow.axis for value in values])
    for place, item in enumerate(net.items):
        item.one, item.two = Blocks(kind, 2 * place), Blocks(kind, 2 * place + 1)
    return net.double().eval()


def cases() -> list[object]:
    found: list[object] = []
    for number, group in enumerate(GROUPS):
        moving = [name for name in group if name in MOVING]
        others = [name for name in group if name not in MOVING]
        for kind in KINDS:
            marks = [pytest.mark.slow] if kind == "pairs" else []
            if moving:
                found.append(pytest.param(number, kind, moving, marks=marks))
            if others:
                found.append(pytest.param(number, kind, others, marks=pytest.mark.slow))
    return found


@pytest.mark.parametrize(("number", "kind", "names"), cases())
def test_exports_equal_the_masked_model(number: int, kind: str, names: list[str]) -> None:
    """Whether a rule moves whole blocks, or refuses, results stay what they were."""
    net = network(number, kind, names)
    masks = random_masks(net, np.random.default_rng(number))
    masks = {name: mask for name, mask in masks.items() if name.startswith("heads")}
    extraction = ta.extract(net, sample(), masks)
    x = sample(4) if GROUPS[number] is FIXED else sample(4)[:2]
    with torch.no_grad():
        expected = ta.masked(net, masks)(x)
        for layout in layouts(extraction.instance, count=2):
            results = ta.apply(extraction, layout)(x)
            for name, made, right in zip(names, results, expected, strict=True):
                scale = float(right.double().nan_to_num().abs().max()) or 1.0
                error = (made.double() - right.double()).nan_to_num().abs().max()
                assert float(error) <= TOLERANCE * scale, name


TURNS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "roll by as many features as there are channels": lambda x: x.roll(2, 1),
    "roll by whole channels": lambda x: x.roll(-4, 1),
    "roll within channels, and another axis": lambda x: x.roll((1, 1), (1, 3)),
    "flip": lambda x: x.flip(1),
    "flip with another axis": lambda x: x.flip(1, 2),
}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("pieces", [[(2, 4)], [(1, 8)], [(2, 4), (2, 2)], [(2, 2), (1, 4)]])
def test_rotations_and_reversals_count_features(
    turn: str, pieces: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were taken for moves of channels: by 2 of 2 channels, or of a single one, is none."""
    monkeypatch.setitem(KINDS, "given", pieces)

    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = Blocks("given", 0)
            self.head = nn.Conv2d(sum(c * b for c, b in pieces), 4, 1)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            turned = TURNS[turn](self.blocks(x))
            return turned, self.head(turned)

    net = Turned().double().eval()
    assert_exports_are_right(net, sample())
