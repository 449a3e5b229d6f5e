"""Iterated local search: perturb, descend, keep or go back (Lourenco, Martin, Stutzle 2003)."""

from __future__ import annotations

from reorder_solver.backends.search.arrays import BEST, KEPT, Arrays
from reorder_solver.backends.search.descent import improve_node, pop, push
from reorder_solver.backends.search.jit import entry, inlined, kernel
from reorder_solver.backends.search.perturb import perturb
from reorder_solver.backends.search.pricing import refresh_masks
from reorder_solver.backends.search.rebuild import rebuild
from reorder_solver.backends.search.spans import settle_spans

#: Work that a perturbation is counted as, on top of the moves it makes.
_KICK_WORK = 20


@entry
def begin(data: Arrays, jolt: int) -> None:
    """Start a search: without `jolt` from the working orders, with every node in the queue.

    Otherwise from the best orders, by so many perturbations at once, kept whatever they cost.
    """
    control = data.control[0]
    if jolt:
        for slot in range(data.order.size):
            data.order[slot] = data.saved[BEST, slot]
    rebuild(data)
    keep(data)
    control.jolt = jolt
    control.stale = 0
    if not jolt:
        control.best = control.value
        control.descending = 1
        for node in range(data.nodes.size):
            tensor = data.nodes[node].tensor
            if data.tensors[tensor].movable and node < data.tensors[tensor + 1].node_start - 1:
                push(data, node)


@entry
def run(data: Arrays, max_kicks: int, max_work: int, pause: bool) -> None:
    """Search on until so many perturbations or so much work are done, or the cost is zero.

    Also stop where patience ends and, with `pause`, whenever a descent ends in better orders.
    """
    control = data.control[0]
    while (
        control.best >= control.unit
        and control.work < max_work
        and control.stale < control.patience
    ):
        if control.waiting > 0:
            node = pop(data)
            if improve_node(data, node):
                push(data, node)
        elif control.descending:
            control.descending = 0
            judge(data)
            if pause and control.better:
                return
        elif control.kicks < max_kicks:
            control.kicks += 1
            control.descending = 1
            # Also where nothing can be moved, so that every search comes to an end.
            control.work += _KICK_WORK
            for _ in range(max(1, control.jolt)):
                perturb(data)
        else:
            return


@inlined
def judge(data: Arrays) -> None:
    """Keep the working orders or go back, after a descent."""
    control = data.control[0]
    control.stale += 1
    if control.value < control.best:
        control.best = control.value
        control.better = 1
        control.stale = 0
        for slot in range(data.order.size):
            data.saved[BEST, slot] = data.order[slot]
    if control.value <= control.kept or control.jolt:
        keep(data)
    else:
        go_back(data)
    control.jolt = 0


@kernel
def keep(data: Arrays) -> None:
    """Make the working orders those to return to."""
    data.control[0].kept = data.control[0].value
    for access in range(data.accesses.size - 1):
        data.accesses[access].kept_runs = data.accesses[access].runs
    for row in range(data.rows.size):
        data.rows[row].kept_first = data.rows[row].first
        data.rows[row].kept_last = data.rows[row].last
    for tensor in range(data.tensors.size - 1):
        record = data.tensors[tensor]
        for slot in range(record.slot_start + record.low, record.slot_start + record.high + 1):
            data.saved[KEPT, slot] = data.order[slot]
        record.low = record.classes + 1
        record.high = 0


@inlined
def go_back(data: Arrays) -> None:
    """Undo everything since the last :func:`keep`."""
    data.control[0].value = data.control[0].kept
    for row in range(data.rows.size):
        data.rows[row].first = data.rows[row].kept_first
        data.rows[row].last = data.rows[row].kept_last
    for tensor in range(data.tensors.size - 1):
        record = data.tensors[tensor]
        for place in range(record.low, record.high + 1):
            node = data.saved[KEPT, record.slot_start + place]
            data.order[record.slot_start + place] = node
            data.nodes[node].place = place
        if data.links.size and record.high > 0:
            settle_spans(data, tensor, record.low, record.high)
        record.low = record.classes + 1
        record.high = 0
    for access in range(data.accesses.size - 1):
        one = data.accesses[access]
        if one.runs != one.kept_runs:
            one.runs = one.kept_runs
            refresh_masks(data, access)
