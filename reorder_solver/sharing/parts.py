"""Independent parts of an instance as problems of shared buffers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from formulations.sharing import STAYS, BufferSharing
from reorder_solver.consecutive_ones import consecutive_order
from reorder_solver.core.objectives import price_list
from reorder_solver.presolve import ViewSet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from formulations.sharing import SharedBuffers
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.prices import Objective
    from reorder_solver.presolve import Compiled, Component, Presolved

    IntArray = npt.NDArray[np.int64]
    #: Per tensor that may get buffers, by number: the price of a buffer and of its channels.
    Prices = Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """Accesses that want the same channels and may all leave, or must all stay.

    Attributes
    ----------
    number : int
        Of their access in the component (-1 where there is no component).
    members : tuple of int
        Of the instance's accesses.
    tensor : int or None
        The tensor, by number, that they may leave; None if they stay.
    gather : int
        What they pay together where they are no views.
    row : ndarray of bool
        The classes that they want, of all tensors of the part side by side; none are named where
        they have several parts.
    """

    number: int
    members: tuple[int, ...]
    tensor: int | None
    gather: int
    row: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class LinkedReaders:
    """Readers that some tensors link, as one problem.

    Attributes
    ----------
    readers : tuple of Reader
    problem : BufferSharing
    home_orders : callable
        From the views of the home (numbers of readers), per tensor, by number, an order of its
        placed channels under which they are views.
    """

    readers: tuple[Reader, ...]
    problem: BufferSharing
    home_orders: Callable[[Sequence[int]], Iterable[tuple[int, IntArray]]]

    @property
    def can_share(self) -> bool:
        """Whether two accesses that pay could read one buffer."""
        leaving: dict[int, int] = {}
        for reader in self.readers:
            if reader.tensor is not None:
                leaving[reader.tensor] = leaving.get(reader.tensor, 0) + len(reader.members)
        return max(leaving.values(), default=0) >= 2

    def settled(self, found: SharedBuffers) -> SharedBuffers:
        """The same answer; a home that is written but not read takes the place of a buffer."""
        if found.home or found.gathered or not self.problem.home_price:
            return found
        first, *rest = found.buffers
        return replace(found, home=first.views, gathered=first.gathered, buffers=tuple(rest))

    def groups(self, found: SharedBuffers) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Per buffer its source, by number, and the accesses that move to it."""
        for buffer in found.buffers:
            inside = [self.readers[i] for i in (*buffer.views, *buffer.gathered)]
            tensor = inside[0].tensor
            assert tensor is not None, "only readers that may leave are in buffers"
            yield tensor, tuple(sorted(i for reader in inside for i in reader.members))


def parts_of(
    compiled: Compiled,
    reduced: Presolved,
    prices: Prices,
    written: Prices,
    may_leave: Callable[[int], bool],
) -> list[LinkedReaders]:
    """The parts in which two accesses could share a buffer.

    Parameters
    ----------
    compiled, reduced : Compiled, Presolved
    prices : mapping of int to (int, int)
        Per tensor that may get buffers.
    written : mapping of int to (int, int)
        Those of them that are written, which have no access of several parts.
    may_leave : callable
        Whether the access with this number may read a buffer.
    """
    instance, objective = compiled.instance, compiled.problem.objective
    found: list[LinkedReaders] = []
    for component in reduced.components:
        if written.keys() & set(component.tensors):
            continue
        part = _of_component(instance, objective, component, prices, may_leave)
        if part is not None and part.can_share:
            found.append(part)
    for number, is_fixed in enumerate(compiled.problem.fixed):
        if is_fixed and number in prices:
            part = _of_fixed(compiled, number, prices, may_leave)
            if part.can_share:
                found.append(part)
    for number, (_, each) in written.items():
        part = _of_written(compiled, number, each, may_leave)
        if part.can_share:
            found.append(part)
    return found


def _gather(instance: Instance, objective: Objective, members: Sequence[int]) -> int:
    accesses = [instance.accesses[i] for i in members]
    return sum(
        price_list(each, objective).cheapest(each.size, 2, each.size)[0] for each in accesses
    )


def _of_component(
    instance: Instance,
    objective: Objective,
    component: Component,
    prices: Prices,
    may_leave: Callable[[int], bool],
) -> LinkedReaders | None:
    """Whatever the component's accesses want; None if required ones leave no layout."""
    required = ViewSet(component.problem)
    offsets = np.cumsum([0, *(sizes.size for sizes in component.problem.sizes)])
    readers: list[Reader] = []
    for number, access in enumerate(component.problem.accesses):
        if access.required:
            if not required.add(number):
                return None
            continue
        row = np.zeros(offsets[-1], dtype=np.bool_)
        if len(access.parts) == 1:
            ((tensor, wanted),) = access.parts
            row[wanted + offsets[tensor]] = True
        leaving = [i for i in access.members if may_leave(i)]
        staying = [i for i in access.members if not may_leave(i)]
        for members, leaves in ((leaving, True), (staying, False)):
            gather = _gather(instance, objective, members)
            if gather:
                source = component.tensors[access.parts[0][0]] if leaves else None
                readers.append(Reader(number, tuple(members), source, gather, row))

    def at_home(chosen: tuple[int, ...]) -> bool:
        views = required.copy()
        return all(views.add(number) for number in {readers[i].number for i in chosen})

    def home_orders(chosen: Sequence[int]) -> Iterator[tuple[int, IntArray]]:
        views = required.copy()
        if not all(views.add(readers[i].number) for i in chosen):
            raise RuntimeError("a reader is no view of the home after all")
        for tensor, classes, order in zip(
            component.tensors, component.members, views.orders(), strict=True
        ):
            yield tensor, np.concatenate([classes[each] for each in order])

    sizes = np.concatenate(component.problem.sizes)
    return LinkedReaders(tuple(readers), _problem(readers, sizes, prices, at_home), home_orders)


def _of_fixed(
    compiled: Compiled, tensor: int, prices: Prices, may_leave: Callable[[int], bool]
) -> LinkedReaders:
    """Those that are no view of a fixed tensor."""
    instance, problem = compiled.instance, compiled.problem
    facts = problem.facts(problem.identity())
    equal: dict[bytes, list[int]] = {}
    for number, access in enumerate(problem.accesses):
        if access.parts[0][0] != tensor or not may_leave(number) or facts[number][0] <= 1:
            continue
        if _gather(instance, problem.objective, [number]):
            equal.setdefault(access.parts[0][1].tobytes(), []).append(number)
    rows = _rows(compiled, tensor, equal.values())
    classes, sizes = np.unique(rows, axis=1, return_counts=True)
    readers = [
        Reader(-1, tuple(members), tensor, _gather(instance, problem.objective, members), row)
        for members, row in zip(equal.values(), classes, strict=True)
    ]
    return LinkedReaders(
        tuple(readers), _problem(readers, sizes, prices, lambda chosen: not chosen), lambda _: ()
    )


def _of_written(
    compiled: Compiled, tensor: int, each: int, may_leave: Callable[[int], bool]
) -> LinkedReaders:
    """Everybody who reads or holds a tensor that is written."""
    instance, problem = compiled.instance, compiled.problem
    equal: dict[tuple[bytes, bool], list[int]] = {}
    for number, access in enumerate(problem.accesses):
        if access.parts[0][0] == tensor and access.channels:
            key = access.parts[0][1].tobytes(), may_leave(number)
            equal.setdefault(key, []).append(number)
    rows = _rows(compiled, tensor, equal.values())
    classes, labels, sizes = np.unique(rows, axis=1, return_inverse=True, return_counts=True)
    labels = labels.ravel()
    gathers = [_gather(instance, problem.objective, members) for members in equal.values()]
    # More than everything else together: a required access is a view.
    forbidding = (
        1 + sum(gathers) + each * sizes.size * (1 + len(gathers)) * int(sizes.max(initial=0))
    )
    readers = [
        Reader(
            -1,
            tuple(members),
            tensor if leaves else None,
            forbidding if any(problem.accesses[i].required for i in members) else gather,
            row,
        )
        for ((_, leaves), members), gather, row in zip(equal.items(), gathers, classes, strict=True)
    ]

    def home_orders(chosen: Sequence[int]) -> Iterator[tuple[int, IntArray]]:
        views = [np.flatnonzero(rows[i]) for i in chosen]
        order = consecutive_order(labels.size, views)
        if order is None:
            raise RuntimeError("a reader is no view of the home after all")
        yield tensor, order

    return LinkedReaders(
        tuple(readers), _problem(readers, sizes, {tensor: (0, each)}, None, each), home_orders
    )


def _rows(
    compiled: Compiled, tensor: int, groups: Collection[Sequence[int]]
) -> npt.NDArray[np.bool_]:
    """Per group of equal accesses to one tensor, which of its placed channels they want."""
    problem = compiled.problem
    rows = np.zeros((len(groups), problem.sizes[tensor].size), dtype=np.bool_)
    for row, members in zip(rows, groups, strict=True):
        row[problem.accesses[members[0]].parts[0][1]] = True
    return rows


def _problem(
    readers: Sequence[Reader],
    sizes: IntArray,
    prices: Prices,
    at_home: Callable[[tuple[int, ...]], bool] | None,
    home_price: int = 0,
) -> BufferSharing:
    wanted = [np.flatnonzero(reader.row) for reader in readers]
    sources = sorted({reader.tensor for reader in readers if reader.tensor is not None})

    def compatible(chosen: tuple[int, ...]) -> bool:
        return consecutive_order(sizes.size, [wanted[i] for i in chosen]) is not None

    return BufferSharing(
        wants=np.array([reader.row for reader in readers]).reshape(len(readers), sizes.size),
        sizes=sizes,
        gathers=tuple(reader.gather for reader in readers),
        values=tuple(
            STAYS if reader.tensor is None else sources.index(reader.tensor) for reader in readers
        ),
        prices=tuple(prices[source] for source in sources),
        compatible=compatible,
        at_home=at_home,
        alone=tuple(home_price > 0 or len(reader.members) > 1 for reader in readers),
        home_price=home_price,
    )
