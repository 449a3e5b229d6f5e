"""Branch and cut: it finds tours below a goal where there are any, and else proves it."""

from __future__ import annotations

import time
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from tour_examples import hamming_distances, random_distances, shortest_tour, tour_length

from formulations.proof_tree import Sieve, Split, check_tree
from formulations.subtour import check_certificate, subtour_bound
from formulations.subtour_certificate import Certificate
from formulations.tour_search import StoppedError, TourSearch


def _forever():
    return inf


def _search(distances, goal, step=1, closed=None):
    root = subtour_bound(distances, step=step, closed=closed)
    search = TourSearch(
        distances, root.certificate, goal=goal, step=step, closed=closed, seconds=_forever
    )
    search.split(10_000)
    return search


def _random_closed(rng, count):
    """Sets that some tour leaves just twice: intervals of a random order without the last node."""
    order = rng.permutation(count - 1)
    closed = np.zeros((2, count), dtype=bool)
    for row in closed:
        first, last = np.sort(rng.integers(0, count - 1, size=2))
        row[order[first : last + 1]] = True
    return closed[closed.sum(axis=1) > 0]


@pytest.mark.parametrize("dive", [False, True])
def test_finds_the_shortest_tour_or_proves_it(dive):
    """With the optimum plus one as goal it finds a tour; with the optimum, a checked proof."""
    splits = 0
    for seed in range(60):
        rng = np.random.default_rng([41, seed])
        distances = random_distances(rng, int(rng.integers(4, 9)), int(rng.choice([3, 9, 10**6])))
        best = shortest_tour(distances)
        root = subtour_bound(distances)
        search = TourSearch(distances, root.certificate, goal=best + 1, seconds=_forever)
        if dive:
            search.dive()
        if search.tour is None:
            search.split(10_000)
        assert tour_length(distances, search.tour) == best
        proof = _search(distances, best)
        assert proof.tour is None
        check_tree(distances, proof.tree, best)
        splits += isinstance(proof.tree.rest, Split)
        with pytest.raises(ValueError, match="does not reach"):
            check_tree(distances, proof.tree, best + 1)
    assert splits >= 1


def test_even_tours():
    """With steps of two the goal is the next even length."""
    for seed in range(40):
        rng = np.random.default_rng([42, seed])
        distances = hamming_distances(rng, int(rng.integers(4, 9)), int(rng.integers(2, 12)))
        best = shortest_tour(distances)
        check_tree(distances, _search(distances, best, 2).tree, best, 2)
        assert tour_length(distances, _search(distances, best + 2, 2).tour) == best


def test_closed_sets():
    """Tours keep closed sets together; the bound and the proofs are of such tours alone."""
    negative = 0
    for seed in range(60):
        rng = np.random.default_rng([43, seed])
        count = int(rng.integers(5, 9))
        distances = hamming_distances(rng, count, int(rng.integers(2, 12)))
        closed = _random_closed(rng, count)
        best = shortest_tour(distances, closed)
        bound = subtour_bound(distances, step=2, closed=closed)
        assert bound.bound <= best
        assert check_certificate(distances, bound.certificate, 2, closed) == bound.bound
        negative += bool((bound.certificate.sets < 0).any())
        search = _search(distances, best, 2, closed)
        assert search.tour is None
        check_tree(distances, search.tree, best, 2, closed)
        found = _search(distances, best + 2, 2, closed).tour
        assert tour_length(distances, found) == best
        inside = closed[:, found]
        assert ((inside != np.roll(inside, 1, axis=1)).sum(axis=1) == 2).all()
    assert negative >= 3


def test_negative_numbers_of_sets_that_are_not_closed():
    """A dual solution for closed sets proves nothing where these are not known to be closed."""
    refused = 0
    for seed in range(30):
        rng = np.random.default_rng([43, seed])
        count = int(rng.integers(5, 9))
        distances = hamming_distances(rng, count, int(rng.integers(2, 12)))
        closed = _random_closed(rng, count)
        certificate = subtour_bound(distances, step=2, closed=closed).certificate
        if (certificate.sets < 0).any():
            with pytest.raises(ValueError, match="negative"):
                check_certificate(distances, certificate, 2)
            with pytest.raises(ValueError, match="negative"):
                check_tree(distances, Sieve(certificate, certificate), 0, 2)
            refused += 1
    assert refused


def _larger():
    rng = np.random.default_rng(44)
    return hamming_distances(rng, 120, 60, density=0.06)


def test_larger_matrices():
    """With a hundred nodes: a tour as short as the bound, which may rise; the same each time."""
    distances = _larger()
    root = subtour_bound(distances, step=2)
    goal, tours = root.bound, []
    while not tours:
        goal += 2
        for _ in range(2):
            search = TourSearch(distances, root.certificate, goal=goal, step=2, seconds=_forever)
            search.dive()
            search.split(200)
            if search.tour is None:
                check_tree(distances, search.tree, goal, 2)
            else:
                tours.append(search.tour)
    first, second = tours
    assert np.array_equal(first, second)
    assert tour_length(distances, first) == goal - 2


def test_in_turns_is_the_same():
    """Case by case, the search ends like in one go."""
    for seed in range(10):
        rng = np.random.default_rng([41, seed])
        distances = random_distances(rng, 8, 9)
        best = shortest_tour(distances)
        root = subtour_bound(distances)
        search = TourSearch(distances, root.certificate, goal=best, seconds=_forever)
        while search.tree is None:
            search.split(1)
        check_tree(distances, search.tree, best)
        assert search.cases == _search(distances, best).cases


def test_no_time():
    """Without time the search stops, and claims nothing."""
    distances = _larger()
    root = subtour_bound(distances, step=2)
    end = time.monotonic()
    search = TourSearch(
        distances, root.certificate, goal=10**6, seconds=lambda: end - time.monotonic()
    )
    with pytest.raises(StoppedError):
        search.split(5)
    with pytest.raises(StoppedError):
        search.dive()
    assert search.tour is None
    assert search.tree is None


def _corrupted(tree, rng):
    """A tree with one thing changed."""
    if isinstance(tree, Certificate):
        nodes = tree.nodes.copy()
        nodes[rng.integers(nodes.size)] += (1 << tree.exponent) * int(rng.integers(1, 4))
        return replace(tree, nodes=nodes)
    if isinstance(tree, Sieve):
        if rng.random() < 0.5:
            return Sieve(_corrupted(tree.certificate, rng), tree.rest)
        return Sieve(tree.certificate, _corrupted(tree.rest, rng))
    choice = rng.random()
    if choice < 0.3:
        return replace(tree, apart=tree.adjacent, adjacent=tree.apart)
    if choice < 0.65:
        return replace(tree, apart=_corrupted(tree.apart, rng))
    return replace(tree, adjacent=_corrupted(tree.adjacent, rng))


def test_no_tree_proves_too_much():
    """Whatever is changed in a proof, it never proves more than the optimum."""
    kept = 0
    for seed in range(40):
        rng = np.random.default_rng([45, seed])
        distances = random_distances(rng, 7, 9)
        best = shortest_tour(distances)
        tree = _search(distances, best).tree
        for _ in range(20):
            tree = _corrupted(tree, rng)
            try:
                check_tree(distances, tree, best)
                kept += 1
            except ValueError:
                pass
            with pytest.raises(ValueError, match="reach"):
                check_tree(distances, tree, best + 1)
    assert kept
