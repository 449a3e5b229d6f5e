"""Families on independent tensors: ``random`` subsets, and ``correlated`` scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.instance import Access, Part, Tensor
from reorder_solver.generators.drawing import Draft, Size, Stream, top
from reorder_solver.generators.parameters import Parameter

if TYPE_CHECKING:
    from reorder_solver.generators.parameters import Values

#: Parameters that several families share.
SIZES = {
    "tensors": Parameter(1, 1, 1000, "number of tensors"),
    "channels": Parameter(64, 1, 1 << 20, "channels of each tensor"),
    "max_bytes": Parameter(1, 0, 1 << 40, "bytes of an access: drawn from 1 up to this"),
    "max_weight": Parameter(1, 0, 1 << 40, "weight of an access: drawn from 1 up to this"),
}

RANDOM = {
    **SIZES,
    "accesses": Parameter(8, 0, 100_000, "number of accesses"),
    "density": Parameter(0.5, 0.0, 1.0, "probability that an access wants a channel"),
    "max_parts": Parameter(1, 1, 1000, "parts of an access: drawn from 1 up to this"),
}

CORRELATED = {
    **SIZES,
    "readers": Parameter(4, 0, 100_000, "accesses to each tensor"),
    "correlation": Parameter(0.9, 0.0, 1.0, "correlation of the scores of two readers"),
    "keep": Parameter(0.5, 0.0, 1.0, "share of the channels a reader keeps: its highest scores"),
}


def random_draft(values: Values, stream: Stream) -> Draft:
    """Every access wants each channel of its tensors with the same probability."""
    tensors = named_tensors(values)
    accesses = []
    for number in range(values["accesses"]):
        count = stream.integer(1, min(values["max_parts"], len(tensors)))
        parts = [
            Part(tensors[index].id, stream.subset(values["channels"], values["density"]))
            for index in stream.permutation(len(tensors))[:count].tolist()
        ]
        accesses.append(sized_access(f"a{number}", parts, values, stream))
    return Draft(tensors, accesses)


def correlated_draft(values: Values, stream: Stream) -> Draft:
    """Readers of one tensor score its channels alike, and keep the highest scores."""
    tensors = named_tensors(values)
    accesses = []
    for tensor in tensors:
        latent = stream.scores(tensor.channels)
        for number in range(values["readers"]):
            kept = top(stream.similar(latent, values["correlation"]), values["keep"])
            part = Part(tensor.id, kept)
            accesses.append(sized_access(f"{tensor.id}.r{number}", [part], values, stream))
    return Draft(tensors, accesses)


def random_size(values: Values) -> Size:
    """Bounds on a ``random`` instance."""
    channels, accesses = values["channels"], values["accesses"]
    parts = min(values["max_parts"], values["tensors"])
    return Size(values["tensors"] * channels, accesses, accesses * parts * channels)


def correlated_size(values: Values) -> Size:
    """Bounds on a ``correlated`` instance."""
    channels = values["tensors"] * values["channels"]
    return Size(channels, values["tensors"] * values["readers"], channels * values["readers"])


def named_tensors(values: Values) -> list[Tensor]:
    """Tensors ``t0``, ``t1`` ... of equal width."""
    return [Tensor(f"t{number}", values["channels"]) for number in range(values["tensors"])]


def sized_access(access_id: str, parts: list[Part], values: Values, stream: Stream) -> Access:
    """A read with drawn bytes and weight."""
    most_bytes, most_weight = values["max_bytes"], values["max_weight"]
    return Access(
        access_id,
        tuple(parts),
        bytes=stream.integer(min(1, most_bytes), most_bytes),
        weight=stream.integer(min(1, most_weight), most_weight),
    )
