"""Traffic: the bytes that copies write while a module runs, seen from inside PyTorch.

A dispatch mode sees the operators that a graph calls, not the ``contiguous()`` that a kernel calls
on its own input. PyTorch's execution trace sees both: every call through the dispatcher, with the
storages of its arguments and results. It is recorded here and read.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.profiler import ExecutionTraceObserver, record_function
from torch.utils import _pytree as pytree

from reorder_solver.torch_adapter.capture import as_arguments
from reorder_solver.torch_adapter.errors import CaptureError
from reorder_solver.torch_adapter.modes import evaluating
from reorder_solver.torch_adapter.storages import Storages
from reorder_solver.torch_adapter.trace import Call, read_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

#: Operators that write a rearranged copy of their first argument (of all, for cat and stack).
_KINDS = {
    "index_select": "gather",
    "index": "gather",
    "_unsafe_index": "gather",
    "take": "gather",
    "gather": "gather",
    "flip": "gather",
    "im2col": "gather",
    "cat": "cat",
    "stack": "cat",
    "native_channel_shuffle": "shuffle",
    "channel_shuffle": "shuffle",
    "pixel_shuffle": "shuffle",
    "pixel_unshuffle": "shuffle",
    "narrow_copy": "copy",
    "index_copy": "copy",
    "copy_": "copy",
}

#: Operators whose caller asked for a copy; a copy inside any other is hidden.
_ASKED = frozenset(
    {
        "clone",
        "contiguous",
        "copy_",
        "copy",
        "reshape",
        "reshape_as",
        "_reshape_copy",
        "flatten",
        "unflatten",
        "to",
        "_to_copy",
        "repeat",
        "tile",
        "repeat_interleave",
        "slice_scatter",
        "select_scatter",
        "channel_shuffle",
        "_unsafe_view",
    }
)
_PADS = frozenset({"pad", "constant_pad_nd"})

_CONSTANTS, _RUN = "reorder_solver.constants", "reorder_solver.run"


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy that PyTorch made.

    Attributes
    ----------
    kind : str
        ``gather``, ``cat``, ``shuffle`` (an operator that does nothing else), ``copy`` (clone,
        contiguous, a reshape that has to copy), ``pad``, or ``hidden``: made by an operator, such
        as a convolution, for its own use.
    operator : str
        What copied, such as ``index_select`` or ``copy_``.
    caller : str
        The operator called by the module, such as ``conv2d``; may be the same.
    shape : tuple of int
        Of what was written.
    bytes : int
        Written.
    """

    kind: str
    operator: str
    caller: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """The copies of one run of a module."""

    copies: tuple[Copy, ...]

    @property
    def total(self) -> int:
        """Bytes written by all copies."""
        return sum(each.bytes for each in self.copies)

    @property
    def by_kind(self) -> dict[str, int]:
        """Bytes per kind, see :class:`Copy`; kinds that did not occur are left out."""
        found: Counter[str] = Counter()
        for each in self.copies:
            found[each.kind] += each.bytes
        return dict(sorted(found.items()))

    @property
    def by_caller(self) -> dict[str, int]:
        """Bytes per operator called by the module."""
        found: Counter[str] = Counter()
        for each in self.copies:
            found[each.caller] += each.bytes
        return dict(sorted(found.items()))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return {
            "total": self.total,
            "by_kind": self.by_kind,
            "by_caller": self.by_caller,
            "copies": [asdict(each) for each in self.copies],
        }

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in self.by_kind.items())
        return f"{self.total:,} bytes copied" + (f" ({kinds})" if kinds else "")


def copied_bytes(module: nn.Module, inputs: Any) -> Traffic:
    """Run a module once and count the bytes that copies of activations write.

    Parameters
    ----------
    module : torch.nn.Module
        Runs in evaluation mode, without gradients; its modes are put back. Not changed unless
        its forward changes it.
    inputs : tensor, tuple of tensors, or mapping of str to tensor
        Not changed: the module gets copies.

    Returns
    -------
    Traffic
        Counted are gathers, concatenations, shuffles, clones, reshapes that copy and the copies
        that operators make of their own arguments, at the bytes they write. Not counted are copies
        of constants (what depends on parameters and buffers alone: biases, weights brought into
        another layout), conversions to another type, and what a numerical library rearranges
        within itself (blocked formats of oneDNN, im2col, packing of matrices).

    Raises
    ------
    InputError
        If there is no tensor among the inputs.
    CaptureError
        If PyTorch's trace cannot be read, or somebody else is recording one.

    Notes
    -----
    Kernels differ by batch size, memory format, number of threads and device, and so do hidden
    copies: measure as the module will run.
    """
    args, kwargs = pytree.tree_map(_copied, as_arguments(inputs))
    with tempfile.TemporaryDirectory() as folder, evaluating(module), torch.no_grad():
        path = Path(folder) / "trace.json"
        with _observing(path):
            with record_function(_CONSTANTS):
                for tensor in _tensors_of(module):
                    tensor.detach()
            with record_function(_RUN):
                module(*args, **kwargs)
        try:
            calls = read_calls(path)
        except ValueError as error:
            raise CaptureError(f"the trace of {type(module).__name__}: {error}") from None
    return Traffic(tuple(_copies(calls)))


def _copies(calls: list[Call]) -> Iterator[Copy]:
    """Go through the calls in the order in which they end: children before their parents."""
    by_number = {call.number: call for call in calls}
    storages = Storages()
    for call in calls:
        parents = _parents(call, by_number)
        sections = {parent.name for parent in parents if not parent.is_operator}
        if _CONSTANTS in sections:
            storages.mark_constant(call)
            continue
        if _RUN in sections and _is_copy(call, storages):
            callers = [parent for parent in parents if parent.is_operator]
            # A copy within a copy is how the outer one is done.
            if not any(_is_copy(caller, storages) for caller in callers):
                yield _described(call, callers[-1].name if callers else call.name)
        storages.update(call)


def _parents(call: Call, by_number: dict[int, Call]) -> list[Call]:
    """All calls around this one, the innermost first."""
    found = []
    while (parent := by_number.get(call.parent)) is not None and parent.number != call.number:
        found.append(parent)
        call = parent
    return found


def _is_copy(call: Call, storages: Storages) -> bool:
    """Whether the call copies activations without changing their type."""
    if call.name not in _KINDS or not call.results:
        return False
    tensors = call.arguments
    if call.name == "copy_":
        # The first argument is the target.
        if len(tensors) < 2 or tensors[0].dtype != tensors[1].dtype:
            return False
        return not storages.is_constant(tensors[1])
    sources = tensors if _KINDS[call.name] == "cat" else tensors[:1]
    return any(not storages.is_constant(tensor) for tensor in sources)


def _described(call: Call, caller: str) -> Copy:
    kind = _KINDS[call.name]
    if caller in _PADS:
        kind = "pad"
    elif call.name == "copy_" and caller not in _ASKED:
        kind = "hidden"
    target = call.results[0]
    return Copy(kind, call.name, caller, target.shape, target.bytes)


def _tensors_of(module: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters, buffers and tensors that are plain attributes."""
    for each in module.modules():
        kept = [*each.parameters(recurse=False), *each.buffers(recurse=False)]
        kept += [value for value in vars(each).values() if isinstance(value, torch.Tensor)]
        yield from kept


def _copied(leaf: Any) -> Any:
    """A copy with the same strides, since a model may write to its input."""
    if not isinstance(leaf, torch.Tensor):
        return copy.copy(leaf)
    if leaf.layout is not torch.strided:
        return leaf.detach().clone()
    # A clone of a slice would be contiguous, and need no copy where the slice does.
    storage = leaf.untyped_storage().clone()  # type: ignore[no-untyped-call]
    empty = torch.empty(0, dtype=leaf.dtype, device=leaf.device)
    return empty.set_(storage, leaf.storage_offset(), leaf.size(), leaf.stride())


@contextmanager
def _observing(path: Path) -> Iterator[None]:
    """Record an execution trace in a file."""
    observer = ExecutionTraceObserver()
    observer.register_callback(str(path))
    if not path.exists():
        # PyTorch has one observer, and says that it is this one. Unregistered, it would be taken
        # from whoever records, whose next call ends the process.
        observer._registered = False  # noqa: SLF001 - there is no other way
        raise CaptureError("PyTorch can record one execution trace, and is recording another")
    try:
        with _silent():
            observer.start()
        try:
            yield
        finally:
            with _silent():
                observer.stop()
    finally:
        observer.unregister_callback()


@contextmanager
def _silent() -> Iterator[None]:
    """Without what PyTorch's library writes to the error stream when recording begins and ends."""
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)
        os.close(nothing)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
