"""Storages: which memory of a run holds constants, which holds activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.trace import Call, Use

#: Memory that nothing has been written to yet.
_EMPTY = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})
#: Results that no argument's numbers flow into; lift_fresh brings in numbers from Python.
_CONSTANT = frozenset(
    {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "lift_fresh"}
)
#: Operators that fill their argument, perhaps a part of a storage, with a number.
_FILL = frozenset({"zero_", "fill_"})


class Storages:
    """The state of every storage, brought up to date call by call.

    A storage is *constant* if what is in it follows from parameters, buffers and numbers, *fresh*
    if nothing has been written there, and else holds activations. What is unclear counts as
    activations: it is better to count a copy that is none than to miss one.
    """

    def __init__(self) -> None:
        self._constant: set[int] = set()
        self._fresh: set[int] = set()

    def is_constant(self, tensor: Use) -> bool:
        """Whether the tensor's storage holds constants."""
        return tensor.storage in self._constant

    def mark_constant(self, call: Call) -> None:
        """The call's arguments and results are parameters or buffers."""
        for tensor in (*call.arguments, *call.results):
            self._set(tensor, constant=True, fresh=False)

    def update(self, call: Call) -> None:
        """A call has ended."""
        written = [each for each in call.arguments if each.storage not in self._fresh]
        constant = all(each.storage in self._constant for each in written)
        fresh = call.name in _EMPTY or (not written and bool(call.arguments))
        if call.name in _CONSTANT:
            constant, fresh = True, False
        elif call.name in _FILL:
            fresh = False
        for tensor in call.results:
            self._set(tensor, constant=constant and not fresh, fresh=fresh)

    def _set(self, tensor: Use, *, constant: bool, fresh: bool) -> None:
        if not tensor.storage:
            # Opaque tensors have none that could be told apart.
            return
        for group, belongs in ((self._constant, constant), (self._fresh, fresh)):
            (group.add if belongs else group.discard)(tensor.storage)
