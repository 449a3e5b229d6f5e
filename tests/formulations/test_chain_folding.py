"""Chains of groups: costs carried from group to group are those of enumeration."""

from __future__ import annotations

from itertools import chain as joined
from itertools import pairwise, permutations, product
from math import inf

import numpy as np
import pytest
from tour_examples import hamming_distances, shortest_tour, tour_length

from formulations.chain_folding import Chain, at_least, choose_core, even_below, path_of
from formulations.entry_bounds import EntryBounds
from formulations.proof_tree import Claim, Edges, Fold, Sieve, Split, check_tree, rebuilt
from formulations.subtour import check_certificate, subtour_bound


def _chain(seed, sizes, core):
    rng = np.random.default_rng([51, seed])
    count = sum(sizes) + 1
    distances = hamming_distances(rng, count, 9, weights=rng.integers(1, 4, size=9))
    starts = np.cumsum([0, *sizes])
    node = np.arange(count)
    inner = [(node >= first) & (node < last) for first, last in pairwise(starts)]
    before = [node < last for last in starts[1:]]
    behind = [(node >= first) & (node < starts[-1]) for first in starts[:-1]]
    return Chain(distances, starts, np.array([*inner, *before, *behind]), core)


def _all_edges(chain):
    tails, heads = np.triu_indices(chain.distances.shape[0], 1)
    return Edges(tails, heads, np.zeros(tails.size, dtype=bool))


def _paths(chain, group):
    nodes = chain.nodes(group, group)
    return [list(path) for path in permutations(nodes.tolist())]


def _length(chain, path):
    return sum(int(chain.distances[a, b]) for a, b in pairwise(path))


def _least(chain):
    """Length of the shortest tour group by group, by enumeration."""
    choices = product(*(_paths(chain, group) for group in range(chain.groups)))
    outside = int(chain.starts[-1])
    return min(_length(chain, [outside, *joined(*choice), outside]) for choice in choices)


def _value(tours):
    """By enumeration, with what all tours have in common."""
    length = shortest_tour(tours.distances, tours.closed)
    return length + sum(tours.bases)


@pytest.mark.parametrize("core", [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2)])
def test_folding_keeps_the_shortest_tour(core):
    """From either end or both, what is left of the chain has the length of the whole."""
    for seed in range(4):
        chain = _chain(seed, (2, 3, 2), core)
        best = _least(chain)
        goal = best + 10

        def fold(groups, chain=chain, goal=goal):
            costs = chain.outside(chain.nodes(groups.start, groups.start))
            for group in groups:
                near = group + groups.step
                own = chain.outside(chain.nodes(group, group))
                values = np.array(
                    [
                        _value(chain.stage(group, entry, costs, goal)) - own[entry]
                        for entry in range(own.size)
                    ]
                )
                allowed = chain.junction(min(group, near), _all_edges(chain))
                assert allowed.all()
                allowed = allowed.T if near > group else allowed
                nothing = np.zeros(own.size, dtype=bool)
                costs, _ = chain.crossing(near, group, allowed, values, nothing, goal)
            return costs

        behind = fold(range(chain.groups - 1, core[1], -1))
        before = fold(range(core[0]))
        assert _value(chain.core_tours(behind, before, goal)) == best


def test_steps_that_are_not_allowed_cost_the_goal():
    """A node from which no edge is left costs the goal, or one more where lengths are odd."""
    chain = _chain(7, (3, 3), (0, 0))
    values = np.array([4, 6, 5])
    allowed = np.array([[True, False, False], [False, False, False], [True, True, True]])
    nothing = np.zeros(3, dtype=bool)
    costs, entries = chain.crossing(0, 1, allowed, values, nothing, 100)
    far = chain.distances[:3, 3:6]
    assert costs[0] == far[0, 0] + 4
    assert entries[0] == 0
    assert costs[1] == at_least(100, chain.outside(np.array([1])))[0]
    assert costs[2] == (far[2] + values).min()


def test_preferred_entries_are_taken_where_others_cost_the_same():
    """A tie goes to the entry whose path is known."""
    chain = _chain(8, (2, 3), (0, 0))
    far = chain.distances[:2, 2:5]
    values = 50 - far[0]
    allowed = np.ones((2, 3), dtype=bool)
    for entry in range(3):
        _, entries = chain.crossing(0, 1, allowed, values, np.arange(3) == entry, 10**6)
        assert entries[0] == entry


def test_only_listed_edges_are_allowed():
    """Edges between other groups, or within one, allow nothing."""
    chain = _chain(9, (2, 2, 2), (0, 0))
    edges = Edges(np.array([0, 0, 1, 3]), np.array([1, 2, 5, 4]), np.zeros(4, dtype=bool))
    assert chain.junction(0, edges).tolist() == [[True, False], [False, False]]
    assert chain.junction(1, edges).tolist() == [[False, False], [True, False]]
    assert chain.junction(1, None).all()


def test_entry_bounds_are_proven_and_tight():
    """For every entry, after any other, the bound holds for what enumeration finds."""
    tight = total = 0
    for seed in range(12):
        chain = _chain(20 + seed, (1, 6), (0, 0))
        rng = np.random.default_rng([52, seed])
        own = chain.outside(chain.nodes(1, 1))
        away = at_least(0, own) + 2 * rng.integers(0, 9, size=6)
        first = chain.stage(1, 0, away, 60)
        bounds = EntryBounds(first, own, lambda: inf)
        for entry in rng.integers(0, 6, size=8).tolist():
            tours = chain.stage(1, entry, away, 60)
            bound, certificate = bounds.bound(tours, entry)
            assert check_certificate(tours.distances, certificate, 2, tours.closed) == bound
            best = shortest_tour(tours.distances, tours.closed)
            assert bound <= best
            tight += bound == best
            total += 1
    assert tight > 0.8 * total


def test_entry_bounds_out_of_time():
    """Without time there is no bound."""
    chain = _chain(3, (1, 6), (0, 0))
    own = chain.outside(chain.nodes(1, 1))
    tours = chain.stage(1, 2, own, 60)
    assert EntryBounds(tours, own, lambda: 0.0).bound(tours, 2) is None


def test_lifted_proofs_prove_the_bases_as_well():
    """What all tours have in common goes into the terminals' numbers, and nothing else changes."""
    for seed in range(6):
        chain = _chain(40 + seed, (2, 5), (1, 1))
        own = chain.outside(chain.nodes(1, 1))
        before, behind = own + 2 * seed + 40, own + 200
        tours = chain.core_tours(behind, before, 1000)
        assert tours.bases == (even_below(before), even_below(behind))
        found = subtour_bound(tours.distances, step=2, closed=tours.closed)
        whole = tours.distances.copy()
        for place, base in zip((-2, -1), tours.bases, strict=True):
            whole[:-2, place] += base
            whole[place, :-2] += base
        lifted = tours.lifted(found.certificate)
        proven = check_certificate(whole, lifted, 2, tours.closed)
        assert proven == found.bound + sum(tours.bases)


def test_a_proof_is_rebuilt_from_its_ends():
    """Every entry is met once what it holds is made."""
    certificate = subtour_bound(_chain(1, (2, 4), (0, 0)).distances).certificate
    fold = Fold(9, (), ((Claim(0, 1, certificate),),), certificate)
    tree = Sieve(certificate, Split(0, 1, certificate, Sieve(certificate, fold)))
    made = rebuilt(
        tree,
        end=lambda _: "end",
        split=lambda tail, head, apart, adjacent: f"split {tail} {head} ({apart}, {adjacent})",
        sieve=lambda _, rest: f"sieve ({rest})",
        fold=lambda each: f"fold {each.goal}",
    )
    assert made == "sieve (split 0 1 (end, sieve (fold 9)))"


def test_paths_of_tours():
    """The path between the terminals comes out the same, wherever and whichever way a tour goes."""
    tour = np.array([4, 2, 0, 1, 3, 5])
    for shift in range(6):
        rolled = np.roll(tour, shift)
        assert path_of(rolled).tolist() == path_of(rolled[::-1]).tolist() == [2, 0, 1, 3]
    assert tour_length(np.ones((6, 6)), tour) == 6


def test_choice_of_the_core():
    """All groups that sets cut or that are too large, with those between; else a largest one."""
    starts = np.array([0, 3, 7, 9, 12])
    none = np.zeros((0, 13), dtype=bool)
    assert choose_core(starts, none, 9) == (1, 1)
    assert choose_core(starts, none, 2) == (0, 3)
    cut = np.zeros((2, 13), dtype=bool)
    cut[0, 3:7] = cut[0, 8] = True
    assert choose_core(starts, cut, 9) == (2, 2)
    cut[1, 0] = True
    assert choose_core(starts, cut, 9) == (0, 2)


def test_check_tree_refuses_folds():
    """Its groups are not known to it."""
    chain = _chain(2, (2, 3), (1, 1))
    certificate = subtour_bound(chain.distances).certificate
    fold = Fold(10, ((Claim(0, 1, certificate),),), (), certificate)
    with pytest.raises(ValueError, match="chain of groups"):
        check_tree(chain.distances, fold, 4)
