"""Kernels: descend, disturb a few places close together, descend again, and keep or take back.

References
----------
O. Martin, S. W. Otto, E. W. Felten, "Large-step Markov chains for the traveling salesman problem",
Complex Systems 5 (1991) 299-326.

D. Applegate, W. Cook, A. Rohe, "Chained Lin-Kernighan for large traveling salesman problems",
INFORMS Journal on Computing 15 (2003) 82-92, DOI 10.1287/ijoc.15.1.82.15157.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.compiled import entry, kernel
from formulations.nearness import distance, scramble
from reorder_solver.backends.tours.moves import improve, pop, push, reverse, turn
from reorder_solver.backends.tours.state import (
    BEST,
    KEPT,
    KICKS,
    LENGTH,
    LOGGED,
    REACH,
    TARGET,
    WAITING,
)

if TYPE_CHECKING:
    from reorder_solver.backends.tours.state import State


@kernel
def draw(state: State, below: int) -> int:
    """A random number from 0 to `below` - 1."""
    state.random[0] += np.uint64(0x9E3779B97F4A7C15)
    number = scramble(state.random[0]) >> np.uint64(32)
    return int(number * np.uint64(below) >> np.uint64(32))


@entry
def begin(state: State) -> None:
    """Measure the tour and queue all its nodes."""
    size = state.order.size
    total = np.int64(0)
    for place in range(size):
        following = state.order[place + 1 if place + 1 < size else 0]
        total += distance(state.metric, state.order[place], following)
        push(state, state.order[place])
    state.control[LENGTH] = total
    state.control[KEPT] = total
    state.control[BEST] = total
    state.control[LOGGED] = 0


@entry
def run(state: State, max_kicks: int, work: int) -> bool:
    """Go on for so many steps; True when the target or the number of kicks is reached.

    Where it stops makes no difference to how it goes on.
    """
    control = state.control
    while work > 0:
        work -= 1
        if control[WAITING] > 0:
            node = pop(state)
            if improve(state, node) > 0:
                push(state, node)
            continue
        judge(state)
        if control[BEST] <= control[TARGET] or control[KICKS] >= max_kicks:
            return True
        control[KICKS] += 1
        kick(state)
    return False


@kernel
def judge(state: State) -> None:
    """Keep the tour, or go back to the one kept, after a descent."""
    control = state.control
    if control[LENGTH] < control[BEST]:
        control[BEST] = control[LENGTH]
        for place in range(state.order.size):
            state.best[place] = state.order[place]
    if control[LENGTH] > control[KEPT] and control[LOGGED] <= state.log.shape[0]:
        for entry_number in range(control[LOGGED] - 1, -1, -1):
            turn(state, state.log[entry_number, 0], state.log[entry_number, 1])
        control[LENGTH] = control[KEPT]
    control[KEPT] = control[LENGTH]
    control[LOGGED] = 0


@kernel
def kick(state: State) -> None:
    """Exchange neighbouring short stretches of the tour: three of them, or two."""
    order, size = state.order, state.order.size
    reach = min(state.control[REACH], size // 6)
    first = draw(state, size)
    one, two, three = 1 + draw(state, reach), 1 + draw(state, reach), 1 + draw(state, reach)
    # The places before and after each of the edges taken out.
    a = order[first]
    b = order[(first + 1) % size]
    c = order[(first + one) % size]
    d = order[(first + one + 1) % size]
    e = order[(first + one + two) % size]
    f = order[(first + one + two + 1) % size]
    g = order[(first + one + two + three) % size]
    h = order[(first + one + two + three + 1) % size]
    change = -distance(state.metric, a, b) - distance(state.metric, c, d)
    change -= distance(state.metric, e, f) + distance(state.metric, g, h)
    # a [b..c] [d..e] [f..g] h  becomes  a [f..g] [d..e] [b..c] h
    change += distance(state.metric, a, f) + distance(state.metric, g, d)
    change += distance(state.metric, e, b) + distance(state.metric, c, h)
    start = first + 1
    reverse(state, start % size, (start + one + two + three - 1) % size)
    reverse(state, start % size, (start + three - 1) % size)
    reverse(state, (start + three) % size, (start + three + two - 1) % size)
    reverse(state, (start + three + two) % size, (start + three + two + one - 1) % size)
    state.control[LENGTH] += change
    push(state, a)
    push(state, b)
    push(state, c)
    push(state, d)
    push(state, e)
    push(state, f)
    push(state, g)
    push(state, h)
