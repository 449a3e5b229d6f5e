"""Programmes in files: read back by other readers, with the optimum of brute force."""

from __future__ import annotations

import subprocess
from itertools import pairwise, permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from brute_force import brute_force
from random_instances import random_instance

import reorder_solver as rs
from formulations.cbc import cbc_path
from formulations.engines import import_pulp
from reorder_solver import Access, Instance, Objective, Part, Tensor
from reorder_solver.formats.tsplib import tsplib_text
from reorder_solver.programmes import runs_programme, tour_programme, views_programme

if TYPE_CHECKING:
    from pathlib import Path

    from reorder_solver.programmes import Programme


def one_tensor(seed: int, channels: int = 6, unit: int = 1) -> Instance:
    """Accesses to one tensor, the last two equal, and a second tensor that has no choice."""
    rng = np.random.default_rng([51, seed])
    sets = [np.flatnonzero(rng.random(channels) < 0.5) for _ in range(5)]
    accesses = [
        Access(f"a{number}", [Part("x", wanted)], weight=unit * int(rng.integers(1, 4)))
        for number, wanted in enumerate([*sets, sets[-1]])
    ]
    free = Access("free", [Part("y", [0])])
    return Instance("random: x", [Tensor("y", 2), Tensor("x", channels)], [*accesses, free])


def read_tsplib(data: bytes) -> tuple[dict[str, str], np.ndarray]:
    """Header and full matrix of a file with a lower triangle, by the letter of TSPLIB."""
    head, _, body = data.decode("ascii").partition("EDGE_WEIGHT_SECTION\n")
    header = {}
    for line in head.splitlines():
        key, colon, value = line.partition(":")
        assert colon
        header[key.strip()] = value.strip()
    count = int(header["DIMENSION"])
    numbers, _, end = body.partition("EOF")
    assert end == "\n"
    lengths = np.zeros((count, count), dtype=np.int64)
    lengths[np.tril_indices(count)] = [int(each) for each in numbers.split()]
    return header, lengths + np.tril(lengths, -1).T


def cbc_optimum(programme: Programme, path: Path) -> int:
    """What CBC's own reader and search make of the file."""
    path.write_bytes(programme.data)
    answer = path.with_suffix(".sol")
    command = [cbc_path(), str(path), "-solve", "-solution", str(answer)]
    subprocess.run(command, check=True, capture_output=True)
    heading = answer.read_text(encoding="utf-8").splitlines()[0]
    assert heading.startswith("Optimal - objective value")
    return round(float(heading.split()[-1]))


@pytest.mark.parametrize("unit", [1, 5])
def test_shortest_tour_in_the_file_is_the_optimum(unit: int) -> None:
    """The lengths as read back have, over all tours, the least cost of brute force."""
    for seed in range(6):
        instance = one_tensor(seed, unit=unit)
        programme = tour_programme(instance)
        header, lengths = read_tsplib(programme.data)
        assert header["TYPE"] == "TSP"
        assert (header["EDGE_WEIGHT_TYPE"], header["EDGE_WEIGHT_FORMAT"]) == (
            "EXPLICIT",
            "LOWER_DIAG_ROW",
        )
        assert len(programme.columns) == len(lengths) - 1
        assert not lengths.diagonal().any()
        last = len(lengths) - 1
        tours = [(last, *order, last) for order in permutations(range(last))]
        shortest = min(sum(lengths[a, b] for a, b in pairwise(t)) for t in tours)
        best = brute_force(instance, "runs")
        assert best is not None
        assert programme.cost(int(shortest)) == best[0]


def test_a_tour_leads_back_to_a_layout() -> None:
    """The channels behind the nodes, laid end to end, cost what the tour's length says."""
    rng = np.random.default_rng(1)
    for seed in range(6):
        instance = one_tensor(seed, channels=9)
        programme = tour_programme(instance, "x")
        _, lengths = read_tsplib(programme.data)
        order = rng.permutation(len(programme.columns)).tolist()
        tour = [len(order), *order, len(order)]
        length = sum(int(lengths[a, b]) for a, b in pairwise(tour))
        placed = [channel for node in order for channel in programme.columns[node]]
        unused = sorted(set(range(9)) - set(placed))
        layout = rs.Layout({"x": np.array(placed + unused), "y": np.arange(2)})
        assert rs.evaluate(instance, layout, "runs").total == programme.cost(length)
    with pytest.raises(ValueError, match="not the length"):
        programme.cost(length + 1)


@pytest.mark.parametrize("kind", ["lp", "mps"])
def test_runs_programmes_have_the_optimum(kind: str, tmp_path: Path) -> None:
    """CBC, left alone with the file, finds the least cost of brute force."""
    for seed in range(3):
        instance = one_tensor(seed, unit=2)
        programme = runs_programme(instance, kind)
        best = brute_force(instance, "runs")
        assert best is not None
        assert programme.cost(cbc_optimum(programme, tmp_path / f"{seed}.{kind}")) == best[0]


@pytest.mark.parametrize("kind", ["lp", "mps"])
@pytest.mark.parametrize("objective", [Objective.COPIES, Objective.BYTES])
def test_views_programmes_have_the_optimum(kind: str, objective: Objective, tmp_path: Path) -> None:
    """So it does for the covering of any instance, several tensors and required accesses too."""
    written = 0
    for seed in range(14):
        instance = random_instance(np.random.default_rng([52, seed]))
        best = brute_force(instance, objective)
        if best is None:
            with pytest.raises(rs.UnsupportedError, match="required"):
                views_programme(instance, kind, objective)
            continue
        programme = views_programme(instance, kind, objective, time_limit=None)
        assert programme.is_complete
        if not programme.columns:
            assert programme.offset == best[0]
            continue
        written += 1
        value = cbc_optimum(programme, tmp_path / f"{seed}.{kind}")
        assert programme.cost(value) == best[0]
    assert written >= 4


def test_pulp_reads_the_mps_files(tmp_path: Path) -> None:
    """PuLP's reader sees every column of the programme."""
    path = tmp_path / "runs.mps"
    programme = runs_programme(one_tensor(0), "mps")
    path.write_bytes(programme.data)
    variables, _ = import_pulp().LpProblem.fromMPS(str(path))
    nodes = len(programme.columns) + 1
    assert sum(name.startswith("next_") for name in variables) == nodes * (nodes - 1)


def test_stopped_views_programmes_say_so() -> None:
    """Without time for the no-goods, the file is a relaxation and says that."""
    rng = np.random.default_rng(3)
    sets = [np.flatnonzero(rng.random(60) < 0.5) for _ in range(12)]
    accesses = [Access(f"a{i}", [Part("x", wanted)]) for i, wanted in enumerate(sets)]
    instance = Instance("large", [Tensor("x", 60)], accesses)
    assert not views_programme(instance, "lp", time_limit=0.0).is_complete


def test_which_tensor() -> None:
    """With one choice the tensor needs no name; with more, or none, the message says so."""
    ring = [Part("x", [0, 2]), Part("x", [1, 2]), Part("y", [0, 2]), Part("y", [1, 2])]
    two = Instance(
        "two",
        [Tensor("x", 3), Tensor("y", 3), Tensor("z", 3)],
        [Access(f"a{number}", [part]) for number, part in enumerate(ring)],
    )
    with pytest.raises(rs.InputError, match="name one: 'x', 'y'"):
        tour_programme(two)
    assert tour_programme(two, "y").columns == ((0,), (1,), (2,))
    with pytest.raises(rs.InputError, match="no access depends on the order of tensor 'z'"):
        tour_programme(two, "z")
    with pytest.raises(rs.InputError, match="there is no tensor 'w'"):
        tour_programme(two, "w")
    nothing = two.replace(accesses=[])
    with pytest.raises(rs.InputError, match="no access depends on the order of channels"):
        runs_programme(nothing, "lp")


def test_what_is_no_tour_is_refused() -> None:
    """Linked tensors and large betweenness models are refused, naming the tensor."""
    both = Access("a", [Part("x", [0, 2]), Part("y", [1])])
    other = Access("b", [Part("x", [1, 2]), Part("y", [0])])
    linked = Instance("linked", [Tensor("x", 3), Tensor("y", 2)], [both, other])
    with pytest.raises(rs.UnsupportedError, match="'x': 2 tensors depend"):
        tour_programme(linked)
    pairs = [Access(f"a{i}", [Part("x", [i, i + 1])]) for i in range(99)]
    path = Instance("path", [Tensor("x", 100)], pairs)
    with pytest.raises(rs.UnsupportedError, match="100 channel classes"):
        runs_programme(path, "mps")
    assert tour_programme(path).columns[99] == (99,)


def test_numbers_that_do_not_fit_are_refused() -> None:
    """Lengths past 32 bits and weights past twelve digits are errors, not other numbers."""
    instance = one_tensor(0)
    heavy = instance.replace(
        accesses=[
            Access(each.id, each.parts, weight=2**60 + number)
            for number, each in enumerate(instance.accesses)
        ]
    )
    with pytest.raises(rs.ReorderSolverError, match="too large"):
        tour_programme(heavy)
    with pytest.raises(rs.ReorderSolverError, match="too large"):
        runs_programme(heavy, "lp")


def test_names_do_not_break_the_header() -> None:
    """Colons, line breaks and letters outside ASCII do not reach the keywords."""
    data = tsplib_text("a: b\nTYPE : ATSP\u00e9", "", np.ones((3, 3), dtype=np.int64))
    header, _ = read_tsplib(data)
    assert header["NAME"] == "a_ b_TYPE _ ATSP_"
    assert (header["TYPE"], header["COMMENT"]) == ("TSP", "unnamed")
    with pytest.raises(rs.InputError, match="2 nodes"):
        tsplib_text("x", "", np.ones((2, 2), dtype=np.int64))
