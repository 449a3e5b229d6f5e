"""Arrange: choose among equal channels so that concatenations take fewer slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.torch_adapter.operations import Concatenation, resolve
from reorder_solver.torch_adapter.plan import live_operations

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import IndexArray
    from reorder_solver.torch_adapter.program import Value
    from reorder_solver.torch_adapter.tensors import Tensors


def arrange(
    facts: Facts, tensors: Tensors, signatures: IndexArray, ranks: IndexArray
) -> IndexArray:
    """New places for channels, with the same runs for every access.

    Neighbouring channels of one tensor that nothing tells apart may change places. In the result
    of a concatenation they follow the order of its operands, and then, in the operands, that of
    the result.

    Parameters
    ----------
    facts : Facts
    tensors : Tensors
    signatures : ndarray of int64, shape (tensors.count,)
        The same for channels of a tensor with the same accesses.
    ranks : ndarray of int64, shape (tensors.count,)
        The place of each channel in its tensor.
    """
    found = ranks.copy()
    joined = [
        operation for operation in live_operations(facts) if isinstance(operation, Concatenation)
    ]
    for operation in joined:
        assert operation.output is not None
        wishes = np.full(tensors.count, np.inf)
        for place, value in enumerate(operation.operands):
            if not facts.live(resolve(value)[0]).any():
                continue
            own = operation.offsets[place] + np.arange(value.channels)
            wishes[tensors.numbers(operation.output)[own]] = (
                place * tensors.count + found[tensors.numbers(value)]
            )
        _sort(tensors, operation.output, signatures, wishes, found)
    done: set[int] = set()
    for operation in reversed(joined):
        for place, value in enumerate(operation.operands):
            base, _ = resolve(value)
            if not facts.live(base).any():
                continue
            tensor = int(tensors.atoms(base).tensors[0])
            if tensor in done:
                continue
            done.add(tensor)
            own = operation.offsets[place] + np.arange(value.channels)
            wishes = np.full(tensors.count, np.inf)
            assert operation.output is not None
            wishes[tensors.numbers(value)] = found[tensors.numbers(operation.output)[own]]
            _sort(tensors, base, signatures, wishes, found)
    return found


def _sort(
    tensors: Tensors,
    value: Value,
    signatures: IndexArray,
    wishes: np.ndarray,
    ranks: IndexArray,
) -> None:
    """Sort runs of equal channels in the tensor of `value` by their wishes, in place."""
    for tensor in np.unique(tensors.atoms(value).tensors):
        one = tensors.classes[int(tensor)]
        if one.ordered:
            continue
        numbers = tensors.offset(int(tensor)) + np.arange(one.channels)
        numbers = numbers[ranks[numbers] >= 0]
        order = numbers[np.argsort(ranks[numbers], kind="stable")]
        runs = np.cumsum(np.concatenate([[0], np.diff(signatures[order]) != 0]))
        better = order[np.lexsort((np.arange(order.size), wishes[order], runs))]
        ranks[better] = np.sort(ranks[order])
