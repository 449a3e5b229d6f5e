"""Ends of tensors: what junctions save, against trying all."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from formulations.junctions import Junction, Junctions

EXPONENT = 20


def random_junctions(seed: int) -> tuple[Junctions, list[int]]:
    """Some junctions of up to three tensors, and how many classes these have."""
    rng = np.random.default_rng([42, seed])
    sizes = rng.integers(2, 5, size=int(rng.integers(1, 4))).tolist()
    made = []
    for _ in range(int(rng.integers(1, 12))):
        ends = []
        for _ in range(2):
            tensor = int(rng.integers(len(sizes)))
            some = rng.permutation(sizes[tensor])[: int(rng.integers(1, sizes[tensor]))]
            ends.append((tensor, tuple(some.tolist())) if rng.random() < 0.9 else None)
        made.append(Junction(int(rng.integers(1, 9)), *ends))
    return Junctions(made), sizes


def most_by_trying(model: Junctions, sizes: list[int]) -> int:
    """Every first and last class of every tensor."""
    ends = [permutations(range(size), 2) for size in sizes]
    return max(
        sum(
            junction.weight
            for junction in model.junctions
            if (junction.last is None or chosen[junction.last[0]][0] in junction.last[1])
            and (junction.first is None or chosen[junction.first[0]][1] in junction.first[1])
        )
        for chosen in product(*ends)
    )


@pytest.mark.parametrize("seed", range(60))
def test_most_is_what_trying_finds(seed: int) -> None:
    """And no shares prove less, whatever they are."""
    model, sizes = random_junctions(seed)
    most = most_by_trying(model, sizes)
    found = model.solve()
    assert (found.most, found.is_best) == (most, True)
    assert model.most_saved(model.shares(EXPONENT), EXPONENT) >= most << EXPONENT
    rng = np.random.default_rng(seed)
    other = [int(rng.integers(0, junction.weight + 1)) for junction in model.junctions]
    assert model.most_saved(other, 0) >= most


def test_shares_of_the_relaxation_are_mostly_tight() -> None:
    """Rounded down they prove the optimum of most."""
    tight = 0
    for seed in range(60):
        model, sizes = random_junctions(seed)
        proven = model.most_saved(model.shares(EXPONENT), EXPONENT) >> EXPONENT
        tight += proven == most_by_trying(model, sizes)
    assert tight >= 40


def test_halves_where_time_is_up() -> None:
    """Any shares will do."""
    ends = (0, (0,)), (1, (0,))
    model = Junctions([Junction(2, *ends), Junction(4, *reversed(ends))])
    assert model.most_saved(model.shares(1, time_limit=0.0), 1) >> 1 in {4, 6}


def test_nothing_to_choose() -> None:
    """Junctions of whole tensors are always joined."""
    model = Junctions([Junction(3, None, None)])
    assert model.solve().most == 3
    assert model.most_saved(model.shares(4), 4) == 3 << 4
    assert Junctions([]).solve().most == 0


def test_no_time_for_so_much() -> None:
    """No programme is built then; what is said without one holds."""
    ends = (0, tuple(range(60_000))), (1, tuple(range(60_000)))
    model = Junctions([Junction(3, *ends), Junction(5, *reversed(ends))])
    found = model.solve(time_limit=0.5)
    assert (found.most, found.lasts, found.firsts, found.is_best) == (8, {}, {}, False)
    shares = model.shares(4, time_limit=0.5)
    assert shares == [24, 40]
    assert model.most_saved(shares, 4) == 8 << 4
