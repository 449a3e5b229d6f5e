"""Matrix products and Einstein sums: with stored matrices, and of two values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.torch_adapter.contraction import Contraction
from reorder_solver.torch_adapter.mixing import Places
from reorder_solver.torch_adapter.operations import Operand, PerChannel
from reorder_solver.torch_adapter.program import NotUnderstoodError
from reorder_solver.torch_adapter.rules import attention
from reorder_solver.torch_adapter.rules.layers import mix
from reorder_solver.torch_adapter.rules.table import rule
from reorder_solver.torch_adapter.schema import bind

if TYPE_CHECKING:
    from torch import fx

    from reorder_solver.torch_adapter.build import Context, Made
    from reorder_solver.torch_adapter.operations import Place


@dataclass(frozen=True, slots=True)
class Factor:
    """An operand of a product: its place, its node, and a label for each of its axes."""

    place: Place
    node: fx.Node
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """Two factors, the labels of the result, and the place of a bias on its last axis."""

    factors: tuple[Factor, Factor]
    labels: tuple[str, ...]
    bias: Place | None = None


@rule("aten.matmul.default", "aten.mm.default", "aten.bmm.default")
def matrix_product(context: Context, node: fx.Node) -> Made | None:
    """Rows times columns."""
    bound = bind(node)
    other = "other" if "other" in bound else "mat2"
    return _understood(context, node, _matrices(context, bound, "self", other))


@rule("aten.addmm.default")
def shifted_matrix_product(context: Context, node: fx.Node) -> Made | None:
    """With a vector added to every row."""
    bound = bind(node)
    if bound["alpha"] != 1 or bound["beta"] != 1:
        raise NotUnderstoodError("a weighted sum")
    product = _matrices(context, bound, "mat1", "mat2")
    return _understood(context, node, Product(product.factors, product.labels, ("self", None)))


@rule("aten.einsum.default")
def einstein_sum(context: Context, node: fx.Node) -> Made | None:
    """Two operands, labels written out."""
    bound = bind(node)
    equation, operands = bound["equation"].replace(" ", ""), bound["tensors"]
    inputs, arrow, output = equation.partition("->")
    terms = inputs.split(",")
    if len(operands) != 2 or not arrow or "." in equation or bound["path"] is not None:
        raise NotUnderstoodError("an Einstein sum of another form")
    if any(len(set(term)) < len(term) for term in (*terms, output)):
        raise NotUnderstoodError("a label is repeated")
    one, other = (
        Factor(("tensors", place), operand, tuple(term))
        for place, (operand, term) in enumerate(zip(operands, terms, strict=True))
    )
    return _understood(context, node, Product((one, other), tuple(output)))


def _matrices(context: Context, bound: dict[str, Any], left: str, right: str) -> Product:
    """The labels of a batched matrix product; a batch axis that is repeated has one of its own."""
    ranks = [context.rank(bound[name]) for name in (left, right)]
    if min(ranks) < 2:
        raise NotUnderstoodError("a product with a vector")
    batch = max(ranks) - 2
    labels = []
    for name, rank, ends in zip((left, right), ranks, ("ij", "jk"), strict=True):
        shape = context.shape(bound[name])
        own = [
            f"{name}{axis}" if isinstance(shape[axis], int) and shape[axis] == 1
            else f"batch{axis + batch + 2 - rank}"
            for axis in range(rank - 2)
        ]  # fmt: skip
        labels.append((*own, *ends))
    output = [f"batch{axis}" for axis in range(batch)]
    one, other = (
        Factor((name, None), bound[name], own)
        for name, own in zip((left, right), labels, strict=True)
    )
    return Product((one, other), (*output, "i", "k"))


def _understood(context: Context, node: fx.Node, product: Product) -> Made | None:
    one, other = product.factors
    for factor, matrix in ((one, other), (other, one)):
        if matrix.node.op == "get_attr":
            if factor.node.op == "get_attr":
                return None
            return _with_stored(context, node, product, factor, matrix)
    values = [context.value(factor.node) for factor in product.factors]
    if all(value is None for value in values):
        if _of_heads(context, node, product):
            return None
        if context.has_channels(node):
            raise NotUnderstoodError("the channels are on several axes")
        return None
    labels = {
        factor.labels[value.flow.axis]
        for factor, value in zip(product.factors, values, strict=True)
        if value is not None
    }
    if len(labels) > 1:
        raise NotUnderstoodError("the operands have their channels on different axes")
    return _of_values(context, node, product, labels.pop())


def _with_stored(
    context: Context, node: fx.Node, product: Product, factor: Factor, matrix: Factor
) -> Made | None:
    value = context.value(factor.node)
    summed = [label for label in factor.labels if label not in product.labels]
    if value is None and (len(summed) != 1 or factor.node in context.spreads):
        raise NotUnderstoodError("a product over several axes")
    label = summed[0] if value is None else factor.labels[value.flow.axis]
    if label in product.labels:
        return None if value is None else _beside(context, node, product, label)
    made = [own for own in matrix.labels if own not in factor.labels and own in product.labels]
    if label not in matrix.labels or len(made) != 1:
        raise NotUnderstoodError("a product that makes no channels, or on several axes")
    if product.bias is not None and product.labels[-1] != made[0]:
        raise NotUnderstoodError("the bias is not for the channels that are made")
    return mix(
        context,
        node,
        Places(factor.place, matrix.place, product.bias),
        (matrix.labels.index(made[0]), matrix.labels.index(label)),
        channels=factor.labels.index(label),
        made=product.labels.index(made[0]),
        padded=product.bias is None,
    )


def _of_values(context: Context, node: fx.Node, product: Product, label: str) -> Made | None:
    if label in product.labels:
        return _beside(context, node, product, label)
    if any(label not in factor.labels for factor in product.factors):
        raise NotUnderstoodError("sums the channels of one operand")
    sources = [
        (factor.place, context.on_axis(factor.node, factor.labels.index(label)))
        for factor in product.factors
    ]
    (_, one), (_, other) = sources
    if not one.flow.same_sizes(other.flow):
        raise NotUnderstoodError("operands are made of different pieces")
    context.add_sink(node, Contraction(node, sources, "its channels are summed pair by pair"))
    return None


def _of_heads(context: Context, node: fx.Node, product: Product) -> bool:
    """Scores of queries and keys, or values weighted by them."""
    one, other = product.factors
    summed = [label for label in one.labels if label not in product.labels]
    if len(summed) != 1 or summed[0] not in other.labels:
        return False
    if attention.scores(context, node, product, summed[0]):
        return True
    for factor, weights in ((other, one), (one, other)):
        made = [
            label
            for label in factor.labels
            if label in product.labels and label not in weights.labels
        ]
        if len(made) == 1 and attention.weighted(context, node, product, factor, made[0]):
            return True
    return False


def _beside(context: Context, node: fx.Node, product: Product, label: str) -> Made:
    """Each channel by itself."""
    found: list[Operand] = []
    parameters: dict[Place, tuple[str, int]] = {}
    flow = next(
        value.flow
        for factor in product.factors
        if (value := context.value(factor.node)) is not None and label in factor.labels
    )
    for factor in product.factors:
        if label not in factor.labels:
            _refuse_channels(context, factor.node)
            continue
        axis = factor.labels.index(label)
        if factor.node.op == "get_attr":
            context.attribute(factor.node)
            parameters[factor.place] = str(factor.node.target), axis
            continue
        operand = context.on_axis(factor.node, axis)
        if not operand.flow.same_sizes(flow):
            raise NotUnderstoodError("operands are made of different pieces")
        found.append(Operand(factor.place, operand, np.arange(flow.channels)))
    if product.bias is not None:
        raise NotUnderstoodError("a bias on another axis than the channels'")
    return PerChannel(node, found, parameters), flow.on(product.labels.index(label))


def _refuse_channels(context: Context, node: fx.Node) -> None:
    if context.value(node) is not None or node in context.spreads or node in context.pieces:
        raise NotUnderstoodError("the operands have their channels on different axes")
