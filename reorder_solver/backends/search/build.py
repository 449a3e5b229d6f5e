"""From a problem to the arrays of a search, and back to orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.backends.search import arrays as form
from reorder_solver.backends.search.coefficients import NEVER
from reorder_solver.backends.search.draft import draft
from reorder_solver.backends.search.words import WORD_BITS, Word, pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reorder_solver.backends.search.draft import Draft, Row, Special
    from reorder_solver.presolve import Orders, Problem


def build(problem: Problem, start: Orders, seed: int) -> tuple[form.Arrays, bool]:
    """Arrays whose working orders are `start`, and whether their costs compare exactly.

    Where they do not, they are a guide only. What follows from the working orders is left for
    :func:`~reorder_solver.backends.search.rebuild.rebuild` to fill in.
    """
    made = draft(problem)
    wishes: list[list[Row]] = [[] for _ in problem.sizes]
    for row in made.rows:
        wishes[row.tensor].append(row)
    packed = [pack([row.weight for row in each]) for each in wishes]
    links = _links(made, len(wishes))
    rows, row_of = _rows(wishes, packed, made)
    tensors = _tensors(problem, packed, links)
    nodes = _nodes(problem, packed)
    order = _slots(tensors, start)
    return form.Arrays(
        control=_control(made, seed),
        tensors=tensors,
        nodes=nodes,
        words=_words(packed, row_of),
        rows=rows,
        accesses=_accesses(made.special),
        lists=_lists(made.special),
        near=np.zeros((nodes.size, form.NEIGHBOURS), dtype=form.NEAR),
        bits=_bits(problem, wishes, packed),
        row_of=row_of,
        links=_ints(number for tensor in links for kind in tensor for number in kind),
        order=order,
        saved=np.stack([order, order]),
    ), made.exact


def orders_of(arrays: form.Arrays, slots: form.Ints) -> Orders:
    """Orders of classes from nodes by slot (a copy)."""
    found: list[form.Ints] = []
    for tensor in arrays.tensors[:-1]:
        first = int(tensor["slot_start"]) + 1
        found.append(slots[first : first + tensor["classes"]] - tensor["node_start"])
    return tuple(found)


def _control(made: Draft, seed: int) -> form.Records:
    control = np.zeros(1, dtype=form.CONTROL)
    control["free_runs"] = made.free_runs
    control["unit"] = made.unit
    control["random"] = np.random.default_rng(seed).integers(1, 1 << 63, dtype=np.uint64)
    return control


def _tensors(
    problem: Problem,
    packed: Sequence[Sequence[Word]],
    links: Sequence[tuple[list[int], list[int]]],
) -> form.Records:
    tensors = np.zeros(len(packed) + 1, dtype=form.TENSOR)
    classes = _ints(sizes.size for sizes in problem.sizes)
    tensors["classes"][:-1] = classes
    tensors["movable"][:-1] = (classes > 1) & ~np.array(problem.fixed, dtype=np.bool_)
    tensors["node_start"] = _starts(classes + 1)
    tensors["slot_start"] = _starts(classes + 2)
    tensors["word_start"] = _starts(map(len, packed))
    tensors["seam_start"] = _starts(len(seams) + len(spans) for seams, spans in links)
    tensors["span_start"] = tensors["seam_start"]
    tensors["span_start"][:-1] += _ints(len(seams) for seams, _ in links)
    return tensors


def _slots(tensors: form.Records, orders: Orders) -> form.Ints:
    slots = np.empty(int(tensors["slot_start"][-1]), dtype=np.int64)
    for tensor, order in zip(tensors, orders, strict=False):
        outside = [tensor["node_start"] + order.size]
        nodes = np.concatenate([outside, order + tensor["node_start"], outside])
        slots[tensor["slot_start"] : tensor["slot_start"] + nodes.size] = nodes
    return slots


def _nodes(problem: Problem, packed: Sequence[Sequence[Word]]) -> form.Records:
    outside = np.zeros(1, dtype=np.int64)
    sizes = [each for tensor in problem.sizes for each in (tensor, outside)]
    nodes = np.zeros(sum(each.size for each in sizes), dtype=form.NODE)
    nodes["tensor"] = np.repeat(
        np.arange(len(packed)), [tensor.size + 1 for tensor in problem.sizes]
    )
    nodes["size"] = np.concatenate([outside[:0], *sizes])
    nodes["bit_start"] = _starts(_ints(map(len, packed))[nodes["tensor"]])[:-1]
    return nodes


def _bits(
    problem: Problem, wishes: Sequence[Sequence[Row]], packed: Sequence[Sequence[Word]]
) -> form.Words:
    blocks = [np.empty(0, dtype=np.uint64)]
    for sizes, rows, words in zip(problem.sizes, wishes, packed, strict=True):
        bits = np.zeros((sizes.size + 1, len(words)), dtype=np.uint64)
        for place, word in enumerate(words):
            for bit, row in enumerate(word.rows):
                bits[rows[row].wanted, place] |= np.uint64(1 << bit)
        blocks.append(bits.ravel())
    return np.concatenate(blocks)


def _words(packed: Sequence[Sequence[Word]], row_of: form.Ints) -> form.Records:
    words = np.zeros(sum(map(len, packed)), dtype=form.WORD)
    words["weight"] = [word.weight for each in packed for word in each]
    priced = words["weight"][words["weight"] > 0]
    # Rows whose runs have no price of their own must still draw their nodes together; and the sum
    # of all guides must not overflow.
    typical = int(np.median(priced)) if priced.size else 1
    typical = min(typical, NEVER // (4 * WORD_BITS * max(1, words.size)))
    words["guide"] = np.where(words["weight"] > 0, words["weight"], typical)
    powers = np.uint64(1) << np.arange(WORD_BITS, dtype=np.uint64)
    is_special = row_of.reshape(-1, WORD_BITS) >= 0
    words["special"] = np.where(is_special, powers, np.uint64(0)).sum(axis=1, dtype=np.uint64)
    return words


def _rows(
    wishes: Sequence[Sequence[Row]], packed: Sequence[Sequence[Word]], made: Draft
) -> tuple[form.Records, form.Ints]:
    """The records of special rows, and the special row behind every bit."""
    counts = [len(each.rows) for each in made.special]
    rows = np.zeros(sum(counts), dtype=form.ROW)
    rows["access"] = np.repeat(np.arange(len(counts)), counts)
    rows["joined"][[each.rows[seam].special for each in made.special for seam in each.seams]] = 1
    rows["word"] = -1
    row_of = np.full(sum(map(len, packed)) * WORD_BITS, -1, dtype=np.int64)
    start = 0
    for tensor, (wanted, words) in enumerate(zip(wishes, packed, strict=True)):
        for place, word in enumerate(words):
            for bit, row in enumerate(word.rows):
                number = wanted[row].special
                if number >= 0 and rows["word"][number] < 0:
                    row_of[(start + place) * WORD_BITS + bit] = number
                    rows["tensor"][number] = tensor
                    rows["word"][number] = place
                    rows["mask"][number] = 1 << bit
        start += len(words)
    return rows, row_of


def _accesses(special: Sequence[Special]) -> form.Records:
    accesses = np.zeros(len(special) + 1, dtype=form.ACCESS)
    accesses["row_start"] = _starts(len(each.rows) for each in special)
    accesses["list_start"] = _starts(len(each.terms.lists) for each in special)
    for record, each in zip(accesses, special, strict=False):
        record["channels"] = each.terms.channels
        record["spread"] = each.spread
        record["tie"] = each.tie
        record["required"] = each.required
        record["only_view"] = each.only_view
        record["spanned"] = each.spanned
    return accesses


def _lists(special: Sequence[Special]) -> form.Records:
    modes = [modes for each in special for modes in each.terms.lists]
    prices = [tuple(NEVER if price is None else price for price in each) for each in modes]
    return np.array(prices, dtype=form.MODES)


def _links(made: Draft, tensors: int) -> list[tuple[list[int], list[int]]]:
    """Per tensor, the rows that a seam there joins to the next, and the accesses with spans."""
    found: list[tuple[list[int], list[int]]] = [([], []) for _ in range(tensors)]
    for number, each in enumerate(made.special):
        for seam in each.seams:
            pair = each.rows[seam : seam + 2]
            for tensor in sorted({row.tensor for row in pair}):
                found[tensor][0].append(pair[0].special)
        if each.spanned:
            for tensor in sorted({each.rows[0].tensor, each.rows[-1].tensor}):
                found[tensor][1].append(number)
    return found


def _ints(values: Iterable[int]) -> form.Ints:
    return np.array(list(values), dtype=np.int64)


def _starts(lengths: Iterable[int]) -> form.Ints:
    """Where each of several consecutive blocks starts, and the end of the last."""
    return np.concatenate([[0], np.cumsum(_ints(lengths))]).astype(np.int64)
