"""Instances built on purpose: what defeats a greedy choice, a bound, or a search.

Every construction hides a layout under names drawn from the seed, and says in its metadata what
is known: ``planted.layout``, and ``optimum`` by objective where an argument gives it.
"""

from __future__ import annotations

from itertools import chain, combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver import Access, Instance, Part, Tensor
from reorder_solver.generators.drawing import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable

_TENSOR = "x"


def clash(*, seed: int, accesses: int) -> Instance:
    """Accesses any three of which are in general position: two are views, the others pay.

    A channel for every one, two and three of the accesses, so all seven regions of any three are
    inhabited, and no three fit. Any two do.
    """
    groups = chain.from_iterable(combinations(range(accesses), size) for size in (1, 2, 3))
    # Views of the first two: what only one wants at the ends, what both want between.
    ordered = sorted(groups, key=lambda group: _place(0 in group, 1 in group))
    wanted = [[at for at, group in enumerate(ordered) if one in group] for one in range(accesses)]
    size = len(wanted[0])
    optimum = {"copies": accesses - 2, "bytes": (accesses - 2) * size}
    return _hidden("clash", seed, {"accesses": accesses}, len(ordered), wanted, optimum)


def _place(first: bool, second: bool) -> int:
    return {(True, False): 0, (True, True): 1, (False, True): 2, (False, False): 3}[first, second]


def path_in_graph(*, seed: int, channels: int, chords: int) -> Instance:
    """Pairs of channels, the edges of a graph with a hidden Hamiltonian path.

    Views are paths, so at most ``channels - 1`` pairs are views, and the hidden path reaches
    that: every chord costs one copy and one run. Finding such a path is the problem.
    """
    stream = Stream(seed)
    edges = set(pairwise(range(channels)))
    path = len(edges)
    while len(edges) < path + chords:
        low, high = sorted(stream.permutation(channels)[:2].tolist())
        edges.add((low, high))
    optimum = {"copies": chords, "bytes": 2 * chords, "runs": chords}
    given = {"channels": channels, "chords": chords}
    return _hidden("path_in_graph", seed, given, channels, sorted(edges), optimum)


def windows(*, seed: int, channels: int, length: int, step: int) -> Instance:
    """Intervals that overlap many others: all are views, though none has just two neighbours."""
    starts = range(0, channels - length + 1, step)
    wanted = [range(start, start + length) for start in starts]
    given = {"channels": channels, "length": length, "step": step}
    optimum = {"copies": 0, "bytes": 0, "runs": 0}
    return _hidden("windows", seed, given, channels, wanted, optimum)


def ring(*, seed: int, channels: int, length: int, step: int) -> Instance:
    """Intervals of a ring: wherever it is cut open, the intervals across the cut pay.

    Turning the ring changes nothing, so the cost of a layout says little about where to go.
    """
    wanted = [
        [at % channels for at in range(start, start + length)] for start in range(0, channels, step)
    ]
    given = {"channels": channels, "length": length, "step": step}
    return _hidden("ring", seed, given, channels, wanted, {})


def hub(*, seed: int, pairs: int) -> Instance:
    """One access in the way of all pairs, a little dearer than any other one.

    It and the two of each pair are in general position. Whoever serves the dearest access first
    pays for one of every pair; the optimum pays for the hub alone.
    """
    wanted: list[list[int]] = [[]]
    for pair in range(pairs):
        # Only the first, both without the hub, only the second; then the same with the hub.
        first, both, second, hub_first, hub_both, hub_second, alone = range(7 * pair, 7 * pair + 7)
        wanted[0] += [hub_first, hub_both, hub_second, alone]
        wanted += [[first, both, hub_first, hub_both], [second, both, hub_second, hub_both]]
    layout = [7 * pair + at for pair in range(pairs) for at in (0, 3, 1, 4, 2, 5, 6)]
    size = [8, *[8 * pairs - 1] * (2 * pairs)]
    optimum = {"copies": 1, "bytes": 32 * pairs}
    # Without the hub each pair fits; with it, every pair costs 4 (8 pairs - 1) or more.
    return _hidden("hub", seed, {"pairs": pairs}, 7 * pairs, wanted, optimum, size, layout)


def must(*, seed: int, channels: int, links: int, closed: bool) -> Instance:
    """Required pairs in a long chain among other accesses; closed to a ring, no layout is left.

    Any part of the ring fits, so nothing short of all of it shows that there is no layout.
    """
    stream = Stream(seed)
    required = [[at, at + 1] for at in range(links)]
    if closed:
        required.append([0, links])
    free = [np.sort(stream.permutation(channels)[: channels // 3]).tolist() for _ in range(6)]
    given = {"channels": channels, "links": links, "closed": closed}
    optimum = dict.fromkeys(("copies", "bytes", "runs")) if closed else {}
    return _hidden(
        "must", seed, given, channels, [*required, *free], optimum, required=len(required)
    )


CONSTRUCTIONS = {make.__name__: make for make in (clash, path_in_graph, windows, ring, hub, must)}


def _hidden(
    family: str,
    seed: int,
    given: dict[str, Any],
    channels: int,
    wanted: Iterable[Iterable[int]],
    optimum: dict[str, int | None],
    size: list[int] | None = None,
    layout: list[int] | None = None,
    required: int = 0,
) -> Instance:
    """Rename channels, shuffle accesses, and note the secret."""
    stream = Stream(seed + 1)
    names = stream.permutation(channels)
    rows = [np.sort(names[np.array(list(row), dtype=np.int64)]) for row in wanted]
    sizes = size or [1] * len(rows)
    accesses = [
        Access(
            f"a{place}",
            [Part(_TENSOR, rows[number])],
            bytes=sizes[number],
            required=number < required,
        )
        for place, number in enumerate(stream.permutation(len(rows)).tolist())
    ]
    secret = names[np.array(layout or range(channels), dtype=np.int64)].tolist()
    meta: dict[str, Any] = {
        "construction": {"family": family, "seed": seed, "parameters": given},
        "optimum": optimum,
    }
    if None not in optimum.values():
        meta["planted"] = {"layout": {_TENSOR: secret}}
    return Instance(family, [Tensor(_TENSOR, channels)], accesses, meta=meta)
