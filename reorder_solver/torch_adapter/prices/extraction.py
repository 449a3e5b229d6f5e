"""Extraction: the sites of a model's accesses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reorder_solver.torch_adapter.hidden import is_multiplied
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.prices.site import AccessSite
from reorder_solver.torch_adapter.schema import bind, operator_name

if TYPE_CHECKING:
    from collections.abc import Collection

    import torch
    from torch import fx

    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.plan import PlannedAccess
    from reorder_solver.torch_adapter.usage import Usage

#: What the names of operators that can be timed as such begin with.
_TIMED = ("aten.conv1d.", "aten.conv2d.", "aten.conv3d.", "aten.linear.")


def sites_of(extraction: Extraction, usage: Usage) -> dict[str, AccessSite]:
    """The site of every access of an extraction.

    Parameters
    ----------
    extraction : Extraction
    usage : Usage
        How an export is going to be called, whatever the model was captured with.

    Returns
    -------
    dict of str to AccessSite
        By access id, in the order of the instance. The value is taken as large as in the
        unpruned model.
    """
    captured = extraction.captured
    found: dict[str, AccessSite] = {}
    for access_id, planned in extraction.plan.planned.items():
        flow = planned.source.flow
        found[access_id] = site_of(
            _layer_node(planned),
            planned.source.example,
            axis=flow.axis,
            channels=int(planned.wanted.sum()),
            blocks=set(flow.sizes.tolist()),
            captured_batch=captured.batch,
            usage=usage,
        )
    return found


def _layer_node(planned: PlannedAccess) -> fx.Node | None:
    """The node of a layer that can be timed; None for anything else."""
    operation = planned.operation
    if not isinstance(operation, Mix) or not operator_name(operation.node).startswith(_TIMED):
        return None
    return operation.node


def site_of(
    node: fx.Node | None,
    value: torch.Tensor,
    *,
    axis: int,
    channels: int,
    blocks: Collection[int],
    usage: Usage,
    captured_batch: int,
) -> AccessSite:
    """The site of one access.

    Parameters
    ----------
    node : torch.fx.Node or None
        The convolution or linear layer that reads; None where there is no such operator.
    value : torch.Tensor
        What is read, as recorded when the model was captured; sizes may be symbolic.
    axis : int
    channels : int
        Wanted; an access that wants none still reads one.
    blocks : collection of int
        The numbers of features that make up a channel. If there are several, features stand for
        channels.
    usage : Usage
        Its memory format is taken for values with four axes only.
    captured_batch : int
        The batch size of the captured run.
    """
    shape = tuple(_scaled(size, usage.batch, captured_batch) for size in value.shape)
    return AccessSite(
        shape=shape,
        axis=axis,
        channels=max(1, channels),
        block=next(iter(blocks)) if len(blocks) == 1 else 1,
        dtype=str(value.dtype).removeprefix("torch."),
        memory_format=usage.memory_format if len(shape) == 4 else "contiguous",
        multiplied=node is not None and is_multiplied(node, usage),
        device=str(value.device),
        threads=usage.threads,
        **(operator_of(node) if node is not None else {"operator": "copy"}),
    )


def operator_of(node: fx.Node) -> dict[str, Any]:
    """The arguments of :class:`AccessSite` that describe a convolution or linear layer."""
    bound = bind(node)
    weight = bound["weight"].meta["val"]
    found: dict[str, Any] = {"operator": "linear", "out_channels": int(weight.shape[0])}
    if "stride" not in bound:
        return found
    kernel = tuple(int(size) for size in weight.shape[2:])
    spatial = len(kernel)
    dilation = _per_axis(bound["dilation"], spatial)
    padding = bound["padding"]
    if padding == "valid":
        padding = 0
    elif padding == "same":
        # Where one side gets more than the other, the smaller: it makes no difference in time.
        padding = [d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True)]
    return found | {
        "operator": f"conv{spatial}d",
        "kernel": kernel,
        "stride": _per_axis(bound["stride"], spatial),
        "padding": _per_axis(padding, spatial),
        "dilation": dilation,
    }


def _per_axis(value: Any, spatial: int) -> tuple[int, ...]:
    numbers = [value] if isinstance(value, int) else list(value)
    return tuple(numbers * spatial if len(numbers) == 1 else numbers)


def _scaled(size: Any, batch: int, captured: int) -> int:
    """A size for another batch: those that depend on it are whole multiples of it."""
    if isinstance(size, int):
        return size
    hint = size.node.hint
    return max(1, (captured if hint is None else int(hint)) * batch // captured)
