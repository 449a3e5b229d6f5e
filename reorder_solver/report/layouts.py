"""The layouts that the explorer shows, packed small, and a check of every one of them.

An instance is kept once: which channels each access wants, as the gaps between them. A layout is
kept as its permutations, so that a page can hold many; the page works out positions and runs by
itself. Both are sequences of integers in 7-bit groups (least first, the high bit says that more
follow), deflated without header, in base64.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import InputError
from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.layout import Layout
from reorder_solver.report.words import count, size, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reorder_solver.bench.record import Record
    from reorder_solver.bench.store import Store
    from reorder_solver.core.evaluate import Evaluation
    from reorder_solver.core.instance import Instance
    from reorder_solver.report.contest import Contest, Problem

IntArray = npt.NDArray[np.int64]
#: Bytes of text that the layouts of a page may take.
BUDGET = 6_000_000
#: Most cells (accesses times positions) of an instance that a browser is asked to draw.
MOST_CELLS = 1 << 25


@dataclass(slots=True)
class Explorer:
    """What the explorer gets.

    Attributes
    ----------
    instances : list of dict
        Fit for JSON; see :func:`packed_instance`.
    left_out : list of str
        A line per instance that is not among them, and why.
    wrong : list of str
        A line per stored layout that does not cost what its run claims.
    """

    instances: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def explore(
    store: Store,
    instances: Mapping[str, Instance | InputError],
    contests: Sequence[Contest],
    budget: int = BUDGET,
) -> Explorer:
    """The instances and layouts of a store for the explorer, the smallest first until it is full.

    Of each solver's seeds the best layout is taken. Every layout taken is evaluated anew, and one
    that disagrees with its run is reported and not shown.

    Parameters
    ----------
    store : Store
    instances : mapping of str to Instance or InputError
        By digest, or why there is none.
    contests : sequence of Contest
    budget : int
        Bytes.
    """
    found = Explorer()
    problems = {problem.digest: problem for each in contests for problem in each.problems}
    ready: list[tuple[int, Problem, dict[str, Any]]] = []
    for problem in problems.values():
        best = [found_by for each in contests for found_by in _best_runs(each, problem)]
        if not best:
            found.left_out.append(f"{problem.name}: no run found a layout")
            continue
        instance = instances[problem.digest]
        if isinstance(instance, InputError):
            found.left_out.append(f"{problem.name}: {instance.rule}")
            continue
        packed = _packed_problem(store, instance, problem, best, found)
        if packed is not None:
            ready.append((len(json.dumps(packed)), problem, packed))
    places = {digest: place for place, digest in enumerate(problems)}
    taken: list[tuple[int, dict[str, Any]]] = []
    for length, problem, packed in sorted(
        ready, key=lambda each: (each[0], places[each[1].digest])
    ):
        if length > budget:
            found.left_out.append(f"{problem.name}: its layouts take {size(length)}, no room left")
            continue
        budget -= length
        taken.append((places[problem.digest], packed))
    found.instances = [packed for _, packed in sorted(taken, key=lambda each: each[0])]
    return found


def _best_runs(contest: Contest, problem: Problem) -> Iterable[tuple[str, Record]]:
    """Per solver its name and its best run, the first of equals."""
    for solver in contest.solvers:
        runs = contest.cells.get((problem.digest, solver), ())
        solved = [run for run in runs if run.cost is not None]
        if solved:
            best = min(solved, key=lambda run: (run.cost or 0, run.configuration.seed))
            yield contest.names[solver], best


def _packed_problem(
    store: Store,
    instance: Instance,
    problem: Problem,
    runs: Iterable[tuple[str, Record]],
    found: Explorer,
) -> dict[str, Any] | None:
    """One instance with its layouts; None with a line in `found` if it cannot be shown."""
    widths = {tensor.id: tensor.channels for tensor in instance.tensors}
    cells = sum(widths[part.tensor] for access in instance.accesses for part in access.parts)
    if cells > MOST_CELLS:
        found.left_out.append(
            f"{problem.name}: {count(cells, 'cell')}, more than a browser can draw"
        )
        return None
    layouts: list[dict[str, Any]] = []
    for name, run in runs:
        stored = store.layout(run.key)
        if stored is not None:
            packed = _packed_run(instance, run, stored, name, found)
            layouts += [packed] if packed is not None else []
    if not layouts:
        found.left_out.append(f"{problem.name}: no layout is stored")
        return None
    return packed_instance(instance, problem.name, problem.family, layouts)


def _packed_run(
    instance: Instance,
    run: Record,
    stored: dict[str, list[int]],
    name: str,
    found: Explorer,
) -> dict[str, Any] | None:
    who = f"{run.name}: the layout of {name} (seed {run.configuration.seed})"
    try:
        layout = Layout(stored)
        facts = evaluate(instance, layout, run.configuration.objective)
    except InputError as error:
        found.wrong.append(f"{who} is none: {error}")
        return None
    if facts.total != run.cost:
        claimed = "none" if run.cost is None else f"{run.cost:,}"
        actual = "no solution" if facts.total is None else f"{facts.total:,}"
        found.wrong.append(f"{who} is claimed to cost {claimed}, but costs {actual}")
        return None
    return {
        "solver": visible(name),
        "seed": run.configuration.seed,
        "status": run.status or "",
        "bound": run.lower_bound,
        "order": packed(_steps([layout[tensor.id] for tensor in instance.tensors])),
        **_facts(instance, facts),
    }


def packed_instance(
    instance: Instance, name: str, family: str, layouts: list[dict[str, Any]]
) -> dict[str, Any]:
    """An instance as the explorer takes it: names, wanted channels, layouts.

    Strings are made visible, never cut or changed otherwise; whoever puts them into a page
    escapes them.
    """
    numbers = {tensor.id: number for number, tensor in enumerate(instance.tensors)}
    identity = Layout.identity(instance)
    objectives = dict.fromkeys(each["objective"] for each in layouts)
    return {
        "name": visible(name),
        "family": visible(family),
        "tensors": [
            {"id": visible(each.id), "channels": each.channels, "fixed": each.fixed}
            for each in instance.tensors
        ],
        "accesses": [
            {
                "id": visible(access.id),
                "role": access.role.value,
                "required": access.required,
                "parts": [numbers[part.tensor] for part in access.parts],
            }
            for access in instance.accesses
        ],
        "wanted": packed(
            _gaps([part.channels for access in instance.accesses for part in access.parts])
        ),
        "before": [_facts(instance, evaluate(instance, identity, each)) for each in objectives],
        "layouts": layouts,
    }


def _facts(instance: Instance, evaluation: Evaluation) -> dict[str, Any]:
    facts = [evaluation.accesses[access.id] for access in instance.accesses]
    return {
        "objective": evaluation.objective.value,
        "cost": evaluation.total,
        "modes": [None if each.mode is None else each.mode.value for each in facts],
        "costs": [each.cost for each in facts],
    }


def _gaps(sets: Sequence[IntArray]) -> IntArray:
    """Per set its size, then how many channels lie between each and the one before."""
    pieces: list[IntArray] = []
    for channels in sets:
        pieces += [np.array([channels.size]), np.diff(channels, prepend=-1) - 1]
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def _steps(orders: Sequence[IntArray]) -> IntArray:
    """Per order how far each channel is from the successor of the one before; signs last."""
    pieces = [np.diff(order, prepend=-1) - 1 for order in orders]
    steps = np.concatenate(pieces) if pieces else np.empty(0, np.int64)
    return np.where(steps < 0, -2 * steps - 1, 2 * steps)


def packed(numbers: IntArray) -> str:
    """Non-negative integers below 2**28 as deflated 7-bit groups in base64."""
    groups = np.stack([(numbers >> (7 * each)) & 127 for each in range(4)], axis=1)
    lengths = 1 + np.sum([(numbers >> (7 * each)) > 0 for each in (1, 2, 3)], axis=0)
    used = np.arange(4) < lengths[:, None]
    more = np.arange(4) < lengths[:, None] - 1
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = (groups | (more << 7)).astype(np.uint8)[used].tobytes()
    return base64.b64encode(squeezer.compress(raw) + squeezer.flush()).decode("ascii")
