"""Zero-copy pruning, exactly: an order of the channels and one window per access, in CP-SAT.

Every channel has a position, an integer variable; a binary variable per access and channel says
that the channel is selected. A selected channel lies between the first and the last position of
the access's window, and the window is as wide as channels are selected. As positions differ, the
selected channels then fill the window: they are contiguous. Where an access crosses from one
tensor into the next, its window is measured over the live channels of both, laid end to end.

See Also
--------
formulations.windows_bound : bounds for instances of any size.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from formulations.engines import import_cp_model
from formulations.interruptible import solve_interruptibly

if TYPE_CHECKING:
    from collections.abc import Sequence

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

__all__ = ["WindowsAccess", "WindowsModel", "WindowsSolution", "solve_cpsat"]


@dataclass(frozen=True, slots=True)
class WindowsAccess:
    """One access: what channels are worth to it, and what it may have.

    Attributes
    ----------
    parts : tuple of (int, ndarray of int64)
        Index of a tensor and the scores of its channels, at least 0; no tensor twice.
    budget : int
        Index of the budget that is charged.
    cost : int
        Units of the budget per selected channel.
    minimum, maximum : int
        How many channels it must and may select.
    gather : tuple of (int, int) or None
        Units, fixed and per channel, for which it may select any channels.
    """

    parts: tuple[tuple[int, IntArray], ...]
    budget: int
    cost: int = 1
    minimum: int = 0
    maximum: int = 1 << 40
    gather: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class WindowsModel:
    """The problem over plain integers.

    Attributes
    ----------
    channels : tuple of int
        Channels of each tensor.
    fixed : tuple of bool
        Whether the tensor's order and channels must stay.
    live_limits : tuple of int
        Most channels of each tensor that accesses may select.
    live_charges : tuple of ((int, int) or None)
        Budget charged for each selected channel of the tensor, and the units.
    accesses : tuple of WindowsAccess
    limits : tuple of int
        Units of each budget.
    """

    channels: tuple[int, ...]
    fixed: tuple[bool, ...]
    live_limits: tuple[int, ...]
    live_charges: tuple[tuple[int, int] | None, ...]
    accesses: tuple[WindowsAccess, ...]
    limits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WindowsSolution:
    """What is known when a search ends.

    Attributes
    ----------
    value : int or None
        Importance of the selection; None without one.
    upper_bound : int or None
        No selection has more; None where it is proven that there is none.
    orders : tuple of ndarray of int64
        A permutation per tensor, selected channels first where the tensor is not fixed.
    selected : tuple of tuple of ndarray of int64
        Per access and part the selected channels, ascending.
    gathered : tuple of bool
        Which accesses select freely.
    """

    value: int | None
    upper_bound: int | None
    orders: tuple[IntArray, ...] = ()
    selected: tuple[tuple[IntArray, ...], ...] = ()
    gathered: tuple[bool, ...] = ()

    @property
    def is_optimal(self) -> bool:
        """Whether the value is proven to be the best."""
        return self.value is not None and self.value == self.upper_bound


def solve_cpsat(
    model: WindowsModel,
    *,
    start: WindowsSolution | None = None,
    upper_bound: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    threads: int = 1,
) -> WindowsSolution:
    """Choose order and windows with CP-SAT.

    Parameters
    ----------
    model : WindowsModel
    start : WindowsSolution, optional
        A feasible solution from which the search starts.
    upper_bound : int, optional
        A known bound, which the search may use.
    time_limit : float, optional
        Wall-clock seconds, from the call on.
    seed : int
        With one thread and no time limit reached, the same seed gives the same answer.
    threads : int
        Search workers.

    Returns
    -------
    WindowsSolution
        The optimum, or the best selection and bound by then.

    Raises
    ------
    ValueError
        If `threads` is not positive.
    ImportError
        If OR-Tools is not installed.

    Notes
    -----
    A binary variable for each access and channel: for hundreds in all, not thousands.
    """
    end = inf if time_limit is None else time.monotonic() + time_limit
    if threads < 1:
        raise ValueError(f"the number of threads must be positive, not {threads}")
    program = _Program(model)
    if start is not None and start.value is not None:
        program.hint(start)
    return program.solve(end, seed, threads, upper_bound)


class _Program:
    """The CP-SAT model, and how its answer reads."""

    def __init__(self, model: WindowsModel) -> None:
        self._cp = import_cp_model()
        self._model = model
        self._program: Any = self._cp.CpModel()
        self._positions = [self._tensor(t) for t in range(len(model.channels))]
        self._selected: list[list[list[Any]]] = []
        self._gathers: list[Any] = []
        self._charges: list[list[tuple[Any, int]]] = [[] for _ in model.limits]
        for access in model.accesses:
            self._choices(access)
        self._live = [self._live_channels(t) for t in range(len(model.channels))]
        self._lengths = [self._length(t) for t in range(len(model.channels))]
        for index in range(len(model.accesses)):
            self._window(index)
        self._charge_live_channels()
        for charges, limit in zip(self._charges, model.limits, strict=True):
            self._program.add(sum(units * amount for amount, units in charges) <= limit)
        self._objective = sum(
            int(score) * chosen
            for access, rows in zip(model.accesses, self._selected, strict=True)
            for (_, scores), row in zip(access.parts, rows, strict=True)
            for score, chosen in zip(scores, row, strict=True)
        )
        # What is lost, as a variable: before the engine has a bound it reports 0, which is one.
        total = total_scores(model)
        loss = self._program.new_int_var(0, total, "")
        self._program.add(loss + self._objective == total)
        self._program.minimize(loss)

    def _tensor(self, t: int) -> list[Any]:
        size = self._model.channels[t]
        if self._model.fixed[t]:
            return list(range(size))
        places = [self._program.new_int_var(0, size - 1, "") for _ in range(size)]
        self._program.add_all_different(places)
        return places

    def _choices(self, access: WindowsAccess) -> None:
        program = self._program
        rows = [[program.new_bool_var("") for _ in scores] for _, scores in access.parts]
        self._selected.append(rows)
        size = sum(len(row) for row in rows)
        width = sum(chosen for row in rows for chosen in row)
        program.add(width >= access.minimum)
        program.add(width <= min(access.maximum, size))
        self._charges[access.budget].append((width, access.cost))
        if access.gather is None:
            self._gathers.append(None)
            return
        pays = program.new_bool_var("")
        self._gathers.append(pays)
        paid = program.new_int_var(0, size, "")
        program.add(paid >= width).only_enforce_if(pays)
        self._charges[access.budget].append((pays, access.gather[0]))
        self._charges[access.budget].append((paid, access.gather[1]))

    def _live_channels(self, t: int) -> list[Any]:
        if self._model.fixed[t]:
            return [1] * self._model.channels[t]
        live = [self._program.new_bool_var("") for _ in range(self._model.channels[t])]
        for channel, alive in enumerate(live):
            users = [
                row[channel]
                for access, rows in zip(self._model.accesses, self._selected, strict=True)
                for (tensor, _), row in zip(access.parts, rows, strict=True)
                if tensor == t
            ]
            self._program.add_max_equality(alive, [*users, 0])
        return live

    def _length(self, t: int) -> Any:
        size = self._model.channels[t]
        if self._model.fixed[t]:
            return size
        length = self._program.new_int_var(0, min(size, self._model.live_limits[t]), "")
        self._program.add(length == sum(self._live[t]))
        for place, alive in zip(self._positions[t], self._live[t], strict=True):
            self._program.add(place < length).only_enforce_if(alive)
        return length

    def _window(self, index: int) -> None:
        """Selected channels fill a window, unless the access pays for a free selection."""
        access = self._model.accesses[index]
        rows, pays = self._selected[index], self._gathers[index]
        reach = sum(self._model.channels[t] for t, _ in access.parts)
        start = self._program.new_int_var(0, reach, "")
        width = sum(chosen for row in rows for chosen in row)
        before: Any = 0
        for (t, _), row in zip(access.parts, rows, strict=True):
            for place, chosen in zip(self._positions[t], row, strict=True):
                when = [chosen] if pays is None else [chosen, ~pays]
                self._program.add(before + place >= start).only_enforce_if(when)
                self._program.add(before + place < start + width).only_enforce_if(when)
            before = before + self._lengths[t]

    def _charge_live_channels(self) -> None:
        for t, charge in enumerate(self._model.live_charges):
            if charge is not None:
                self._charges[charge[0]].append((self._lengths[t], charge[1]))

    def hint(self, start: WindowsSolution) -> None:
        """Let the search begin with `start`."""
        for places, order, fixed in zip(
            self._positions, start.orders, self._model.fixed, strict=True
        ):
            if not fixed:
                for position, channel in enumerate(order.tolist()):
                    self._program.add_hint(places[channel], position)
        for rows, chosen in zip(self._selected, start.selected, strict=True):
            for row, channels in zip(rows, chosen, strict=True):
                kept = set(channels.tolist())
                for channel, variable in enumerate(row):
                    self._program.add_hint(variable, channel in kept)
        for pays, gathered in zip(self._gathers, start.gathered, strict=True):
            if pays is not None:
                self._program.add_hint(pays, gathered)

    def solve(
        self, end: float, seed: int, threads: int, upper_bound: int | None
    ) -> WindowsSolution:
        cp = self._cp
        if upper_bound is not None:
            self._program.add(self._objective <= upper_bound)
        solver = cp.CpSolver()
        parameters = solver.parameters
        parameters.num_workers = threads
        parameters.random_seed = seed % 2**31
        # Gaps are measured in floats, where two large integers can look equal.
        parameters.absolute_gap_limit = 0.0
        parameters.relative_gap_limit = 0.0
        if end < inf:
            parameters.max_time_in_seconds = max(0.01, end - time.monotonic())
        status = solve_interruptibly(solver, self._program)
        if status == cp.MODEL_INVALID:
            raise RuntimeError(f"CP-SAT refused the model: {self._program.validate()}")
        if status == cp.INFEASIBLE:
            return WindowsSolution(None, None)
        # The bound of the response is an integer, that of the solver a float.
        lost = max(0, int(solver.response_proto.inner_objective_lower_bound))
        bound = total_scores(self._model) - lost
        if upper_bound is not None:
            bound = min(bound, upper_bound)
        if status not in (cp.OPTIMAL, cp.FEASIBLE):
            return WindowsSolution(None, bound)
        return self._read(solver, bound)

    def _read(self, solver: Any, bound: int) -> WindowsSolution:
        selected = tuple(
            tuple(
                np.flatnonzero([solver.boolean_value(chosen) for chosen in row]).astype(np.int64)
                for row in rows
            )
            for rows in self._selected
        )
        orders = tuple(
            np.arange(len(places), dtype=np.int64)
            if fixed
            else np.argsort([solver.value(place) for place in places]).astype(np.int64)
            for places, fixed in zip(self._positions, self._model.fixed, strict=True)
        )
        value = sum(
            int(scores[channels].sum())
            for access, chosen in zip(self._model.accesses, selected, strict=True)
            for (_, scores), channels in zip(access.parts, chosen, strict=True)
        )
        gathered = tuple(pays is not None and solver.boolean_value(pays) for pays in self._gathers)
        return WindowsSolution(value, bound, orders, selected, gathered)


def total_scores(model: WindowsModel) -> int:
    """The importance of everything, which no selection exceeds."""
    parts: Sequence[IntArray] = [scores for one in model.accesses for _, scores in one.parts]
    return sum(int(scores.sum()) for scores in parts)
