"""Covering programmes: both engines against brute force and known optima, and their manners."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formulations import hitting_set
from formulations.cbc import CbcOutcome
from formulations.covering import Baseline, ScaledCovering, dual_bound, greedy_cover
from formulations.hitting_set import (
    Covering,
    CoveringSolution,
    solve_cpsat,
    solve_pulp,
    write_lp,
    write_mps,
)

ROOT = Path(__file__).resolve().parents[2]
ENGINES = pytest.mark.parametrize("solve", [solve_cpsat, solve_pulp], ids=["cpsat", "pulp"])


def brute_force(model):
    """The optimum over all subsets of the items."""
    tests = [(sum(1 << item for item in members), demand) for members, demand in model.constraints]
    return min(
        model.cost(item for item in range(len(model.weights)) if subset >> item & 1)
        for subset in range(1 << len(model.weights))
        if all((subset & members).bit_count() >= demand for members, demand in tests)
    )


def random_model(rng, weight, *, n_items=None):
    """Small constraints over few items: the greedy cover is often not optimal."""
    n = rng.randint(6, 10) if n_items is None else n_items
    constraints = []
    for _ in range(rng.randint(n, 2 * n)):
        members = tuple(rng.sample(range(n), rng.choice([2, 2, 3, 3, min(6, n)])))
        demand = rng.choice([1, 1, 1, 2, len(members) - 2]) if len(members) > 2 else 1
        constraints.append((members, demand))
    return Covering(tuple(weight(rng) for _ in range(n)), tuple(constraints))


def check(model, solution):
    """The facts of a solution that can be checked by themselves."""
    assert solution.chosen == tuple(sorted(set(solution.chosen)))
    assert model.is_covered(solution.chosen)
    assert type(solution.value) is int
    assert solution.value == model.cost(solution.chosen)
    assert 0 <= solution.lower_bound <= solution.value
    assert solution.is_optimal == (solution.value == solution.lower_bound)


def affine_lines(dimension, weight=1):
    """Hit all lines of the affine space over three elements, as cap sets leave them.

    The largest sets without a line have 4, 9, 20 and 45 points in dimensions 2 to 5 (Edel et al.
    2002), so that 5, 18, 61 and 198 points hit all lines. Hard for their size.
    """
    points = list(product(range(3), repeat=dimension))
    number = {point: index for index, point in enumerate(points)}
    lines = {
        frozenset(
            (number[a], number[b], number[tuple(-(x + y) % 3 for x, y in zip(a, b, strict=True))])
        )
        for a, b in combinations(points, 2)
    }
    constraints = sorted((tuple(sorted(line)), 1) for line in lines)
    return Covering((weight,) * len(points), tuple(constraints))


@pytest.fixture
def engine_calls(monkeypatch):
    """Count how often an engine is really asked."""
    calls = []
    for name in ("_run_cpsat", "run_cbc"):
        original = getattr(hitting_set, name)

        def counted(*args, original=original, **options):
            calls.append(original)
            return original(*args, **options)

        monkeypatch.setattr(hitting_set, name, counted)
    return calls


WEIGHTS = {
    "small": lambda rng: rng.randint(1, 20),
    "equal": lambda _: 1,
    "zeros": lambda rng: rng.choice([0, 0, 1, 2, 5]),
    "bytes": lambda rng: 784 * rng.randint(1, 300),
    "around a large number": lambda rng: 2**22 - rng.randint(0, 3),
}


@ENGINES
@pytest.mark.parametrize("kind", WEIGHTS)
def test_optimum_equals_brute_force(solve, kind, engine_calls):
    """On random models both engines find and prove the optimum that brute force finds."""
    rng = random.Random(kind)
    for _ in range(110):
        model = random_model(rng, WEIGHTS[kind])
        solution = solve(model)
        check(model, solution)
        assert solution.value == brute_force(model)
        assert solution.is_optimal
    assert len(engine_calls) > 15


@pytest.mark.parametrize("largest", [2**55, 2**56])
def test_cpsat_is_exact_beyond_the_floats(largest, engine_calls):
    """Weights that differ only where a float has no digits left are told apart by CP-SAT."""
    rng = random.Random(largest)
    for _ in range(150):
        model = random_model(rng, lambda rng: largest - rng.randint(0, 5))
        solution = solve_cpsat(model)
        check(model, solution)
        assert solution.is_optimal
        assert solution.value == brute_force(model)
    assert len(engine_calls) > 20


@ENGINES
def test_weights_beyond_the_engines(solve, engine_calls):
    """With weights of 2**70 beside 1 every claim holds, though not every optimum is proven."""
    rng = random.Random(70)
    for _ in range(150):
        model = random_model(rng, lambda rng: rng.choice([2**70, 2**70 + 1, 2**69, 3, 1, 0]))
        solution = solve(model)
        check(model, solution)
        assert solution.lower_bound <= brute_force(model) <= solution.value
    assert len(engine_calls) > 20


@ENGINES
def test_common_divisor_keeps_huge_weights_exact(solve):
    """Weights of any size are solved exactly if they are small multiples of one number."""
    rng = random.Random(3)
    for _ in range(20):
        small = random_model(rng, WEIGHTS["small"])
        huge = Covering(tuple(weight * 10**40 for weight in small.weights), small.constraints)
        solution = solve(huge)
        assert solution.is_optimal
        assert solution.value == 10**40 * solve(small).value


@ENGINES
@pytest.mark.parametrize(("dimension", "optimum"), [(2, 5), (3, 18)])
def test_cap_sets(solve, dimension, optimum):
    """The covers of the affine lines that the known cap sets leave are found and proven."""
    solution = solve(affine_lines(dimension, weight=6))
    assert solution.value == solution.lower_bound == 6 * optimum
    assert solution.is_optimal


@ENGINES
@pytest.mark.parametrize("threads", [1, 2])
def test_time_limit_leaves_true_bounds(solve, threads):
    """Stopped long before the end, the bound is below the known optimum and the value above."""
    model = affine_lines(5, weight=7)
    solution = solve(model, time_limit=1.5, threads=threads)
    check(model, solution)
    assert solution.lower_bound <= 7 * 198 <= solution.value
    assert solution.lower_bound >= 7 * 40
    assert not solution.is_optimal


@ENGINES
def test_no_time_at_all(solve):
    """With the time over from the start there still is a cover, and a bound that is true."""
    model = affine_lines(3)
    solution = solve(model, time_limit=0.0)
    check(model, solution)
    assert solution.lower_bound <= 18 <= solution.value


@ENGINES
@pytest.mark.parametrize(
    "model",
    [
        Covering((), ()),
        Covering((3, 4), ()),
        Covering((3, 4), (((0, 1), 0), ((), 0), ((1,), -2))),
        Covering((0, 0, 0), (((0, 1), 1), ((1, 2), 2))),
    ],
)
def test_models_that_cost_nothing(solve, model):
    """Without items, constraints, demands or weights the optimum is zero."""
    solution = solve(model)
    check(model, solution)
    assert solution.value == solution.lower_bound == 0
    assert solution.is_optimal


@ENGINES
def test_nothing_redundant_is_chosen(solve):
    """Free items are chosen only where they are needed."""
    rng = random.Random(6)
    for _ in range(30):
        model = random_model(rng, WEIGHTS["zeros"])
        chosen = set(solve(model).chosen)
        assert not any(model.is_covered(chosen - {item}) for item in chosen)


@ENGINES
def test_full_demands_force_all_members(solve):
    """A demand as large as the constraint takes all of its members."""
    model = Covering((5, 7, 1, 9), (((0, 1), 2), ((2, 3), 1)))
    assert solve(model) == CoveringSolution((0, 1, 2), 13, 13, True)


@ENGINES
def test_same_seed_gives_same_answer(solve):
    """Two calls agree in every field."""
    rng = random.Random(8)
    for seed in range(10):
        model = random_model(rng, WEIGHTS["small"], n_items=30)
        assert solve(model, seed=seed) == solve(model, seed=seed)


@ENGINES
def test_several_threads_and_large_seeds(solve):
    """Threads and seeds of any size change nothing in the optimum."""
    rng = random.Random(9)
    for _ in range(5):
        model = random_model(rng, WEIGHTS["small"], n_items=25)
        solution = solve(model, threads=2, seed=2**40 + 1)
        check(model, solution)
        assert solution.is_optimal
        assert solution.value == solve(model).value


def test_engines_agree_on_models_with_cardinality_cuts():
    """Both prove the same optimum where small no-goods meet large demands."""
    rng = random.Random(10)
    for _ in range(10):
        n = 40
        constraints = [(tuple(rng.sample(range(n), rng.randint(2, 5))), 1) for _ in range(50)]
        for size in rng.choices(range(4, 12), k=4):
            constraints.append((tuple(rng.sample(range(n), size)), size - 2))
        model = Covering(tuple(rng.randint(1, 400) for _ in range(n)), tuple(constraints))
        first, second = solve_cpsat(model), solve_pulp(model)
        assert first.is_optimal
        assert second.is_optimal
        assert first.value == second.value


def test_hint_is_never_made_worse():
    """A hint that covers bounds the cost from above, one that does not is completed."""
    model = affine_lines(3)
    best = solve_cpsat(model).chosen
    assert solve_cpsat(model, time_limit=0.0, hint=best).value == 18
    assert solve_cpsat(model, time_limit=0.0, hint=best[1:]).value <= 19
    assert solve_cpsat(model, hint=[]).value == 18
    assert solve_cpsat(model, hint=np.array(best)).value == 18


@pytest.mark.parametrize("hint", [[27], [-1]])
def test_hint_outside_the_items_is_an_error(hint):
    """A hint must name items."""
    with pytest.raises(ValueError, match="hint has a member outside the 27 items"):
        solve_cpsat(affine_lines(3), hint=hint)


@ENGINES
def test_threads_must_be_positive(solve):
    """There is no solving with no threads."""
    with pytest.raises(ValueError, match="must be positive, not 0"):
        solve(Covering((), ()), threads=0)


@pytest.mark.parametrize(
    ("weights", "constraints", "error", "message"),
    [
        ((1, -2), (), ValueError, "item 1 has the negative weight -2"),
        ((1, 1), (((0, 1), 1), ((0, 2), 1)), ValueError, "constraint 1 has a member outside"),
        ((1, 1), (((-1, 0), 1),), ValueError, "constraint 0 has a member outside"),
        ((1, 1), (((0, 0), 1),), ValueError, "constraint 0 lists an item twice"),
        ((1, 1), (((0, 1), 3),), ValueError, "constraint 0 demands 3 of only 2 members"),
        ((1, 1), (((), 1),), ValueError, "constraint 0 demands 1 of only 0 members"),
        ((1.0, 1), (), TypeError, "float"),
        ((1, 1), (((0, 1), 1.0),), TypeError, "float"),
    ],
)
def test_bad_models_are_errors(weights, constraints, error, message):
    """A model that breaks a rule, or cannot be covered, raises one line that names the place."""
    with pytest.raises(error, match=message) as caught:
        Covering(weights, constraints)
    assert "\n" not in str(caught.value)


def test_numpy_numbers_become_plain_ones():
    """Numpy integers cannot overflow in a model, as none remain."""
    model = Covering(tuple(np.array([2**62, 2**62])), ((tuple(np.array([0, 1])), np.int64(2)),))
    assert model.cost((0, 1)) == 2**63
    assert {type(number) for number in (*model.weights, *model.constraints[0][0])} == {int}


@st.composite
def models(draw):
    """Models of up to seven items, any demands."""
    n = draw(st.integers(1, 7))
    weights = draw(st.lists(st.integers(0, 40) | st.just(2**80), min_size=n, max_size=n))
    members = st.lists(st.integers(0, n - 1), unique=True).map(tuple)
    pairs = members.flatmap(lambda m: st.tuples(st.just(m), st.integers(-1, len(m))))
    return Covering(tuple(weights), tuple(draw(st.lists(pairs, max_size=8))))


@given(models(), st.data())
def test_baseline_encloses_the_optimum(model, data):
    """Greedy covers cover, the dual bound is one, and a hint only ever helps."""
    optimum = brute_force(model)
    hint = data.draw(st.sets(st.integers(0, len(model.weights) - 1)))
    assert dual_bound(model) <= optimum <= model.cost(greedy_cover(model))
    baseline = Baseline.of(model, hint)
    assert model.is_covered(baseline.chosen)
    assert optimum <= baseline.value <= model.cost(greedy_cover(model))
    check(model, baseline.conclude())


@given(models(), st.sampled_from([1, 10, 1000, 2**26]))
def test_scaling_keeps_bounds_valid(model, limit):
    """The optimum of the scaled model, times its unit, never exceeds that of the original."""
    scaled = ScaledCovering.of(model, limit)
    assert sum(scaled.weights) <= limit
    assert scaled.unit * brute_force(Covering(scaled.weights, scaled.constraints)) <= brute_force(
        model
    )


def ring(n=9):
    """A weighted odd cycle: neither greedy nor dual bound settles it; the optimum is 15."""
    return Covering((3,) * n, tuple(((item, (item + 1) % n), 1) for item in range(n)))


@pytest.mark.parametrize(
    "outcome",
    [
        CbcOutcome(),
        CbcOutcome(values={}, has_solution=True, is_optimal=True),
        CbcOutcome(values={f"x{i}": 0.5 for i in range(9)}, has_solution=True, is_optimal=True),
        CbcOutcome(values={f"x{i}": 1.0 for i in range(9)}, has_solution=True, is_optimal=True),
        CbcOutcome(values={f"x{i}": 1.0 for i in range(9)}, has_solution=True, bound=5.0),
        CbcOutcome(values={f"x{i}": 1.0 for i in range(9)}, has_solution=True, bound=99.0),
        CbcOutcome(values={"x0": 1.0, "y": 7.0}, has_solution=True, is_optimal=True, bound=-4.0),
    ],
)
def test_cbc_is_not_trusted(monkeypatch, outcome):
    """Answers that do not cover, are not integer or contradict themselves prove nothing."""
    monkeypatch.setattr(hitting_set, "run_cbc", lambda *_, **__: outcome)
    solution = solve_pulp(ring())
    check(ring(), solution)
    assert not solution.is_optimal
    assert solution.lower_bound < 15


def test_bound_of_a_stopped_cbc_does_not_close_the_gap(monkeypatch):
    """A bound read off the log helps, but equality is no proof."""
    values = {f"x{item}": 1.0 for item in (0, 2, 4, 6, 8)}
    outcome = CbcOutcome(values=values, has_solution=True, bound=4.99)
    monkeypatch.setattr(hitting_set, "run_cbc", lambda *_, **__: outcome)
    assert solve_pulp(ring()) == CoveringSolution((0, 2, 4, 6, 8), 15, 12, False)


def test_cpsat_contradiction_is_not_trusted(monkeypatch):
    """A bound above the cost of a known cover is dropped, not reported."""
    monkeypatch.setattr(hitting_set, "_run_cpsat", lambda *_: ([0, 2, 4, 6, 8], 99, False))
    solution = solve_cpsat(ring())
    assert solution.value == 15
    assert not solution.is_optimal
    assert solution.lower_bound <= 15


@ENGINES
def test_works_in_any_thread(solve):
    """A call from another thread than the main one gives the same answer."""
    found = []
    thread = threading.Thread(target=lambda: found.append(solve(ring())))
    thread.start()
    thread.join()
    assert found == [solve(ring())]
    assert found[0].value == 15


def test_engines_print_nothing(capfd):
    """No line of an engine, PuLP's banners included, reaches the output."""
    solve_pulp(ring())
    solve_cpsat(ring())
    assert capfd.readouterr() == ("", "")


def run_python(code, *args):
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:formulations", "-c", code, *args],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_no_engine():
    """The engines are loaded by the first solve, not by the import."""
    heavy = run_python(
        "import sys, formulations.hitting_set\n"
        "print({'ortools', 'pulp', 'scipy', 'pandas', 'highspy'} & sys.modules.keys())"
    )
    assert heavy == "set()"


@pytest.mark.parametrize("names", ["solve_pulp, solve_cpsat", "solve_cpsat, solve_pulp"])
def test_engines_load_in_either_order(names):
    """PuLP before OR-Tools and the reverse both work in one process, highspy or not."""
    code = (
        f"from formulations.hitting_set import Covering, {names}\n"
        "ring = Covering((3,) * 9, tuple(((i, (i + 1) % 9), 1) for i in range(9)))\n"
        f"print([solve(ring).value for solve in ({names})])"
    )
    assert run_python(code) == "[15, 15]"


INTERRUPTED = """
import os, signal, subprocess, sys, tempfile, threading
from formulations import hitting_set, interruptible
from formulations.engines import import_cp_model

tempfile.tempdir, engine = sys.argv[1:]
children, begun = [], threading.Event()

class Child(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        children.append(self)
        begun.set()

def interrupt():
    begun.wait()
    threading.Event().wait(1.0)
    os.kill(os.getpid(), signal.SIGINT)

cp_model = import_cp_model()
search = cp_model.CpSolver.solve
ended = []

def watched(*args):
    begun.set()
    status = search(*args)
    ended.append(status)
    return status

cp_model.CpSolver.solve = watched
subprocess.Popen = Child
threading.Thread(target=interrupt, daemon=True).start()
points = 3**5
triples = {
    tuple(sorted((a, b, sum(-(a // 3**k + b // 3**k) % 3 * 3**k for k in range(5)))))
    for a in range(points) for b in range(a)
}
model = hitting_set.Covering((1,) * points, tuple((triple, 1) for triple in sorted(triples)))
try:
    getattr(hitting_set, engine)(model, time_limit=250)
except KeyboardInterrupt:
    print("interrupted")
print(len(children), all(child.poll() is not None for child in children))
print(len(ended))
print(os.listdir(tempfile.tempdir))
"""


@pytest.mark.parametrize(
    ("engine", "n_children", "ended"), [("solve_cpsat", 0, 1), ("solve_pulp", 1, 0)]
)
def test_ctrl_c_leaves_nothing_behind(engine, n_children, ended, tmp_path):
    """SIGINT in the middle of a search ends it, with its child process and its files."""
    lines = run_python(INTERRUPTED, str(tmp_path), engine).splitlines()
    assert lines == ["interrupted", f"{n_children} True", str(ended), "[]"]


def test_written_models_read_back_the_same(tmp_path):
    """PuLP reads from the MPS file the weights, members and demands that were written."""
    import pulp

    model = Covering((3, 0, 10**11 + 1), (((0, 1), 1), ((0, 1, 2), 2), ((2,), 0)))
    write_mps(model, tmp_path / "model.mps")
    variables, problem = pulp.LpProblem.fromMPS(str(tmp_path / "model.mps"))
    assert sorted(variables) == ["x0", "x1", "x2"]
    assert {v.name: c for v, c in problem.objective.items() if c} == {"x0": 3, "x2": 10**11 + 1}
    write_lp(model, tmp_path / "model.lp")
    text = (tmp_path / "model.lp").read_text()
    assert "100000000001 x2" in text
    assert "x0 + x1 >= 1" in text
    assert "x0 + x1 + x2 >= 2" in text


@pytest.mark.parametrize("write", [write_lp, write_mps])
def test_weights_too_long_for_the_files_are_an_error(write, tmp_path):
    """A weight that PuLP would write rounded is refused."""
    with pytest.raises(ValueError, match="item 1 has more than twelve digits"):
        write(Covering((1, 10**12 + 1), (((0, 1), 1),)), tmp_path / "model")
