"""A network as boxes and lines, and where to draw them: level by level, in bands."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass

#: What the label of a copy starts with.
COPY_OF = "copy of"
#: Levels in one band of the picture, and how many fewer there may be to cut at a better place.
BAND_LEVELS = 12
_SLACK = 4
#: Sweeps that sort each level by its neighbours.
_SWEEPS = 8
#: Room between two boxes, and between lines that pass them.
_BOX_ROOM, _LINE_ROOM = 1.0, 0.34


@dataclass(frozen=True, slots=True)
class Box:
    """An operator.

    Attributes
    ----------
    label : str
    kind : str
        ``layer``, ``concatenation``, ``copy``, ``operator``, ``input`` or ``output``.
    made, channels : int
        Channels it makes, and made in the model.
    pinned : bool
        True if they keep their order.
    bytes : int
        Written by a concatenation or a copy.
    """

    label: str
    kind: str
    made: int
    channels: int
    pinned: bool
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """What one box reads of another.

    Attributes
    ----------
    source, target : int
        Numbers of the boxes; a box comes after those that it reads.
    read, channels : int
        Channels read, and channels the model had there.
    mode : str
        ``view``, ``fused`` (slices that a concatenation takes), or a kind of copy.
    bytes : int
        Copied on the way.
    """

    source: int
    target: int
    read: int
    channels: int
    mode: str
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Network:
    """Boxes in order of execution, and lines between them."""

    title: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where everything goes.

    Attributes
    ----------
    levels : list of int
        Per box.
    heights : list of float
        Per box, 0 in the middle of its band.
    paths : list of list of (int, float)
        Per line the levels and heights it passes, its ends included.
    bands : list of int
        Per level its band.
    """

    levels: list[int]
    heights: list[float]
    paths: list[list[tuple[int, float]]]
    bands: list[int]


def place(network: Network) -> Placed:
    """Put each box one level behind the last one it reads, and lines past the boxes between.

    This is the layered drawing of Sugiyama, Tagawa and Toda (1981,
    doi:10.1109/TSMC.1981.4308636) with levels sorted by the means of their neighbours. Time
    O(sweeps x (boxes + levels passed by lines)).
    """
    levels = _levels(network)
    chains, members = _chains(network, levels)
    neighbours: tuple[dict[int, list[int]], dict[int, list[int]]] = (
        defaultdict(list),
        defaultdict(list),
    )
    for chain in chains:
        for one, other in itertools.pairwise(chain):
            neighbours[0][other].append(one)
            neighbours[1][one].append(other)
    heights = _sorted_heights(members, neighbours, len(network.boxes))
    level_of = {node: level for level, nodes in enumerate(members) for node in nodes}
    return Placed(
        levels,
        [heights[number] for number in range(len(network.boxes))],
        [[(level_of[node], heights[node]) for node in chain] for chain in chains],
        _bands(chains, level_of, len(members)),
    )


def _levels(network: Network) -> list[int]:
    levels = [0] * len(network.boxes)
    for line in sorted(network.lines, key=lambda line: line.target):
        levels[line.target] = max(levels[line.target], levels[line.source] + 1)
    return levels


def _chains(network: Network, levels: list[int]) -> tuple[list[list[int]], list[list[int]]]:
    """Per line the places it passes, and per level the places; the first ones are the boxes."""
    members: list[list[int]] = [[] for _ in range(max(levels, default=-1) + 1)]
    for number, level in enumerate(levels):
        members[level].append(number)
    chains: list[list[int]] = []
    count = len(levels)
    passing: dict[tuple[int, int], int] = {}
    for line in network.lines:
        chain = [line.source]
        for level in range(levels[line.source] + 1, levels[line.target]):
            # Lines from the same box run together until they part.
            key = line.source, level
            if key not in passing:
                passing[key] = count
                members[level].append(count)
                count += 1
            chain.append(passing[key])
        chains.append([*chain, line.target])
    return chains, members


def _sorted_heights(
    members: list[list[int]],
    neighbours: tuple[dict[int, list[int]], dict[int, list[int]]],
    boxes: int,
) -> dict[int, float]:
    heights: dict[int, float] = {}
    for level in members:
        heights.update(_stacked(level, boxes))
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for level in members if forward else reversed(members):
            near = neighbours[0 if forward else 1]

            def mean(node: int, near: dict[int, list[int]] = near) -> float:
                found = [heights[each] for each in near[node]]
                return sum(found) / len(found) if found else heights[node]

            level.sort(key=mean)
            heights.update(_stacked(level, boxes))
    return heights


def _stacked(level: list[int], boxes: int) -> dict[int, float]:
    """Heights of the members of a level in their order, around 0."""
    found: dict[int, float] = {}
    height = 0.0
    for node in level:
        room = _BOX_ROOM if node < boxes else _LINE_ROOM
        found[node] = height + room / 2
        height += room
    return {node: each - height / 2 for node, each in found.items()}


def _bands(chains: list[list[int]], level_of: dict[int, int], count: int) -> list[int]:
    """Cut levels into bands where few lines are cut."""
    crossing = [set[tuple[int, int]]() for _ in range(count + 1)]
    for chain in chains:
        for one, other in itertools.pairwise(chain):
            crossing[level_of[other]].add((one, other))
    bands: list[int] = []
    start, band = 0, 0
    while start < count:
        end = min(start + BAND_LEVELS, count)
        if end < count:
            choices = range(end, max(end - _SLACK, start + 1) - 1, -1)
            end = min(choices, key=lambda level: _ambiguity(crossing[level]))
        bands += [band] * (end - start)
        start, band = end, band + 1
    return bands


def _ambiguity(crossing: set[tuple[int, int]]) -> tuple[int, int]:
    """How many lines cannot be told apart at a cut: those of one source or one target can."""
    sources, targets = ({one for one, _ in crossing}, {other for _, other in crossing})
    return min(len(sources), len(targets)), len(sources)
