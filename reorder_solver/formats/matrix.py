"""0/1 matrices: instances with one tensor, whose channels are the columns, and an access a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reorder_solver.core.errors import InputError, InstanceError
from reorder_solver.core.instance import Access, Instance, Part, Tensor
from reorder_solver.formats.limits import MAX_WANTED, check_count, check_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

IntArray = npt.NDArray[np.int64]

#: Id of the tensor of an instance that comes from a matrix.
TENSOR_ID = "columns"


def instance_from_rows(
    name: str,
    columns: int,
    ends: Sequence[int] | IntArray,
    channels: IntArray,
    place: Callable[[int], str],
) -> Instance:
    """The instance of a 0/1 matrix.

    Parameters
    ----------
    name : str
    columns : int
    ends : sequence of int, one a row
        Row ``i`` is ``channels[ends[i-1]:ends[i]]``.
    channels : ndarray of int64
        0-based columns of the ones, all below `columns`.
    place : callable
        Tells where the ``i``-th of `channels` stands in the file.

    Returns
    -------
    Instance
        Tensor ``columns``, accesses ``row1`` ... with bytes and weight 1.
    """
    check_count(channels.size, MAX_WANTED, "ones")
    accesses: list[Access] = []
    start = 0
    for row, end in enumerate(np.asarray(ends, dtype=np.int64).tolist()):
        wanted, first, start = channels[start:end], start, end
        try:
            accesses.append(Access(f"row{row + 1}", (Part(TENSOR_ID, wanted),)))
        except InstanceError:
            index = _second_mention(wanted)
            raise InputError(
                f"column {wanted[index] + 1} is listed twice in row {row + 1}",
                place=place(first + index),
            ) from None
    return Instance(name, (Tensor(TENSOR_ID, columns),), tuple(accesses))


def check_columns(listed: IntArray, columns: int, place: Callable[[int], str]) -> None:
    """Raise :class:`InputError` unless all 1-based column numbers are within 1 .. `columns`.

    `place` tells where the ``i``-th of them stands.
    """
    outside = (listed < 1) | (listed > columns)
    if outside.any():
        index = int(np.argmax(outside))
        raise InputError(f"column {listed[index]} is outside 1..{columns}", place=place(index))


def rows_of(instance: Instance) -> tuple[int, list[IntArray]]:
    """Number of columns, and the 0-based columns of the ones of each row.

    Ids, roles, bytes and prices have no place in a matrix and are left out.

    Raises
    ------
    InputError
        If the instance is no matrix: several tensors or parts, a fixed tensor, a required access
        or a weight other than 1.
    """
    check_instance(instance)
    if len(instance.tensors) != 1:
        _refuse("the instance has one tensor", f"it has {len(instance.tensors)}")
    if instance.tensors[0].fixed:
        _refuse("no tensor is fixed", "this one is", f"tensor {instance.tensors[0].id!r}")
    for access in instance.accesses:
        place = f"access {access.id!r}"
        if len(access.parts) != 1:
            _refuse("accesses have one part", f"this one has {len(access.parts)}", place)
        if access.required:
            _refuse("no access is required", "this one is", place)
        if access.weight != 1:
            _refuse("weights are 1", "this one is not", place)
    return instance.tensors[0].channels, [access.parts[0].channels for access in instance.accesses]


def _second_mention(wanted: IntArray) -> int:
    """Index of the first entry that repeats an earlier one."""
    by_column = np.argsort(wanted, kind="stable")
    return int(by_column[1:][np.diff(wanted[by_column]) == 0].min())


def _refuse(condition: str, fact: str, place: str | None = None) -> None:
    raise InputError(
        f"a matrix format can only be written where {condition}, but {fact}; use .json",
        place=place,
    )
