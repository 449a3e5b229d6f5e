"""Small random instances that reach every corner of the problem, from one seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver import Access, Instance, Part, PriceList, Tensor

if TYPE_CHECKING:
    import numpy as np

#: Channels per tensor; small enough for brute force over all of them together.
SHAPES = [(1,), (3,), (5,), (6,), (7,), (2, 2), (4, 3), (5, 2), (3, 1), (2, 2, 2), (3, 3, 2)]


def random_instance(rng: np.random.Generator, *, required: bool = True) -> Instance:
    """Between one and three tensors, up to six accesses, every optional field in play.

    Parameters
    ----------
    rng : numpy.random.Generator
    required : bool
        Whether accesses may be required (about one in eight then is).
    """
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    tensors = [
        Tensor(f"t{number}", channels, fixed=bool(rng.random() < 0.1))
        for number, channels in enumerate(shape)
    ]
    accesses = []
    for number in range(int(rng.integers(1, 7))):
        # With replacement: a tensor may be concatenated with itself.
        chosen = rng.integers(len(tensors), size=int(rng.choice([1, 1, 2, 3])))
        parts = [_part(rng, tensors[int(each)]) for each in chosen]
        if accesses and rng.random() < 0.1:
            parts = list(accesses[-1].parts)
        accesses.append(
            Access(
                f"a{number}",
                parts,
                bytes=int(rng.choice([1, 4, 49, 784])),
                weight=int(rng.integers(0, 4)),
                required=required and bool(rng.random() < 0.12),
                prices=_prices(rng),
            )
        )
    return Instance("random", tensors, accesses)


def _part(rng: np.random.Generator, tensor: Tensor) -> Part:
    share = rng.choice([0.0, 0.3, 0.5, 0.8, 1.0], p=[0.05, 0.25, 0.4, 0.2, 0.1])
    return Part(tensor.id, (rng.random(tensor.channels) < share).nonzero()[0])


def _prices(rng: np.random.Generator) -> PriceList:
    """At least one priced mode, with coefficients small enough for modes to compete."""
    while True:
        given = {
            mode: [int(value) for value in rng.integers(0, 10, size=arity)]
            for mode, arity in (("gather", 2), ("cat", 3), ("cover", 1), ("split", 1))
            if rng.random() < 0.5
        }
        if given:
            return PriceList.from_mapping(given)
