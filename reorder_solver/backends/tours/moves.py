"""Kernels: the tour as an array, and the best known way to change some of its edges at once.

An exchange takes out up to five edges and joins the pieces anew, each new edge beginning where the
last one taken out ended: the *sequential* exchanges of Lin and Kernighan. Whether the pieces form
one tour is decided from the places of the edges alone, before anything is moved (Helsgaun 2009).

References
----------
S. Lin, B. W. Kernighan, "An effective heuristic algorithm for the traveling-salesman problem",
Operations Research 21 (1973) 498-516, DOI 10.1287/opre.21.2.498.

K. Helsgaun, "General k-opt submoves for the Lin-Kernighan TSP heuristic", Mathematical Programming
Computation 1 (2009) 119-163, DOI 10.1007/s12532-009-0004-6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations.compiled import inlined, kernel
from formulations.nearness import distance
from reorder_solver.backends.tours.state import DEPTH, FIRST, LENGTH, LOGGED, MIRRORED, WAITING

if TYPE_CHECKING:
    from reorder_solver.backends.tours.state import State, Trail


@inlined
def after(state: State, node: int) -> int:
    """The next node."""
    place = state.place[node] + 1
    return int(state.order[place if place < state.order.size else 0])


@inlined
def before(state: State, node: int) -> int:
    """The node before."""
    place = state.place[node]
    return int(state.order[place - 1 if place > 0 else state.order.size - 1])


@inlined
def push(state: State, node: int) -> None:
    """Put a node in the queue, unless it is there."""
    if state.queued[node] == 0:
        state.queued[node] = 1
        place = state.control[FIRST] + state.control[WAITING]
        if place >= state.queue.size:
            place -= state.queue.size
        state.queue[place] = node
        state.control[WAITING] += 1


@inlined
def pop(state: State) -> int:
    """Take the first node out of the queue."""
    place = state.control[FIRST]
    node = state.queue[place]
    state.queued[node] = 0
    state.control[FIRST] = place + 1 if place + 1 < state.queue.size else 0
    state.control[WAITING] -= 1
    return int(node)


@inlined
def reverse(state: State, first: int, last: int) -> None:
    """Reverse the order from a place on to another, or all the rest, whichever is shorter."""
    logged = state.control[LOGGED]
    if logged < state.log.shape[0]:
        state.log[logged, 0] = first
        state.log[logged, 1] = last
    state.control[LOGGED] = logged + 1
    turn(state, first, last)


@inlined
def turn(state: State, first: int, last: int) -> None:
    """As :func:`reverse`, without writing it down. Doing it again undoes it."""
    order, place, size = state.order, state.place, state.order.size
    inside = last - first + 1
    if inside <= 0:
        inside += size
    if 2 * inside > size:
        first, last = last + 1, first - 1
        if first >= size:
            first = 0
        if last < 0:
            last = size - 1
        inside = size - inside
        state.control[MIRRORED] ^= 1
    for _ in range(inside // 2):
        one, other = order[first], order[last]
        order[first] = other
        place[other] = first
        order[last] = one
        place[one] = last
        first = first + 1 if first + 1 < size else 0
        last = last - 1 if last > 0 else size - 1


@kernel
def improve(state: State, start: int) -> int:
    """Look for an exchange that shortens the tour, from `start`, and carry it out.

    Returns
    -------
    int
        By how much the tour is shorter; 0 if none was found.
    """
    trail = state.trail
    for way in range(2):
        second = after(state, start) if way == 0 else before(state, start)
        take_out(state, 0, start, second, way == 0)
        trail.gain[1] = distance(state.metric, start, second)
        trail.cursor[1] = 0
        depth = 1
        while depth > 0:
            gain = extend(state, depth)
            if gain > 0:
                exchange(state, depth + 1)
                state.control[LENGTH] -= gain
                for end in range(2 * depth + 2):
                    push(state, trail.ends[end])
                return gain
            if gain == 0 and depth + 1 < DEPTH and state.breadth[depth + 1] > 0:
                depth += 1
                trail.cursor[depth] = 0
            elif gain == 0:
                put_back(trail, depth)
            else:
                depth -= 1
                if depth > 0:
                    put_back(trail, depth)
    return 0


@inlined
def extend(state: State, depth: int) -> int:
    """Take one more edge out, the next that is worth trying at this depth.

    Returns
    -------
    int
        What joining the loose ends gains, if that makes one shorter tour; else 0. Or -1, with
        nothing taken out, if there are no more edges to try.
    """
    trail = state.trail
    base = trail.ends[2 * depth - 1]
    base_after, base_before = after(state, base), before(state, base)
    limit = 2 * min(state.breadth[depth], state.near.shape[1])
    while trail.cursor[depth] < limit:
        slot, way = trail.cursor[depth] >> 1, trail.cursor[depth] & 1
        trail.cursor[depth] += 1
        node = state.near[base, slot]
        if node < 0:
            break
        gain = trail.gain[depth] - state.lengths[base, slot]
        if gain <= 0 or node in (base_after, base_before):
            trail.cursor[depth] = 2 * slot + 2
            continue
        other = after(state, node) if way == 0 else before(state, node)
        if is_out(trail, depth, state.place[node if way == 0 else other]):
            continue
        gain += distance(state.metric, node, other)
        take_out(state, depth, node, other, way == 0)
        trail.gain[depth + 1] = gain
        gain -= distance(state.metric, other, trail.ends[0])
        if gain > 0 and is_tour(trail, depth + 1):
            return int(gain)
        return 0
    return -1


@inlined
def is_out(trail: Trail, count: int, left: int) -> bool:
    """Whether the edge at this place is among those taken out."""
    found = False
    for edge in range(count):
        found |= trail.left[edge] == left
    return found


@inlined
def take_out(state: State, edge: int, end: int, other: int, leads: bool) -> None:
    """Take out the edge between `end` and `other`, as number `edge`."""
    trail = state.trail
    left = state.place[end if leads else other]
    trail.ends[2 * edge] = end
    trail.ends[2 * edge + 1] = other
    trail.left[edge] = left
    trail.leads[edge] = leads
    rank = edge
    while rank > 0 and trail.left[trail.sorted[rank - 1]] > left:
        moved = trail.sorted[rank - 1]
        trail.sorted[rank] = moved
        trail.rank[moved] = rank
        rank -= 1
    trail.sorted[rank] = edge
    trail.rank[edge] = rank


@inlined
def put_back(trail: Trail, edge: int) -> None:
    """Undo the last :func:`take_out`."""
    for rank in range(trail.rank[edge], edge):
        moved = trail.sorted[rank + 1]
        trail.sorted[rank] = moved
        trail.rank[moved] = rank


@inlined
def across(trail: Trail, count: int, end: int) -> int:
    """The other end of the piece of tour that begins or ends at `end` (numbers of ends)."""
    edge = end >> 1
    is_left = (end & 1) != trail.leads[edge]
    if is_left:
        rank = trail.rank[edge] - 1
        edge = trail.sorted[rank if rank >= 0 else count - 1]
        return int(2 * edge + (1 if trail.leads[edge] != 0 else 0))
    rank = trail.rank[edge] + 1
    edge = trail.sorted[rank if rank < count else 0]
    return int(2 * edge + (0 if trail.leads[edge] != 0 else 1))


@inlined
def joined(count: int, end: int) -> int:
    """The end that is joined to `end` by a new edge (numbers of ends)."""
    if end & 1:
        return end + 1 if end + 1 < 2 * count else 0
    return end - 1 if end > 0 else 2 * count - 1


@inlined
def is_tour(trail: Trail, count: int) -> bool:
    """Whether the pieces and the new edges form one tour."""
    end, pieces = 0, 0
    while True:
        end = joined(count, across(trail, count, end))
        pieces += 1
        if end == 0:
            return pieces == count


@kernel
def exchange(state: State, count: int) -> None:
    """Carry out the exchange of the first `count` edges, by few reversals of short pieces."""
    trail = state.trail
    # The longest piece stays where it is: the one before the edge of rank `base`.
    base, longest = 0, -1
    for rank in range(count):
        left = trail.left[trail.sorted[rank]]
        size = left - trail.left[trail.sorted[rank - 1 if rank > 0 else count - 1]]
        if size <= 0:
            size += state.order.size
        if size > longest:
            base, longest = rank, size
    edge = trail.sorted[base]
    end = 2 * edge + (0 if trail.leads[edge] != 0 else 1)
    code = 0
    for slot in range(count - 1):
        end = joined(count, end)
        rank = trail.rank[end >> 1] - base
        if rank < 0:
            rank += count
        is_left = (end & 1) != trail.leads[end >> 1]
        # The piece after the edge of rank r is number r; that before it, number r - 1.
        code += (2 * (rank - 1) + 1 if is_left else 2 * rank) << (3 * slot)
        end = across(trail, count, end)
    for slot in range(count - 1):
        rank = base + slot
        edge = trail.sorted[rank if rank < count else rank - count]
        trail.first[slot] = trail.ends[2 * edge + (1 if trail.leads[edge] != 0 else 0)]
        rank += 1
        edge = trail.sorted[rank if rank < count else rank - count]
        trail.last[slot] = trail.ends[2 * edge + (0 if trail.leads[edge] != 0 else 1)]
    arrange(state, count - 1, code)


@inlined
def arrange(state: State, segments: int, code: int) -> None:
    """Bring the segments into the arrangement `code` (see ``reversal_table``)."""
    trail = state.trail
    turns = 0
    while state.steps[segments, code] >= 0:
        step = state.steps[segments, code]
        trail.turns[turns] = step
        turns += 1
        i, j = step >> 3, step & 7
        other = code
        for slot in range(i, j + 1):
            digit = ((code >> (3 * (i + j - slot))) & 7) ^ 1
            other = (other & ~(7 << (3 * slot))) | (digit << (3 * slot))
        code = other
    state.control[MIRRORED] = 0
    for turn_number in range(turns - 1, -1, -1):
        i, j = trail.turns[turn_number] >> 3, trail.turns[turn_number] & 7
        begin, end = state.place[trail.first[i]], state.place[trail.last[j]]
        if state.control[MIRRORED]:
            begin, end = end, begin
        reverse(state, begin, end)
        while i <= j:
            one, other = trail.first[i], trail.last[i]
            trail.first[i], trail.last[i] = trail.last[j], trail.first[j]
            trail.first[j], trail.last[j] = other, one
            i += 1
            j -= 1
