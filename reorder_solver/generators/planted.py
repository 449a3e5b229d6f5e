"""The family ``planted``: a hidden layout under which all accesses but the noise are views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.core.instance import Part, Tensor
from reorder_solver.generators.drawing import Draft, IntArray, Size, Stream
from reorder_solver.generators.independent import SIZES, named_tensors, sized_access
from reorder_solver.generators.parameters import Parameter

if TYPE_CHECKING:
    from reorder_solver.generators.parameters import Values

PLANTED = {
    **SIZES,
    "accesses": Parameter(8, 0, 100_000, "accesses to one tensor each, all views when hidden"),
    "joined": Parameter(0, 0, 100_000, "accesses to all tensors end to end, views too"),
    "noise": Parameter(0, 0, 100_000, "accesses to scattered channels, as many as a view has"),
    "shortest": Parameter(0.1, 0.0, 1.0, "least share of the channels that an access wants"),
    "longest": Parameter(0.5, 0.0, 1.0, "largest share of the channels that an access wants"),
}


def planted_draft(values: Values, stream: Stream) -> Draft:
    """Intervals of a hidden order of each tensor, and accesses that fit no order.

    The metadata tell the secret: ``planted.layout``, the hidden orders, and ``planted.views``,
    the accesses that are views under it. So ``copies`` costs at most the noise accesses, and
    nothing without noise.
    """
    if values["shortest"] > values["longest"]:
        raise InputError("parameter shortest must not be above longest")
    tensors = named_tensors(values)
    hidden = {tensor.id: stream.permutation(tensor.channels) for tensor in tensors}
    kinds = ["view"] * values["accesses"] + ["joined"] * values["joined"]
    kinds += ["noise"] * values["noise"]
    accesses = []
    views: list[str] = []
    # Shuffled, so that neither the place of an access nor its id tells its kind.
    for number, kind in enumerate(kinds[index] for index in stream.permutation(len(kinds))):
        some = tensors if kind == "joined" else [tensors[stream.integer(0, len(tensors) - 1)]]
        parts = _parts(some, hidden, kind, values, stream)
        accesses.append(sized_access(f"a{number}", parts, values, stream))
        if kind != "noise":
            views.append(f"a{number}")
    layout = {key: order.tolist() for key, order in hidden.items()}
    return Draft(tensors, accesses, {"planted": {"layout": layout, "views": views}})


def planted_size(values: Values) -> Size:
    """Bounds on a ``planted`` instance."""
    single, joined = values["accesses"] + values["noise"], values["joined"]
    wanted = (single + joined * values["tensors"]) * values["channels"]
    return Size(values["tensors"] * values["channels"], single + joined, wanted)


def _parts(
    tensors: list[Tensor], hidden: dict[str, IntArray], kind: str, values: Values, stream: Stream
) -> list[Part]:
    """An interval of the hidden orders laid end to end, or as many scattered channels."""
    positions = sum(tensor.channels for tensor in tensors)
    shortest = max(1, int(values["shortest"] * positions))
    length = stream.integer(shortest, max(shortest, int(values["longest"] * positions)))
    begin = stream.integer(0, positions - length)
    parts = []
    for tensor in tensors:
        order = stream.permutation(tensor.channels) if kind == "noise" else hidden[tensor.id]
        wanted = order[max(0, begin) : max(0, begin + length)]
        parts.append(Part(tensor.id, np.sort(wanted)))
        begin -= tensor.channels
    return parts
