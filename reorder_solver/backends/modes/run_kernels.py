"""Kernels of the run search, compiled. See :mod:`reorder_solver.backends.modes.runs`."""

from __future__ import annotations

from reorder_solver.backends.modes.kernels import IntArray, compile_kernel

#: A key is a set of classes and, in this many lowest bits, the class placed last.
LAST_BITS = 6


@compile_kernel
def expand(
    keys: IntArray,
    costs: IntArray,
    begin: int,
    end: int,
    steps: IntArray,
    potentials: IntArray,
    sets: IntArray,
    prices: IntArray,
    constant: int,
    shift: int,
    limit: int,
    table: IntArray,
    table_costs: IntArray,
) -> int:
    """Put the successors of states ``begin .. end - 1`` that may stay within `limit` in a table.

    Parameters
    ----------
    keys, costs : ndarray of int64
        States with one class fewer.
    steps : ndarray of int64, shape (k + 1, k + 1)
        Length of every step; the last node is outside.
    potentials : ndarray of int64, shape (k + 1,)
    sets, prices : ndarray of int64
        Sets of nodes that do not hold the outside node, as bit sets, and their prices.
    constant : int
        Sum of all negative reduced costs.
    shift : int
        Potentials and prices count in units of ``2**-shift``.
    limit : int
        In those units.
    table, table_costs : ndarray of int64
        Open addressing, a power of two, -1 where free; large enough.

    Returns
    -------
    int
        By how many states the table has grown.
    """
    count = potentials.size - 1
    full = (1 << count) - 1
    mask = table.size - 1
    grown = 0
    for state in range(begin, end):
        placed, last = keys[state] >> LAST_BITS, keys[state] & ((1 << LAST_BITS) - 1)
        ahead = constant + potentials[count]
        for node in range(count):
            if not placed >> node & 1:
                ahead += 2 * potentials[node]
        for node in range(count):
            if placed >> node & 1:
                continue
            # Mirror images: the first class is to come before the second.
            if node == 1 and not placed & 1:
                continue
            cost = costs[state] + steps[last, node]
            after = placed | 1 << node
            bound = ahead - potentials[node]
            for number in range(sets.size):
                if sets[number] >> node & 1:
                    bound += prices[number]
                elif sets[number] & ~after:
                    bound += 2 * prices[number]
            if after == full:
                bound = steps[node, count] << shift
            if (cost << shift) + bound > limit:
                continue
            key = after << LAST_BITS | node
            place = ((key * -7046029254386353131) >> 24) & mask
            while table[place] != -1 and table[place] != key:
                place = (place + 1) & mask
            if table[place] == -1:
                table[place] = key
                table_costs[place] = cost
                grown += 1
            elif cost < table_costs[place]:
                table_costs[place] = cost
    return grown


@compile_kernel
def move(old: IntArray, old_costs: IntArray, table: IntArray, table_costs: IntArray) -> None:
    """Copy a table into a larger one."""
    mask = table.size - 1
    for entry in range(old.size):
        key = old[entry]
        if key == -1:
            continue
        place = ((key * -7046029254386353131) >> 24) & mask
        while table[place] != -1:
            place = (place + 1) & mask
        table[place] = key
        table_costs[place] = old_costs[entry]
