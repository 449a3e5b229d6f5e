"""What a solution of a windows problem is: evaluated, and as a result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.errors import LayoutError
from reorder_solver.core.evaluate import evaluate, positions
from reorder_solver.core.instance import Access, Instance, Part, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reorder_solver.core.instance import ChannelArray
    from reorder_solver.core.layout import Layout
    from reorder_solver.core.result import Status, StopReason
    from reorder_solver.core.windows import WindowsInstance

#: Per access id the selected channels of each of its parts, sorted.
Selected = dict[str, "tuple[ChannelArray, ...]"]


@dataclass(frozen=True, slots=True)
class Window:
    """Positions ``start .. stop - 1`` of the layouts of an access's parts laid end to end."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class WindowsEvaluation:
    """Facts about a selection under a layout.

    Attributes
    ----------
    importance : int
        Sum of the scores of all selected channels.
    spent : mapping of str to int
        Units used of each budget.
    live : mapping of str to int
        Channels of each tensor that some access selects.
    windows : mapping of str to Window or None
        None for an access that selects channels freely.
    violations : tuple of str
        One line per broken rule; empty if this is a solution.
    """

    importance: int
    spent: Mapping[str, int]
    live: Mapping[str, int]
    windows: Mapping[str, Window | None]
    violations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WindowsResult:
    """A layout and one window per access, with what is known about them.

    Attributes
    ----------
    status : Status
        ``OPTIMAL`` only if `importance` equals the proven `upper_bound`.
    stop_reason : StopReason
    importance : int or None
        Sum of the scores of the selected channels; None without a solution.
    upper_bound : int or None
        No solution retains more; None where no bound is known.
    layout : Layout or None
        Channels that no access selects last.
    selected : mapping of str to tuple of ndarray of int64
        Per access id and part the selected channels, sorted.
    gathered : frozenset of str
        Ids of the accesses that pay for a free selection.
    windows : mapping of str to Window or None
    spent : mapping of str to int
        Units used of each budget.
    backend : str
    seed, threads : int
    time_limit : float or None
    instance_name, instance_sha256 : str
        Which instance was solved (:func:`windows_digest`).
    versions : mapping of str to str
    times : mapping of str to float
        Wall seconds.
    """

    status: Status
    stop_reason: StopReason
    importance: int | None
    upper_bound: int | None
    layout: Layout | None
    selected: Mapping[str, tuple[ChannelArray, ...]] = field(default_factory=dict)
    gathered: frozenset[str] = frozenset()
    windows: Mapping[str, Window | None] = field(default_factory=dict)
    spent: Mapping[str, int] = field(default_factory=dict)
    backend: str = ""
    seed: int = 0
    threads: int = 1
    time_limit: float | None = None
    instance_name: str = ""
    instance_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)

    @property
    def gap(self) -> float | None:
        """``(upper_bound - importance) / upper_bound``; None where either is unknown."""
        if self.importance is None or self.upper_bound is None:
            return None
        if self.upper_bound == 0:
            return 0.0
        return (self.upper_bound - self.importance) / self.upper_bound


def windows_digest(instance: WindowsInstance) -> str:
    """SHA-256 (hex) of the problem: everything but its name and metadata, in order."""
    sha = hashlib.sha256(b"channel-windows/1\n")
    for budget in instance.budgets:
        sha.update(_line("budget", budget.id, budget.limit))
    for tensor in instance.tensors:
        live = tensor.live_limit, tensor.live_cost, tensor.budget
        sha.update(_line("tensor", tensor.id, tensor.channels, tensor.fixed, *live))
    for access in instance.accesses:
        limits = access.cost, access.minimum, access.maximum, access.gather
        sha.update(_line("access", access.id, access.role.value, access.budget, *limits))
        for part in access.parts:
            sha.update(_line("part", part.tensor, int(part.scores.size)))
            sha.update(part.scores.astype("<i8").tobytes())
    return sha.hexdigest()


def _line(*values: object) -> bytes:
    return (json.dumps(values) + "\n").encode()


def selection_instance(
    instance: WindowsInstance,
    selected: Mapping[str, tuple[ChannelArray, ...]],
    gathered: frozenset[str],
) -> Instance:
    """The ordering problem that a selection poses: its accesses must be views unless they pay."""
    return Instance(
        instance.name,
        tuple(Tensor(one.id, one.channels, one.fixed) for one in instance.tensors),
        tuple(
            Access(
                access.id,
                tuple(
                    Part(part.tensor, channels)
                    for part, channels in zip(access.parts, selected[access.id], strict=True)
                ),
                access.role,
                required=access.id not in gathered,
            )
            for access in instance.accesses
        ),
        instance.meta,
    )


def evaluate_windows(
    instance: WindowsInstance,
    layout: Layout,
    selected: Mapping[str, tuple[ChannelArray, ...]],
    gathered: frozenset[str] = frozenset(),
) -> WindowsEvaluation:
    """Importance, budgets and windows of a selection under a layout, and every broken rule.

    Parameters
    ----------
    instance : WindowsInstance
    layout : Layout
        One permutation per tensor; channels that no access selects take up no position.
    selected : mapping of str to tuple of ndarray of int
        Per access id and part the selected channels.
    gathered : frozenset of str
        Ids of the accesses that pay for a free selection.

    Raises
    ------
    LayoutError
        If layout or selection do not belong to the instance.
    """
    if set(selected) != {access.id for access in instance.accesses}:
        raise LayoutError("the selection does not list exactly the instance's accesses")
    for access in instance.accesses:
        if len(selected[access.id]) != len(access.parts):
            raise LayoutError(
                f"has {len(selected[access.id])} selections for {len(access.parts)} parts",
                place=f"access {access.id!r}",
            )
    posed = selection_instance(instance, selected, gathered)
    facts = evaluate(posed, layout, "copies")
    where = positions(posed, layout)
    violations = [f"access {name!r} is no window under this layout" for name in facts.violated]
    spent = {budget.id: 0 for budget in instance.budgets}
    used = posed.used_channels()
    live = {name: int(np.count_nonzero(channels)) for name, channels in used.items()}
    lengths = {name: int(np.count_nonzero(ranks >= 0)) for name, ranks in where.items()}
    importance = 0
    windows: dict[str, Window | None] = {}
    for access in instance.accesses:
        mine = selected[access.id]
        width = sum(channels.size for channels in mine)
        pays = access.id in gathered
        if pays and access.gather is None:
            violations.append(f"access {access.id!r} selects freely, which it may not")
        if width < access.minimum or width > access.most:
            violations.append(
                f"access {access.id!r} has {width} channels, not {access.minimum}..{access.most}"
            )
        importance += sum(
            int(part.scores[channels].sum())
            for part, channels in zip(access.parts, mine, strict=True)
        )
        spent[access.budget] += access.price(width, gathered=pays)
        starts = np.cumsum([0, *(lengths[part.tensor] for part in access.parts)])
        places = [
            start + int(where[part.tensor][channels].min())
            for start, part, channels in zip(starts, access.parts, mine, strict=False)
            if channels.size
        ]
        first = int(min(places, default=0))
        windows[access.id] = None if pays else Window(first, first + width)
    for tensor in instance.tensors:
        if tensor.live_limit is not None and live[tensor.id] > tensor.live_limit:
            violations.append(
                f"tensor {tensor.id!r} has {live[tensor.id]} live channels, "
                f"more than {tensor.live_limit}"
            )
        if tensor.budget is not None:
            spent[tensor.budget] += tensor.live_cost * live[tensor.id]
    for budget in instance.budgets:
        if spent[budget.id] > budget.limit:
            violations.append(f"budget {budget.id!r}: {spent[budget.id]} spent of {budget.limit}")
    return WindowsEvaluation(importance, spent, live, windows, tuple(violations))
