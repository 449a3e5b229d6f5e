"""In place: operators that wrote to their argument in the model may do so again in the export."""

from __future__ import annotations

from torch import fx

from reorder_solver.torch_adapter.functional import IN_PLACE
from reorder_solver.torch_adapter.schema import operator_name
from reorder_solver.torch_adapter.trainable import ORIGIN

#: Key in a node's metadata: True if the node's memory was made for it, whatever operator it calls.
FRESH = "reorder_solver_fresh"

#: Operators that always return memory of their own.
_FRESH = frozenset(
    {
        "aten.conv1d.default", "aten.conv2d.default", "aten.conv3d.default",
        "aten.conv1d.padding", "aten.conv2d.padding", "aten.conv3d.padding",
        "aten.linear.default", "aten.batch_norm.default", "index_select", "aten.add.Tensor",
        "aten.mul.Tensor", "aten.sub.Tensor", "aten.index_add.default",
    }
)  # fmt: skip


def put_back_in_place(graph: fx.Graph) -> None:
    """Write to the first argument where nothing else can look at it.

    That is where the argument was made for this operator alone, by an operator that returns
    fresh memory, or by one that was put back in place itself and that stood right before this
    operator in the model: what it needs of its result for a gradient may not be written to.
    """
    fresh: set[fx.Node] = set()
    written: set[fx.Node] = set()
    for node in graph.nodes:
        if node.meta.get(FRESH) or (node.op == "call_function" and operator_name(node) in _FRESH):
            fresh.add(node)
        writing = node.meta.get(IN_PLACE)
        if writing is None:
            continue
        target = node.args[0] if node.args else None
        if not isinstance(target, fx.Node) or any(
            user is not node and not _asks_for_type(user, target) for user in target.users
        ):
            continue
        if target in fresh or (target in written and _were_neighbours(target, node)):
            node.target = writing
            fresh.discard(node)
            written.add(node)


def _asks_for_type(user: fx.Node, target: fx.Node) -> bool:
    """True for a call that looks at nothing but the type of a value."""
    return user.target == "type_as" and user.args[0] is not target


def _were_neighbours(first: fx.Node, second: fx.Node) -> bool:
    before, after = first.meta.get(ORIGIN), second.meta.get(ORIGIN)
    return before is not None and after is not None and after.args[0] is before
