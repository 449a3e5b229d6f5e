"""Random accesses that meet tensors again and again, as after channel shuffles."""

from __future__ import annotations

import numpy as np

from reorder_solver import Access, Instance, Part, Tensor


def shuffled(seed: int, *, several: bool = False, fixed: bool = False, unit: int = 1) -> Instance:
    """Two or three small tensors; each part of an access wants a channel, all or nothing.

    Parameters
    ----------
    seed : int
    several : bool
        Parts may also want some of a tensor's channels.
    fixed : bool
        A tensor may be fixed.
    unit : int
        Common divisor of the weights.
    """
    rng = np.random.default_rng([41, seed])
    sizes = rng.integers(1, 5, size=int(rng.integers(2, 4))).tolist()
    tensors = [
        Tensor(f"t{number}", size, fixed=fixed and bool(rng.random() < 0.4))
        for number, size in enumerate(sizes)
    ]
    accesses = []
    for number in range(int(rng.integers(1, 5))):
        parts = []
        for _ in range(int(rng.integers(1, 7))):
            tensor = int(rng.integers(len(sizes)))
            kind = rng.choice(["none", "one", "one", "one", "all", "some" if several else "one"])
            wanted = {
                "none": [],
                "one": [int(rng.integers(sizes[tensor]))],
                "all": np.arange(sizes[tensor]),
                "some": np.flatnonzero(rng.random(sizes[tensor]) < 0.6),
            }[str(kind)]
            parts.append(Part(f"t{tensor}", wanted))
        accesses.append(Access(f"a{number}", parts, weight=unit * int(rng.integers(0, 4))))
    return Instance("shuffled", tensors, accesses)
