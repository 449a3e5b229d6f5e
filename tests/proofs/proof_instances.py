"""Small instances whose bounds take a proof: many accesses, along a sequence of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver import Access, Instance, Part, PriceList, Tensor

if TYPE_CHECKING:
    import numpy as np

#: Channels per tensor, in sequence.
_SHAPES = [(6,), (7,), (7,), (4, 3), (3, 4), (2, 3, 2), (5, 2), (4, 4)]


def chain_instance(rng: np.random.Generator) -> Instance:
    """Up to three tensors in a sequence, and accesses to neighbours in it.

    Some accesses are equal, some required, some weigh nothing; a tensor may be fixed, and may
    have a channel that nothing wants.
    """
    shape = _SHAPES[int(rng.integers(len(_SHAPES)))]
    several = len(shape) > 1
    tensors = [
        Tensor(f"t{number}", channels, fixed=bool(rng.random() < 0.25 * several))
        for number, channels in enumerate(shape)
    ]
    unit = int(rng.choice([1, 1, 2, 3, 10**20]))
    accesses: list[Access] = []
    for number in range(int(rng.integers(3, 11))):
        first = int(rng.integers(len(tensors)))
        last = int(rng.integers(first, len(tensors)))
        parts = [_part(rng, tensor) for tensor in tensors[first : last + 1]]
        if accesses and rng.random() < 0.15:
            parts = list(accesses[-1].parts)
        accesses.append(
            Access(
                f"a{number}",
                parts,
                bytes=int(rng.choice([1, 4, 49])),
                weight=unit * int(rng.integers(0, 5)),
                required=bool(rng.random() < 0.07),
                prices=PriceList(split=(int(rng.integers(1, 5)),)),
            )
        )
    return Instance("chain", tensors, accesses)


def _part(rng: np.random.Generator, tensor: Tensor) -> Part:
    wanted = rng.random(tensor.channels) < rng.choice([0.3, 0.5, 0.7, 1.0], p=[0.3, 0.4, 0.2, 0.1])
    wanted[-1] &= bool(rng.random() < 0.5)
    return Part(tensor.id, wanted.nonzero()[0])
