"""The family ``residual``: residual streams in a chain, and concatenations across them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.core.instance import Access, Part, Role, Tensor
from reorder_solver.generators.drawing import Draft, FloatArray, IntArray, Size, Stream, top
from reorder_solver.generators.parameters import Parameter
from reorder_solver.generators.pricing import model_prices

if TYPE_CHECKING:
    from reorder_solver.generators.parameters import Values

RESIDUAL = {
    "stages": Parameter(3, 1, 100, "residual streams, each one tensor"),
    "channels": Parameter(32, 1, 1 << 20, "channels of the first stream"),
    "widen": Parameter(1, 1, 4, "how many times wider each next stream is"),
    "blocks": Parameter(4, 1, 10_000, "blocks of a stage: each reads the stream and adds to it"),
    "joins": Parameter(2, 0, 10_000, "accesses to several streams end to end (with 2 stages)"),
    "correlation": Parameter(0.5, 0.0, 1.0, "correlation of the scores within a stream"),
    "keep": Parameter(0.5, 0.0, 1.0, "share of the channels that an access keeps"),
    "resolution": Parameter(28, 1, 1 << 12, "height and width of the first stage; then halved"),
    "priced": Parameter(
        default=False, minimum=0, maximum=1, summary="whether accesses have prices"
    ),
}


def residual_draft(values: Values, stream: Stream) -> Draft:
    """Streams with many readers and writers, as in residual and densely connected networks.

    Each block reads some channels of its stream, writes some, and is followed by a pass over
    those that a later read still needs. Joins read runs of streams, like a dense block.
    """
    tensors = [
        Tensor(f"stage{number}", values["channels"] * values["widen"] ** number)
        for number in range(values["stages"])
    ]
    latents = [stream.scores(tensor.channels) for tensor in tensors]
    accesses: list[Access] = []
    for number, tensor in enumerate(tensors):
        accesses += _stage(number, tensor, latents[number], values, stream)
    for number in range(values["joins"] if len(tensors) > 1 else 0):
        first = stream.integer(0, len(tensors) - 2)
        last = stream.integer(first + 1, len(tensors) - 1)
        parts = [
            (tensors[stage], _kept(latents[stage], values, stream))
            for stage in range(first, last + 1)
        ]
        accesses.append(_access(f"join{number}", Role.READ, parts, last, values))
    return Draft(tensors, accesses)


def residual_size(values: Values) -> Size:
    """Bounds on a ``residual`` instance."""
    stages = values["stages"]
    channels = sum(values["channels"] * values["widen"] ** stage for stage in range(stages))
    each = 3 * values["blocks"] + 1
    return Size(channels, stages * each + values["joins"], (each + values["joins"]) * channels)


def _stage(
    number: int, tensor: Tensor, latent: FloatArray, values: Values, stream: Stream
) -> list[Access]:
    reads = [_kept(latent, values, stream) for _ in range(values["blocks"])]
    leaving = _kept(latent, values, stream)
    accesses: list[Access] = []
    for block, read in enumerate(reads):
        written = _kept(latent, values, stream)
        alive = np.unique(np.concatenate([*reads[block + 1 :], leaving]))
        for name, role, channels in (
            ("conv1", Role.READ, read),
            ("conv2", Role.WRITE, written),
            ("relu", Role.PASS, alive),
        ):
            access_id = f"{tensor.id}.{block}.{name}"
            accesses.append(_access(access_id, role, [(tensor, channels)], number, values))
    exit_id = f"{tensor.id}.exit"
    return [*accesses, _access(exit_id, Role.READ, [(tensor, leaving)], number, values)]


def _kept(latent: FloatArray, values: Values, stream: Stream) -> IntArray:
    return top(stream.similar(latent, values["correlation"]), values["keep"])


def _access(
    access_id: str, role: Role, parts: list[tuple[Tensor, IntArray]], stage: int, values: Values
) -> Access:
    size = 4 * max(1, values["resolution"] >> stage) ** 2
    return Access(
        access_id,
        tuple(Part(tensor.id, channels) for tensor, channels in parts),
        role=role,
        bytes=size,
        prices=model_prices(size, role) if values["priced"] else None,
    )
