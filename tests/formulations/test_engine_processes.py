"""CBC as a child process and CP-SAT in a worker thread: reading claims, stopping, failing."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import pytest

from formulations import cbc
from formulations.cbc import CbcOutcome, cbc_path, run_cbc
from formulations.engines import import_cp_model, import_pulp
from formulations.interruptible import solve_interruptibly

FINISHED = "Continuous objective value is 2.5 - 0.00 seconds\n\nResult - Optimal solution found\n"
OPTIMAL = "Optimal - objective value 3.00000000\n      0 x0   1   3\n      2 x2   1   0\n"


def read(tmp_path, answer, log, in_time=True):
    """Let the reader see these two files."""
    (tmp_path / "out.log").write_text(log, encoding="utf-8")
    if answer is not None:
        (tmp_path / "out.sol").write_text(answer, encoding="utf-8")
    return cbc._read(tmp_path / "out.sol", tmp_path / "out.log", in_time)


def test_clear_optimum_is_read(tmp_path):
    """Where file and log agree in good time, the claim is passed on."""
    outcome = read(tmp_path, OPTIMAL, FINISHED)
    assert outcome.values == {"x0": 1.0, "x2": 1.0}
    assert outcome.has_solution
    assert outcome.is_optimal


def test_optimal_at_the_time_limit_bug(tmp_path):
    """CBC has been seen to say "Optimal" when stopped by the limit (PuLP issue 649)."""
    assert not read(tmp_path, OPTIMAL, FINISHED, in_time=False).is_optimal
    stopped = "Result - Stopped on time limit\n\nLower bound:                    2.000\n"
    outcome = read(tmp_path, OPTIMAL, stopped)
    assert not outcome.is_optimal
    assert outcome.bound == pytest.approx(1.99, abs=1e-3)


@pytest.mark.parametrize(
    "log",
    ["", "Result - Optimal solution found (within gap tolerance)\n", "Result - User ctrl-c\n"],
)
def test_optimal_without_the_full_search_is_not_believed(tmp_path, log):
    """The heading of the solution file alone proves nothing."""
    outcome = read(tmp_path, OPTIMAL, log)
    assert outcome.has_solution
    assert not outcome.is_optimal


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        "Infeasible - objective value 3.0\n",
        "Stopped on time (no integer solution - continuous used) - objective value 2\n 0 x0 1 3\n",
        "Optimal - objective value 3.0\n 0 x0 one 3\n",
        "Optimal - objective value 3.0\n 0 x0\n",
    ],
)
def test_broken_answers_are_no_solutions(tmp_path, answer):
    """A missing, infeasible, fractional or mangled solution file is no solution."""
    outcome = read(tmp_path, answer, FINISHED)
    assert not outcome.is_optimal
    assert not outcome.has_solution
    assert outcome.bound < 2.5


@pytest.mark.parametrize("text", ["-1e+50", "nan", "inf", "none"])
def test_meaningless_bounds_are_ignored(tmp_path, text):
    """Only a finite number of sensible size is a bound."""
    assert read(tmp_path, None, f"Lower bound:      {text}\n").bound is None


@pytest.mark.parametrize(
    "code", ["import sys; sys.exit(3)", "import time; time.sleep(600)", "print('no solution')"]
)
def test_failing_children_are_survived(monkeypatch, tmp_path, code):
    """A CBC that fails, hangs or writes nothing yields no solution, and no files are left."""
    script = tmp_path / "cbc"
    script.write_text(f"#!{sys.executable}\n{code}\n", encoding="utf-8")
    script.chmod(0o755)
    files = tmp_path / "files"
    files.mkdir()
    monkeypatch.setattr(cbc, "cbc_path", lambda: str(script))
    monkeypatch.setattr("tempfile.tempdir", str(files))
    problem = import_pulp().LpProblem("empty")
    assert run_cbc(problem, time_limit=0.5) == CbcOutcome()
    assert list(files.iterdir()) == []


def test_missing_cbc_is_an_error(monkeypatch):
    """Where PuLP ships no CBC and none is installed, the error says so."""
    monkeypatch.setattr(import_pulp().PULP_CBC_CMD, "pulp_cbc_path", "")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="ships no CBC"):
        cbc_path()


class Solver:
    """Stands in for CP-SAT: searches until it is told to stop, and ignores an early order."""

    def __init__(self):
        self.parameters = SimpleNamespace(catch_sigint_signal=True)
        self.ended = False
        self.begun, self.stopped = threading.Event(), threading.Event()
        self.n_orders = 0

    def solve(self, model):
        if isinstance(model, BaseException):
            raise model
        self.begun.set()
        self.stopped.wait()
        self.ended = True
        return 4

    def stop_search(self):
        self.n_orders += 1
        if self.n_orders > 3:
            self.stopped.set()


def test_search_ends_before_an_interrupt_is_passed_on(monkeypatch):
    """The stop is repeated until the search has ended, and a second Ctrl-C does not leak it."""
    solver = Solver()
    wait = threading.Event.wait
    orders = iter([KeyboardInterrupt, None, KeyboardInterrupt])

    def interrupted_wait(event, timeout=None):
        if timeout is not None:
            solver.begun.wait()
            if (error := next(orders, None)) is not None:
                raise error
        return wait(event, timeout)

    monkeypatch.setattr(threading.Event, "wait", interrupted_wait)
    with pytest.raises(KeyboardInterrupt):
        solve_interruptibly(solver, None)
    assert solver.n_orders > 3
    assert solver.ended


def test_search_that_has_not_begun_is_cancelled(monkeypatch):
    """Ctrl-C while the thread starts passes on at once, and the search never begins."""
    solver = Solver()
    begin = []

    def interrupted_start(thread):
        begin.append(thread.run)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        solve_interruptibly(solver, None)
    begin[0]()
    assert not solver.begun.is_set()


def test_status_and_signal_handling():
    """The status comes back, and CP-SAT is told to leave SIGINT alone."""
    solver = Solver()
    solver.stopped.set()
    assert solve_interruptibly(solver, None) == 4
    assert solver.parameters.catch_sigint_signal is False


def test_errors_of_the_solver_come_back():
    """An exception in the worker thread is raised where the call was made."""
    with pytest.raises(MemoryError, match="too large"):
        solve_interruptibly(Solver(), MemoryError("too large"))


def test_clash_of_libraries_is_explained(monkeypatch):
    """If OR-Tools cannot load beside highspy, the error says what to do."""
    clash = "libortools.so.9: undefined symbol: _Z19"

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "ortools.sat.python.cp_model":
                raise ImportError(clash)

    import_cp_model()
    monkeypatch.delitem(sys.modules, "ortools.sat.python.cp_model")
    monkeypatch.delattr("ortools.sat.python.cp_model")
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(ImportError, match="undefined symbol"):
        import_cp_model()
    monkeypatch.setitem(sys.modules, "highspy", object())
    with pytest.raises(ImportError, match="cannot be loaded after highspy"):
        import_cp_model()
