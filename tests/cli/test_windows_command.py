"""``windows``: solve, verify, pareto and generate."""

from __future__ import annotations

import json

import pytest

import reorder_solver as rs

pytest.importorskip("ortools")


@pytest.fixture
def scored(run, tmp_path):
    """A generated file."""
    path = tmp_path / "scored.json"
    done = run(
        "windows",
        "generate",
        "--seed",
        1,
        "--param",
        "channels=12",
        "--param",
        "readers=3",
        "--output",
        path,
    )
    assert done.exit_code == 0
    return path


@pytest.fixture
def solved(run, scored, tmp_path):
    """Its result file; the limit leaves time to compile, the solve ends with the proof."""
    path = tmp_path / "scored.layout.json"
    options = ("--time-limit", 120, "--output", path)
    assert run("windows", "solve", scored, *options).exit_code == 0
    return path


def test_help(run):
    """The group prints its help, and so does every command of it."""
    assert run("windows").exit_code == 0
    for name in ("solve", "verify", "pareto", "generate"):
        assert name in run("windows").stdout
        assert run("windows", name, "-h").exit_code == 0


def test_solve_and_verify(run, scored, solved):
    """A written result is verified, and optimal for so small an instance."""
    done = run("windows", "verify", scored, solved, "--format", "json")
    assert done.exit_code == 0
    (row,) = json.loads(done.stdout)
    assert row["status"] == "optimal"
    assert row["importance"] == row["upper_bound"]
    instance = rs.read_windows_instance(scored)
    rs.verify_windows(instance, rs.read_windows_result(solved, instance))


@pytest.mark.parametrize(("key", "value"), [("importance", 1), ("upper_bound", 5), ("spent", {})])
def test_wrong_claim_fails(refused, scored, solved, key, value):
    """Exit code 1 and one line that names the file."""
    document = json.loads(solved.read_text(encoding="utf-8"))
    document[key] = value
    solved.write_text(json.dumps(document), encoding="utf-8")
    assert solved.name in refused("windows", "verify", scored, solved, code=1)


def test_several_files(run, scored, tmp_path):
    """A row each; no single result file for two."""
    other = tmp_path / "other.json"
    assert run("windows", "generate", "--param", "channels=6", "--output", other).exit_code == 0
    done = run("windows", "solve", scored, other, "--format", "csv")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 3
    line = run("windows", "solve", scored, other, "--output", tmp_path / "r.json").stderr
    assert "takes one FILE, got 2" in line


def test_pareto_resumes(run, scored, tmp_path):
    """Points are kept; the second sweep takes them up, and prints the same."""
    arguments = ("windows", "pareto", scored, "--percents", "50,100", "--folder", tmp_path / "p")
    first = run(*arguments, "--format", "json")
    assert first.exit_code == 0
    rows = json.loads(first.stdout)
    assert [row["percent"] for row in rows] == [50, 100]
    assert rows[0]["importance"] < rows[1]["importance"]
    assert rows[0]["spent"] <= 9
    kept = sorted((tmp_path / "p").iterdir())
    assert len(kept) == 2
    times = [path.stat().st_mtime_ns for path in kept]
    assert run(*arguments, "--format", "json").stdout == first.stdout
    assert [path.stat().st_mtime_ns for path in kept] == times


def test_pareto_plot(run, refused, scored, tmp_path):
    """The points as a picture, the same bytes for the same points."""
    pytest.importorskip("matplotlib")
    folder = ("--folder", tmp_path / "p")
    pictures = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for path in pictures:
        sweep = ("windows", "pareto", scored, "--percents", "50,100", *folder, "--plot", path)
        assert run(*sweep).exit_code == 0
    assert "importance retained" in pictures[0].read_text(encoding="utf-8")
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert "png" in refused("windows", "pareto", scored, "--plot", tmp_path / "x.txt")


def test_infeasible_ends_with_one(run, tmp_path):
    """No window of two channels in a budget of one."""
    document = {
        "format": "channel-windows",
        "version": 1,
        "budgets": [{"id": "b", "limit": 1}],
        "tensors": [{"id": "x", "channels": 3}],
        "accesses": [
            {
                "id": "a",
                "budget": "b",
                "minimum": 2,
                "parts": [{"tensor": "x", "scores": [1, 2, 3]}],
            }
        ],
    }
    path = tmp_path / "none.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    done = run("windows", "solve", path, "--format", "json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)[0]["status"] == "infeasible"


def test_bad_input(refused, scored, solved, tmp_path, small):
    """One line each, with what would be right."""
    assert "windows generate" in refused("generate", "scored")
    assert "reorder-solver windows" in refused("solve", scored)
    assert "reorder-solver solve" in refused("windows", "solve", small)
    assert "no such file" in refused("windows", "solve", tmp_path / "none.json")
    assert "unknown windows backend" in refused("windows", "solve", scored, "--backend", "x")
    assert "--percents" in refused("windows", "pareto", scored, "--percents", "5,x")
    assert "did you mean" in refused("windows", "generate", "--param", "readrs=2")


def test_generate_prints_json(run):
    """Without a file the instance is printed; --parameters lists what there is."""
    done = run("windows", "generate", "--param", "channels=4")
    assert json.loads(done.stdout)["format"] == "channel-windows"
    assert "correlation" in run("windows", "generate", "--parameters").stdout
