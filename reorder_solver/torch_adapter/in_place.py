"""In place: operators that wrote to their argument in the model may do so again in the export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.torch_adapter.functional import IN_PLACE
from reorder_solver.torch_adapter.schema import operator_name

if TYPE_CHECKING:
    from torch import fx

#: Operators that always return memory of their own.
_FRESH = frozenset(
    {
        "aten.conv1d.default", "aten.conv2d.default", "aten.conv3d.default",
        "aten.conv1d.padding", "aten.conv2d.padding", "aten.conv3d.padding",
        "aten.linear.default", "aten.batch_norm.default", "index_select", "aten.add.Tensor",
        "aten.mul.Tensor", "aten.sub.Tensor",
    }
)  # fmt: skip


def put_back_in_place(graph: fx.Graph) -> None:
    """Write to the first argument where nothing else can look at it.

    That is where the argument was made for this operator alone, by an operator that returns
    fresh memory or by one that was put back in place itself.
    """
    own: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "call_function" and operator_name(node) in _FRESH:
            own.add(node)
        writing = node.meta.get(IN_PLACE)
        if writing is None:
            continue
        target = node.args[0] if node.args else None
        if target in own and len(target.users) == 1:
            node.target = writing
            own.add(node)
