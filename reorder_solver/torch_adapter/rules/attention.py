"""Attention, as one operator or written out as two products."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import fx

from reorder_solver.torch_adapter.attention import Pairs, Scores, Weighted
from reorder_solver.torch_adapter.flow import Flow
from reorder_solver.torch_adapter.heads import Operand, gathered, origin, spread_heads
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.build import Context
    from reorder_solver.torch_adapter.rules.products import Factor, Product


@rule("aten.scaled_dot_product_attention.default")
def scaled_dot_product_attention(context: Context, node: fx.Node) -> None:
    """Heads of values, queries and keys, if views alone made them of values with channels."""
    bound = bind(node)
    if bound["dropout_p"] != 0 or bound.get("enable_gqa"):
        raise NotUnderstoodError("heads are dropped at random or shared")
    rank = context.rank(bound["query"])
    found = [operand(context, bound[name], rank - 1) for name in ("query", "key", "value")]
    if any(one is None for one in found):
        raise NotUnderstoodError("its operands do not come straight from layers")
    query, key, values = (one for one in found if one is not None)
    mask = bound["attn_mask"]
    if mask is not None and (not isinstance(mask, fx.Node) or _carries(context, mask)):
        raise NotUnderstoodError("its mask has channels")
    heads = {one.heads.head for one in (query, key, values)}
    counts = {len(one.heads.labels) for one in (query, key, values)}
    together = gathered(node, values.heads.head, values.heads.feature)
    if len(heads) > 1 or len(counts) > 1 or together is None:
        raise NotUnderstoodError("its heads do not fit each other, or stay apart")
    scale = bound["scale"]
    if scale is None:
        scale = 1 / math.sqrt(query.heads.labels.shape[1])
    operation = Weighted(
        node,
        values,
        together,
        ("value", None),
        pairs=Pairs(query, key, into_softmax=True),
        mask=mask,
        settings={"scale": scale, "is_causal": bound["is_causal"]},
    )
    flow = Flow.single(together.axis, values.heads.labels.size)
    context.foreseen[together.node] = operation, flow


def operand(context: Context, node: fx.Node, feature: int) -> Operand | None:
    """What an attention is given, traced back to a value with channels."""
    source, steps, factor = origin(node)
    value = context.value(source)
    if value is None:
        return None
    heads = spread_heads(value, steps, context.shape(node), feature)
    return None if heads is None else Operand(value, heads, factor)


def _carries(context: Context, node: fx.Node) -> bool:
    return context.value(node) is not None or node in context.spreads or node in context.pieces


def scores(context: Context, node: fx.Node, product: Product, label: str) -> bool:
    """Record a product over the features of heads, which have a label; False if it is none."""
    found = [
        operand(context, factor.node, factor.labels.index(label)) for factor in product.factors
    ]
    if any(one is None for one in found):
        return False
    query, key = (one for one in found if one is not None)
    heads = [
        None if one.heads.head is None else factor.labels[one.heads.head]
        for one, factor in zip((query, key), product.factors, strict=True)
    ]
    fit = query.heads.labels.shape == key.heads.labels.shape and heads[0] == heads[1]
    if not fit or (heads[0] is not None and heads[0] not in product.labels):
        return False
    places = product.factors[0].place, product.factors[1].place
    context.add_sink(node, Scores(node, Pairs(query, key, into_softmax=False), places))
    return True


def weighted(context: Context, node: fx.Node, product: Product, factor: Factor, label: str) -> bool:
    """Foresee values weighted by scores; False if they are not spread over heads."""
    found = operand(context, factor.node, factor.labels.index(label))
    others = [one.node for one in product.factors if one is not factor]
    if found is None or any(_carries(context, one) for one in others):
        return False
    head = None
    if found.heads.head is not None:
        if factor.labels[found.heads.head] not in product.labels:
            return False
        head = product.labels.index(factor.labels[found.heads.head])
    together = gathered(node, head, product.labels.index(label))
    if together is None:
        return False
    made = Weighted(node, found, together, factor.place)
    context.foreseen[together.node] = made, Flow.single(together.axis, found.heads.labels.size)
    return True
