"""Plan shared buffers, and rewrite the instance.

A reader that cannot be a view of its tensor is copied. Several can share one copy: a *buffer* holds
the channels that they want, in an order of its own, in which each of them reads one slice. The
buffer is a new tensor of the rewritten instance; a *fill* copies its channels from the source.

A fill has three parts: one channel of the source, nothing of the source, the other channels of the
source. Between the first and the last lies the whole tensor once more, so no layout makes a fill a
view: it always costs what a gather of its channels costs, in every evaluation and every proof. (As
an access of one part it would be free where its channels happen to be consecutive at the source;
but they are needed in another order.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from formulations import sharing
from reorder_solver.consecutive_ones import consecutive_order
from reorder_solver.core.errors import InputError, shown
from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.instance import MAX_ID_LENGTH, Access, Instance, Part, Role, Tensor
from reorder_solver.core.layout import Layout
from reorder_solver.core.limits import Deadline
from reorder_solver.core.prices import Mode, Objective, as_integer
from reorder_solver.presolve import compile_problem, presolve
from reorder_solver.sharing.parts import parts_of
from reorder_solver.sharing.plan import SharedBuffer, SharingPlan, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import numpy.typing as npt

    from formulations.sharing import SharedBuffers
    from reorder_solver.presolve import Compiled
    from reorder_solver.sharing.parts import LinkedReaders

#: Objectives for which sharing is planned: under them, what is no view is gathered.
OBJECTIVES = (Objective.BYTES, Objective.COPIES)


def share_buffers(
    instance: Instance,
    sources: Mapping[str, Source | int] | None = None,
    stays: Collection[str] = (),
    objective: str | Objective = Objective.BYTES,
    time_limit: float | None = 5.0,
    seed: int = 0,
    threads: int = 1,
    warm_start: Layout | None = None,
) -> SharingPlan:
    """Plan which readers share copied buffers, and rewrite the instance accordingly.

    Parameters
    ----------
    instance : Instance
    sources : mapping of str to Source or int, optional
        The tensors that may get buffers, with the bytes that a channel costs to copy. By default
        every tensor, at the most bytes that a reader who may leave pays for a channel.
    stays : collection of str
        Ids of accesses that must stay where they are. So do all that write, pass on, have several
        parts or are required.
    objective : {"bytes", "copies"}
        What the plan minimises.
    time_limit : float or None
        Wall seconds from this call; None for no limit.
    seed, threads : int
        The same seed and one thread give the same plan if no limit was reached.
    warm_start : Layout, optional
        Of `instance`: the layout of the plan costs at most what this one costs.

    Returns
    -------
    SharingPlan
        If it is proven, the optimum of its instance is at most that of the original one. Where
        sources are written, the instance also pays for what is written, the original does not.

    Raises
    ------
    InputError
        If an id is unknown, a price is none, or the objective is not one of the two.
    LayoutError
        If the warm start does not belong to the instance.

    Notes
    -----
    Equal accesses count as one reader, channels wanted by the same accesses as one class. Two
    accesses that want the same may share a buffer of nothing else; one alone never gets any,
    since that is what a gather does.
    """
    deadline = Deadline(time_limit)
    objective = _checked_objective(objective)
    seed, threads = as_integer(seed, "seed"), as_integer(threads, "threads", minimum=1)
    staying = _checked_stays(instance, stays)
    known = _checked_sources(instance, sources, staying)
    compiled = compile_problem(instance, objective)
    numbers = {tensor.id: number for number, tensor in enumerate(instance.tensors)}
    prices: dict[int, tuple[int, int]] = {}
    written: dict[int, tuple[int, int]] = {}
    for key, source in known.items():
        if source.is_written:
            _check_written(instance, key, source, objective)
        kind = written if source.is_written else prices
        kind[numbers[key]] = (0, source.bytes) if objective is Objective.BYTES else (1, 0)

    def may_leave(number: int) -> bool:
        access = instance.accesses[number]
        return _is_mobile(access, staying) and access.parts[0].tensor in known

    parts = parts_of(compiled, presolve(compiled.problem), prices, written, may_leave)
    orders, views = _started(compiled, warm_start)
    groups: list[tuple[int, tuple[int, ...]]] = []
    answers = _solved(parts, views, deadline, seed, threads)
    for part, answer in zip(parts, answers, strict=True):
        found = part.settled(answer)
        if found.buffers or warm_start is None:
            groups += part.groups(found)
            for tensor, order in part.home_orders(found.home):
                orders[tensor] = order
    is_proven = all(answer.is_optimal for answer in answers)
    buffers = _named(instance, groups)
    layout = dict(compiled.layout(tuple(orders)))
    for buffer in buffers:
        layout[buffer.tensor] = _buffer_order(instance, buffer)
    rewritten = _rewritten(instance, buffers, known)
    return SharingPlan(instance, rewritten, buffers, Layout(layout), objective, is_proven)


def _solved(
    parts: Sequence[LinkedReaders],
    views: frozenset[int],
    deadline: Deadline,
    seed: int,
    threads: int,
) -> list[SharedBuffers]:
    """An answer per part; one that ran out of its share of the time may use what is left."""
    answers: dict[int, SharedBuffers] = {}
    pending = list(range(len(parts)))
    for _ in range(2):
        for place, number in enumerate(pending):
            part = parts[number]
            left = deadline.share(max(0.2, 1 / (len(pending) - place))).remaining
            answer = sharing.solve(
                part.problem,
                time_limit=None if np.isinf(left) else left,
                seed=seed,
                threads=threads,
                start=[i for i, each in enumerate(part.readers) if views.issuperset(each.members)],
            )
            known = answers.get(number)
            if known is None or answer.is_optimal or answer.cost < known.cost:
                answers[number] = answer
        pending = [number for number in pending if not answers[number].is_finished]
        if deadline.expired:
            break
    return [answers[number] for number in range(len(parts))]


def _checked_objective(objective: str | Objective) -> Objective:
    found = Objective.parse(objective)
    if found not in OBJECTIVES:
        names = " or ".join(each.value for each in OBJECTIVES)
        raise InputError(f"buffers are planned under {names}, not under {found.value}")
    return found


def _checked_stays(instance: Instance, stays: Collection[str]) -> frozenset[str]:
    known = {access.id for access in instance.accesses}
    for name in stays:
        if name not in known:
            raise InputError(f"unknown access {shown(name)}", place="stays")
    return frozenset(stays)


def _is_mobile(access: Access, staying: frozenset[str]) -> bool:
    return (
        access.role is Role.READ
        and len(access.parts) == 1
        and not access.required
        and access.id not in staying
    )


def _checked_sources(
    instance: Instance, sources: Mapping[str, Source | int] | None, staying: frozenset[str]
) -> dict[str, Source]:
    if sources is None:
        most: dict[str, int] = {}
        for access in instance.accesses:
            if _is_mobile(access, staying):
                tensor = access.parts[0].tensor
                most[tensor] = max(access.bytes, most.get(tensor, 0))
        return {tensor: Source(each) for tensor, each in most.items()}
    known = {tensor.id for tensor in instance.tensors}
    for name in sources:
        if name not in known:
            raise InputError(f"unknown tensor {shown(name)}", place="sources")
    return {
        name: given if isinstance(given, Source) else Source(given)
        for name, given in sources.items()
    }


def _check_written(instance: Instance, key: str, source: Source, objective: Objective) -> None:
    """Raise unless a tensor can be written in pieces."""
    place = f"tensor {key!r}"
    if instance.tensor(key).fixed:
        raise InputError("a fixed tensor cannot be written as several buffers", place=place)
    if objective is not Objective.BYTES or not source.bytes:
        raise InputError("what is written needs bytes, and the objective bytes", place=place)
    for access in instance.accesses:
        if len(access.parts) > 1 and any(part.tensor == key for part in access.parts):
            rule = f"is written, but access {access.id!r} reads it as one of several parts"
            raise InputError(rule, place=place)


def _started(
    compiled: Compiled, warm_start: Layout | None
) -> tuple[list[npt.NDArray[np.int64]], frozenset[int]]:
    """Orders to begin with, and the accesses that are views under them."""
    if warm_start is None:
        return list(compiled.problem.identity()), frozenset()
    instance = compiled.instance
    found = evaluate(instance, warm_start, compiled.problem.objective)
    views = [
        number
        for number, access in enumerate(instance.accesses)
        if found.accesses[access.id].mode is Mode.VIEW
    ]
    return list(compiled.orders(warm_start)), frozenset(() if found.violated else views)


def _named(
    instance: Instance, groups: Iterable[tuple[int, tuple[int, ...]]]
) -> tuple[SharedBuffer, ...]:
    """The buffers, with ids that nothing else has."""
    tensors = {tensor.id for tensor in instance.tensors}
    accesses = {access.id for access in instance.accesses}
    found: list[SharedBuffer] = []
    for tensor, members in sorted(groups):
        source = instance.tensors[tensor].id
        readers = [instance.accesses[i] for i in members]
        name = _unused(tensors, source, lambda number: f"/buffer{number}")
        fill = _unused(accesses, name, _fill_ending)
        channels = np.unique(np.concatenate([reader.parts[0].channels for reader in readers]))
        found.append(
            SharedBuffer(name, source, fill, channels, tuple(reader.id for reader in readers))
        )
    return tuple(found)


def _fill_ending(number: int) -> str:
    return "/fill" if number == 1 else f"/fill{number}"


def _unused(taken: set[str], stem: str, ending: Callable[[int], str]) -> str:
    number = 1
    while (name := stem[: MAX_ID_LENGTH - len(ending(number))] + ending(number)) in taken:
        number += 1
    taken.add(name)
    return name


def _moved(access: Access, buffer: SharedBuffer) -> Access:
    places = np.searchsorted(buffer.channels, access.parts[0].channels)
    return replace(access, parts=(Part(buffer.tensor, places),))


def _buffer_order(instance: Instance, buffer: SharedBuffer) -> npt.NDArray[np.int64]:
    readers = {access.id: access for access in instance.accesses}
    rows = [_moved(readers[key], buffer).parts[0].channels for key in buffer.readers]
    order = consecutive_order(buffer.channels.size, rows)
    if order is None:
        raise RuntimeError(f"the readers of {buffer.tensor} do not fit after all")
    return order


def _rewritten(
    instance: Instance, buffers: Sequence[SharedBuffer], sources: Mapping[str, Source]
) -> Instance:
    homes = {key: buffer for buffer in buffers for key in buffer.readers}
    accesses: list[Access] = []
    filled: set[str] = set()
    for access in instance.accesses:
        buffer = homes.get(access.id)
        if buffer is None:
            accesses.append(access)
            continue
        if buffer.tensor not in filled:
            filled.add(buffer.tensor)
            accesses += _fill(buffer, sources[buffer.source])
        accesses.append(_moved(access, buffer))
    accesses += _written_homes(accesses, sources)
    if len(accesses) == len(instance.accesses) and not buffers:
        return instance
    tensors = [Tensor(buffer.tensor, buffer.channels.size) for buffer in buffers]
    return instance.replace(tensors=(*instance.tensors, *tensors), accesses=tuple(accesses))


def _fill(buffer: SharedBuffer, source: Source) -> list[Access]:
    if source.is_written:
        return _never_a_view(
            buffer.fill, buffer.tensor, np.arange(buffer.channels.size), source, Role.WRITE
        )
    return _never_a_view(buffer.fill, buffer.source, buffer.channels, source, Role.READ)


def _written_homes(accesses: Sequence[Access], sources: Mapping[str, Source]) -> list[Access]:
    """What is stored in written tensors themselves."""
    taken = {access.id for access in accesses}
    found: list[Access] = []
    for key, source in sources.items():
        stored = [access.parts[0].channels for access in accesses if access.parts[0].tensor == key]
        if source.is_written and stored:
            name = _unused(taken, key, _fill_ending)
            channels = np.unique(np.concatenate(stored))
            found += _never_a_view(name, key, channels, source, Role.WRITE)
    return found


def _never_a_view(
    name: str, tensor: str, channels: npt.NDArray[np.int64], source: Source, role: Role
) -> list[Access]:
    """An access that pays for so many channels in every layout; its runs count for nothing.

    One channel alone cannot be made to pay, and is let off.
    """
    if channels.size < 2:
        return []
    parts = (Part(tensor, channels[:1]), Part(tensor, channels[:0]), Part(tensor, channels[1:]))
    return [Access(name, parts, role, bytes=source.bytes, weight=0, prices=source.prices)]
