"""Small tour problems and their answers by enumeration."""

from __future__ import annotations

from itertools import permutations

import numpy as np


def random_distances(rng, count, largest=30):
    """A symmetric matrix, metric or not; the diagonal is rubbish."""
    lengths = np.triu(rng.integers(0, largest, size=(count, count)), 1)
    return lengths + lengths.T + np.diag(rng.integers(-5, 5, size=count))


def hamming_distances(rng, count, rows, density=0.4, weights=None):
    """Distances of random 0/1 columns, the last of them zero; duplicates happen."""
    columns = rng.random((count, rows)) < density
    columns[-1] = False
    weights = np.ones(rows, dtype=np.int64) if weights is None else weights
    return ((columns[:, None] != columns[None, :]) * weights).sum(axis=2)


def tour_length(distances, tour):
    """Of a closed tour."""
    return int(distances[tour, np.roll(tour, 1)].sum())


def shortest_tour(distances, closed=None):
    """Length, by enumeration, of a tour that leaves each closed set twice; None if none does."""
    count = len(distances)
    if count < 2:
        return 0
    tours = np.array(list(permutations(range(1, count))), dtype=np.int64)
    tours = np.hstack([np.zeros((len(tours), 1), dtype=np.int64), tours])
    lengths = distances[tours, np.roll(tours, 1, axis=1)].sum(axis=1)
    for inside in [] if closed is None else closed:
        sides = inside[tours]
        lengths = lengths[(sides != np.roll(sides, 1, axis=1)).sum(axis=1) == 2]
        tours = tours[(sides != np.roll(sides, 1, axis=1)).sum(axis=1) == 2]
    return int(lengths.min()) if lengths.size else None
