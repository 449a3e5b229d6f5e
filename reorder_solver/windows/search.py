"""Search: iterated reinsertion of windows into orders of borders.

For given multipliers the best place of one window among the others is found exactly, for all pairs
of places at once (:func:`formulations.window_lines.insertions`). Windows are taken out and put
back one at a time, multipliers follow, and every order of borders that promises something is
realised. Then a few windows go elsewhere at random, and the descent begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from formulations.window_lines import insertions, states
from reorder_solver.windows.borders import Borders, lines_of
from reorder_solver.windows.multipliers import Limits, best_stretch, descend, extra_of
from reorder_solver.windows.realise import realise

if TYPE_CHECKING:
    from collections.abc import Callable

    from formulations.windows import WindowsModel, WindowsSolution
    from reorder_solver.core.limits import Deadline
    from reorder_solver.windows.borders import FloatArray, Line

    Report = Callable[[WindowsSolution], None]

#: Steps of the multipliers for the first order of borders, and after a change.
_FIRST_STEPS, _STEPS = 120, 12
#: Places tried in full, of those that promise most.
_TRIED = 3


@dataclass(slots=True)
class _Place:
    """One way to serve an access, and what its lines bring then."""

    value: float
    span: tuple[int, int]
    ends: tuple[tuple[int, int, int], ...] = ()
    pays: bool = False


@dataclass(slots=True)
class Search:
    """The state of a search on one model.

    Parameters
    ----------
    model : WindowsModel
    seed : int
    upper_bound : int, optional
        Where it is reached the search ends.
    """

    model: WindowsModel
    seed: int = 0
    upper_bound: int | None = None
    best: WindowsSolution | None = None
    _limits: Limits = field(init=False)
    _lines: list[Line | None] = field(init=False)
    _rng: np.random.Generator = field(init=False)
    _borders: Borders = field(init=False)
    _theta: FloatArray = field(init=False)
    _rows: list[list[tuple[int, int]]] = field(init=False)

    def __post_init__(self) -> None:
        self._limits = Limits(self.model)
        self._lines = lines_of(self.model)
        self._rng = np.random.default_rng(self.seed)
        self._rows = [[] for _ in self.model.accesses]
        for access, one in enumerate(self.model.accesses):
            for part, (tensor, _) in enumerate(one.parts):
                line = self._lines[tensor]
                row = -1
                if line is not None:
                    row = int(np.flatnonzero((line.accesses == access) & (line.parts == part))[0])
                self._rows[access].append((tensor, row))

    def run(self, deadline: Deadline, kicks: int | None, report: Report) -> None:
        """Search until the deadline, or until so many kicks in a row found nothing better."""
        self._theta = self._first_multipliers()
        self._borders = Borders.empty(self.model)
        for access in self._by_weight():
            self._put(self._borders, access, self._places(self._borders, access, self._theta)[0])
            if deadline.expired and self.best is not None:
                return
        value = self._try(self._borders, _FIRST_STEPS, report)
        value = self._settle(value, list(self._by_weight()), deadline, report)
        failures = 0
        while not deadline.expired and not self._is_done():
            if kicks is not None and failures >= kicks:
                return
            kept, kept_theta = self._borders.copy(), self._theta
            moved = self._kick()
            new = self._try(self._borders, 2 * _STEPS, report)
            new = self._settle(new, moved, deadline, report)
            if new > value:
                value, failures = new, 0
            else:
                failures += 1
                if new < value:
                    self._borders, self._theta = kept, kept_theta

    def _is_done(self) -> bool:
        if self.best is None or self.best.value is None:
            return False
        if self.upper_bound is not None and self.best.value >= self.upper_bound:
            return True
        # One window of one tensor has no other place to go.
        return len(self.model.accesses) < 2

    def _by_weight(self) -> list[int]:
        weights = [sum(int(s.sum()) for _, s in one.parts) for one in self.model.accesses]
        return sorted(range(len(weights)), key=lambda access: (-weights[access], access))

    def _first_multipliers(self) -> FloatArray:
        """Prices at which free selections would just use up the budgets."""
        model, limits = self.model, self._limits
        theta = np.zeros(limits.bounds.size)
        for budget, limit in enumerate(model.limits):
            members = [one for one in model.accesses if one.budget == budget and one.cost]
            if not members:
                continue
            rates = np.concatenate([s / one.cost for one in members for _, s in one.parts])
            costs = np.concatenate(
                [np.full(s.size, float(one.cost)) for one in members for _, s in one.parts]
            )
            order = np.argsort(-rates, kind="stable")
            fits = int(np.searchsorted(np.cumsum(costs[order]), limit, side="right"))
            if fits < order.size:
                theta[budget] = rates[order[fits]] * limits.scale[budget]
        return theta

    def _try(self, borders: Borders, steps: int, report: Report) -> int:
        """Fit the multipliers to the borders and realise them; the importance, -1 for none."""
        known = -1 if self.best is None or self.best.value is None else self.best.value
        target = float(known) if known >= 0 else -np.inf
        if target < 0:
            first = descend(self._limits, self._lines, borders, self._theta, 0, 0.0)[1]
            target = 0.9 * first.value
        self._theta, choice = descend(
            self._limits, self._lines, borders, self._theta, steps, target
        )
        found = realise(self._limits, self._lines, borders, choice, self._theta, self._rng)
        if found is None or found.value is None:
            return -1
        if found.value > known:
            self.best = found
            report(found)
        return found.value

    def _settle(self, value: int, todo: list[int], deadline: Deadline, report: Report) -> int:
        """Reinsert accesses until none of them has a better place."""
        waiting = list(self._rng.permutation(todo)) if todo else []
        changed = False
        while waiting:
            access = int(waiting.pop())
            if deadline.expired or self._is_done():
                break
            better = self._reinsert(access, value, report)
            if better > value:
                value, changed = better, True
            if not waiting and changed:
                waiting, changed = list(self._rng.permutation(len(self.model.accesses))), False
        return value

    def _reinsert(self, access: int, value: int, report: Report) -> int:
        """Take a window out and put it where the importance grows, if there is such a place."""
        kept, kept_theta = self._borders, self._theta
        bare = self._taken_out(kept, access)
        for place in self._places(bare, access, kept_theta)[:_TRIED]:
            trial = bare.copy()
            self._put(trial, access, place)
            if trial == kept:
                continue
            self._theta = kept_theta
            new = self._try(trial, _STEPS, report)
            if new > value:
                self._borders = trial
                return new
        self._borders, self._theta = kept, kept_theta
        return value

    def _kick(self) -> list[int]:
        """Put a few accesses elsewhere; which."""
        count = len(self.model.accesses)
        moved = self._rng.choice(
            count, size=min(count, int(self._rng.integers(2, 5))), replace=False
        )
        borders = self._borders.copy()
        for access in moved.tolist():
            borders = self._taken_out(borders, access)
        for access in moved.tolist():
            places = self._places(borders, access, self._theta)
            # Good places are likelier, none is excluded.
            rank = min(len(places) - 1, int(self._rng.exponential(3.0)))
            self._put(borders, access, places[rank])
        self._borders = borders
        return [int(access) for access in moved]

    def _taken_out(self, borders: Borders, access: int) -> Borders:
        bare = borders.copy()
        for tensor, row in self._rows[access]:
            if row >= 0:
                bare.sequences[tensor] = bare.sequences[tensor].without(row)
        bare.pays[access] = False
        bare.spans[access] = (0, -1)
        return bare

    def _put(self, borders: Borders, access: int, place: _Place) -> None:
        borders.spans[access] = place.span
        borders.pays[access] = place.pays
        for part, begin, end in place.ends:
            tensor, row = self._rows[access][part]
            borders.sequences[tensor].place(row, begin, end)

    def _places(self, borders: Borders, access: int, theta: FloatArray) -> list[_Place]:
        """Where the window of an access may go, the most promising first.

        `borders` is without that access.
        """
        window, gather, live = self._limits.prices(theta)
        one = self.model.accesses[access]
        tables: list[FloatArray | None] = []
        places: list[_Place] = []
        idle: list[float] = []
        for part, (tensor, row) in enumerate(self._rows[access]):
            line = self._lines[tensor]
            if line is None:
                tables.append(None)
                idle.append(0.0)
                gain = best_stretch(one.parts[part][1] - window[access])[2]
                places.append(_Place(gain, (part, part)))
                continue
            extra, _ = extra_of(line, borders.pays, gather, live[tensor])
            net = line.scores - window[line.accesses][:, None]
            arrays = borders.sequences[tensor].arrays(line.accesses.size)
            table = states(net, *arrays, extra)
            tables.append(insertions(table, net[row]))
            idle.append(float(np.maximum(table.max(axis=0), 0).sum()))
        for part, table in enumerate(tables):
            if table is not None:
                places += _inside(part, table, idle[part])
        places += _across(tables, idle)
        if one.gather is not None:
            places.append(self._paid(borders, access, theta))
        return sorted(places, key=lambda place: -place.value)

    def _paid(self, borders: Borders, access: int, theta: FloatArray) -> _Place:
        """What a free selection brings, at most."""
        _, gather, _ = self._limits.prices(theta)
        gains = [
            np.maximum(scores - gather[access], 0).sum()
            for _, scores in self.model.accesses[access].parts
        ]
        value = float(sum(gains)) - self._limits.fee(theta, access)
        return _Place(value, (0, len(gains) - 1), pays=True)


def _inside(part: int, table: FloatArray, idle: float) -> list[_Place]:
    """The best places of a window that lies on one line, one per place of its beginning."""
    segments = table.shape[0] - 1
    inner = table[:segments, :segments]
    ends = np.argmax(np.where(np.triu(np.ones_like(inner)) > 0, inner, -np.inf), axis=1)
    return [
        _Place(float(inner[begin, end]) - idle, (part, part), ((part, begin, int(end)),))
        for begin, end in enumerate(ends)
    ]


def _across(tables: list[FloatArray | None], idle: list[float]) -> list[_Place]:
    """The best window from each part to each later one: it has all that lies between."""
    places: list[_Place] = []
    for first in range(len(tables)):
        start = tables[first]
        if start is None:
            continue
        last_column = start.shape[0] - 1
        begin = int(np.argmax(start[:last_column, last_column]))
        value = float(start[begin, last_column]) - idle[first]
        ends = [(first, begin, last_column)]
        for last in range(first + 1, len(tables)):
            stop = tables[last]
            if stop is None:
                break
            columns = stop.shape[0] - 1
            end = int(np.argmax(stop[columns, :columns]))
            here = float(stop[columns, end]) - idle[last]
            places.append(_Place(value + here, (first, last), (*ends, (last, -1, end))))
            value += float(stop[columns, columns]) - idle[last]
            ends.append((last, -1, columns))
    return places
