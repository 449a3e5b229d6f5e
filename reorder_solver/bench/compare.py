"""Whether two stores hold the same results, up to times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reorder_solver.bench.record import Outcome
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from reorder_solver.bench.record import Record
    from reorder_solver.bench.store import Store

#: What the clock does not touch.
_FIELDS = (
    "name",
    "family",
    "source",
    "sizes",
    "outcome",
    "status",
    "stop_reason",
    "cost",
    "lower_bound",
    "tie_break",
    "views",
    "runs",
)
_CLOCK = (StopReason.TIME_LIMIT.value, StopReason.INTERRUPTED.value)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which two records of one key differ."""

    key: str
    label: str
    field: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two stores have in common.

    Attributes
    ----------
    only_first, only_second : tuple of str
        Keys that the other store lacks.
    same : int
        Runs that agree in everything but times, layouts included.
    cut_same, cut_differ : int
        Runs that a wall-clock limit ended in at least one store: those cannot be promised to
        agree, and are counted by whether they do.
    differences : tuple of Difference
        Among runs that no clock ended.
    """

    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    same: int
    cut_same: int
    cut_differ: int
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether both hold the same runs, with the same results wherever no clock ended one."""
        return not (self.only_first or self.only_second or self.differences)


def compare_stores(first: Store, second: Store) -> Comparison:
    """Compare keys, outcomes, statuses, costs, bounds and layouts; not times, traces or machines.

    Takes memory for the records of both stores; layouts are read one pair at a time.
    """
    one = {record.key: record for record in first.records()}
    two = {record.key: record for record in second.records()}
    same = cut_same = cut_differ = 0
    differences: list[Difference] = []
    for key, record in one.items():
        if key not in two:
            continue
        found = _differences(record, two[key], first, second)
        if _cut(record) or _cut(two[key]):
            cut_same += not found
            cut_differ += bool(found)
        elif found:
            differences += found
        else:
            same += 1
    return Comparison(
        tuple(key for key in one if key not in two),
        tuple(key for key in two if key not in one),
        same,
        cut_same,
        cut_differ,
        tuple(differences),
    )


def _cut(record: Record) -> bool:
    return record.outcome is Outcome.TIMEOUT or record.stop_reason in _CLOCK


def _differences(one: Record, two: Record, first: Store, second: Store) -> list[Difference]:
    key = one.key
    label = f"{one.name} {one.configuration.objective} {one.configuration.backend}"
    label += f" seed {one.configuration.seed}"
    found = [
        Difference(key, label, name, getattr(one, name), getattr(two, name))
        for name in _FIELDS
        if getattr(one, name) != getattr(two, name)
    ]
    if not found and first.layout(key) != second.layout(key):
        found.append(Difference(key, label, "layout", None, None))
    return found
