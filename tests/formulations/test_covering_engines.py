"""The engines of covering programmes: not trusted, silent, loaded late, and interruptible."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from covering_examples import ENGINES, check_solution, ring

from formulations import hitting_set
from formulations.cbc import CbcOutcome
from formulations.hitting_set import CoveringSolution, solve_cpsat, solve_pulp

ROOT = Path(__file__).resolve().parents[2]


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
    check_solution(ring(), solution)
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
        encoding="utf-8",
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
