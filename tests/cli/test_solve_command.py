"""``solve``: verified results as tables, JSON, CSV and files; interrupts; bad input."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import time

import numpy as np
import pytest
from cli_helpers import command_line, small_instance

import reorder_solver as rs
from reorder_solver.formats import read_instance, read_result, write_instance

FAST = ("--backend", "identity", "--no-baselines")


def rows_of(result):
    """The rows that a command printed as JSON."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_finds_the_optimum(run, small):
    """All three accesses can be views, and the row says so."""
    (row,) = rows_of(run("solve", small, "--format", "json"))
    assert (row["cost"], row["lower_bound"], row["gap"]) == (0, 0, 0.0)
    assert (row["status"], row["stop_reason"]) == ("optimal", "proven")
    assert (row["views"], row["runs"], row["accesses"]) == (3, 3, 3)
    assert (row["identity_cost"], row["identity_views"]) == (32, 0)
    assert row["upscale_cost"] <= 32


def test_table_compares_with_the_baselines(run, small):
    """One file gives a line per layout: the original, the paper's and the best."""
    lines = run("solve", small).stdout.splitlines()
    assert lines[0] == "small: 1 tensor, 6 channels, 3 accesses; objective bytes"
    named = [line.split()[0] for line in lines[3:6]]
    assert named == ["identity", "upscale", "auto"]
    assert "3/3" in lines[5]
    assert "optimal" in lines[5]


def test_csv_has_the_same_keys(run, small, crowd):
    """CSV and JSON carry the same row, with empty fields for nothing."""
    result = run("solve", small, crowd, *FAST, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    expected = rows_of(run("solve", small, crowd, *FAST, "--format", "json"))
    assert [list(row) for row in rows] == [list(row) for row in expected]
    assert [row["cost"] for row in rows] == [str(row["cost"]) for row in expected]
    assert rows[0]["lower_bound"] == ""


def test_several_files_give_a_row_each(run, small, crowd):
    """Several files give one table with a row per file."""
    lines = run("solve", small, crowd, "--backend", "identity").stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == [str(small), str(crowd)]


def test_folder_and_pattern(run, small, crowd):
    """A folder and a pattern stand for their instance files, each once, results left out."""
    folder = small.parent
    run("solve", small, *FAST, "--output", folder / "small.layout.json")
    by_folder = rows_of(run("solve", folder, *FAST, "--format", "json"))
    by_pattern = rows_of(run("solve", folder / "s*l.json", small, *FAST, "--format", "json"))
    assert [row["file"] for row in by_folder] == [str(crowd), str(small)]
    assert [row["name"] for row in by_pattern] == ["small"]


@pytest.mark.parametrize("objective", ["copies", "bytes", "runs"])
def test_objectives(run, crowd, objective):
    """The cost is that of the objective asked for."""
    (row,) = rows_of(run("solve", crowd, *FAST, "--objective", objective, "--format", "json"))
    instance = read_instance(crowd)
    expected = rs.evaluate(instance, rs.Layout.identity(instance), objective)
    assert row["cost"] == expected.total


def test_result_file_verifies(run, crowd, tmp_path):
    """The result file reads back and survives the independent check."""
    path = tmp_path / "out.layout.json"
    (row,) = rows_of(run("solve", crowd, "--no-baselines", "--output", path, "--format", "json"))
    instance = read_instance(crowd)
    found = read_result(path, instance)
    rs.verify(instance, found)
    assert found.cost == row["cost"]
    assert row["result_file"] == str(path)
    assert list(tmp_path.glob(".tmp*")) == []


def test_output_folder(run, small, crowd, tmp_path):
    """Several results go to a folder, which is made."""
    folder = tmp_path / "new" / "results"
    assert run("solve", small, crowd, *FAST, "--output", folder).exit_code == 0
    assert sorted(os.listdir(folder)) == ["crowd.layout.json", "small.layout.json"]


def test_output_folder_for_one_file(run, small, tmp_path):
    """A trailing slash makes a folder of the output."""
    assert run("solve", small, *FAST, "--output", f"{tmp_path}/one/").exit_code == 0
    assert (tmp_path / "one" / "small.layout.json").is_file()


def test_results_of_equal_names_are_refused(refused, small, tmp_path):
    """Two results cannot go to one file."""
    other = tmp_path / "other"
    other.mkdir()
    write_instance(small_instance(), other / "small.csv")
    line = refused("solve", small, other / "small.csv", *FAST, "--output", tmp_path / "out")
    assert "would overwrite" in line


def test_result_never_overwrites_its_instance(refused, small):
    """An instance file is not a place for its result."""
    before = small.read_bytes()
    assert "would overwrite" in refused("solve", small, *FAST, "--output", small)
    assert small.read_bytes() == before


def test_warm_start(run, small, tmp_path):
    """A warm start is taken: the result of a weak backend is as good as the start."""
    path = tmp_path / "best.layout.json"
    run("solve", small, "--no-baselines", "--output", path)
    (row,) = rows_of(run("solve", small, *FAST, "--warm-start", path, "--format", "json"))
    assert row["cost"] == 0


def test_warm_start_of_another_instance_is_bad_input(refused, small, crowd, tmp_path, run):
    """A result of another instance cannot be a start."""
    path = tmp_path / "other.layout.json"
    run("solve", crowd, *FAST, "--output", path)
    assert "another instance" in refused("solve", small, "--warm-start", path)


def test_warm_start_takes_one_file(refused, small, crowd):
    """A start belongs to one instance."""
    assert "takes one FILE" in refused("solve", small, crowd, "--warm-start", small)


def test_same_seed_same_answer(run, crowd, tmp_path):
    """The same call writes the same layout."""
    paths = [tmp_path / name for name in ("a.json", "b.json")]
    for path in paths:
        run("solve", crowd, "--no-baselines", "--seed", "5", "--output", path)
    first, second = (read_result(path) for path in paths)
    assert first.layout == second.layout


def test_input_format(run, tmp_path):
    """The format can be named where the file name does not say it."""
    path = tmp_path / "matrix"
    path.write_text("1,0,1\n0,1,1\n", encoding="utf-8")
    (row,) = rows_of(run("solve", path, *FAST, "--input-format", "csv", "--format", "json"))
    assert (row["accesses"], row["channels"]) == (2, 3)


def test_no_solution_ends_with_1(run, stubborn, tmp_path):
    """A required access that no order serves: a row without cost, and code 1."""
    path = tmp_path / "none.layout.json"
    result = run("solve", stubborn, "--format", "json", "--output", path)
    assert result.exit_code == 1
    (row,) = json.loads(result.stdout)
    assert (row["status"], row["cost"], row["views"]) == ("infeasible", None, None)
    assert read_result(path).layout is None
    assert "infeasible" in run("solve", stubborn).stdout


def test_unknown_backend_is_bad_input(refused, small):
    """An unknown backend is answered with the known ones."""
    assert "known: auto" in refused("solve", small, "--backend", "magic")


def test_unsupported_objective_is_bad_input(refused, small):
    """A backend that does not take the objective says so, and for which file."""
    line = refused("solve", small, "--backend", "exact", "--objective", "runs")
    assert small.name in line
    assert "'exact'" in line


def test_no_time_is_still_a_layout(run, crowd):
    """A time limit of zero gives whatever is there at once; inf means none."""
    for limit in ("0", "inf"):
        (row,) = rows_of(run("solve", crowd, *FAST, "--time-limit", limit, "--format", "json"))
        assert row["cost"] is not None
        assert row["time_limit"] == {"0": 0.0, "inf": None}[limit]


def test_missing_package_ends_with_3(refused, small, odd_backends):
    """A backend without its package ends with 3 and what to install."""
    line = refused("solve", small, "--backend", "needy", code=3)
    assert "pip install no_such_package_at_all" in line


def test_lying_backend_ends_with_1(refused, small, odd_backends):
    """A backend that contradicts itself is no result."""
    assert "liar" in refused("solve", small, "--backend", "liar", "--no-baselines", code=1)


def test_latency_without_prices_is_bad_input(refused, small):
    """The objective's needs are checked, and the file named, before anything is solved."""
    line = refused("solve", small, "--objective", "latency")
    assert small.name in line
    assert "needs prices" in line


def test_bad_file_among_good_ones_is_found_first(refused, small, tmp_path):
    """All files are read before the first is solved."""
    bad = tmp_path / "bad.json"
    bad.write_text("{}", encoding="utf-8")
    assert "bad.json" in refused("solve", small, bad, *FAST)


def test_empty_folder_is_bad_input(refused, tmp_path):
    """A folder without instances is no input."""
    (tmp_path / "empty").mkdir()
    assert "no instance files" in refused("solve", tmp_path / "empty")


@pytest.mark.parametrize("output", ["small.json/x", "missing/x.json"])
def test_unwritable_output_is_bad_input(refused, small, output):
    """Where nothing can be written, the path is named."""
    assert "x" in refused("solve", small, *FAST, "--output", small.parent / output)


def test_markup_in_every_field_is_text(run, tmp_path):
    """Names of files, instances, tensors and accesses are printed as they are."""
    odd = "[bold red]x[/bold red] [link=http://a]b[/] :boom: [/]"
    instance = rs.Instance(
        odd,
        [rs.Tensor(odd, 4)],
        [rs.Access(odd, [rs.Part(odd, [0, 2])]), rs.Access("b", [rs.Part(odd, [1])])],
    )
    path = tmp_path / "[blink]file[red].json"
    write_instance(instance, path)
    assert odd in run("solve", path, *FAST).stdout
    assert path.name in run("solve", path, path.parent / "*.json", *FAST, "--format", "csv").stdout
    result = tmp_path / "[bold]r.json"
    run("solve", path, *FAST, "--output", result)
    assert result.name in run("verify", path, result).stdout
    assert odd in run("show", path, result, "--format", "table").stdout
    assert "[bold red]x" in run("show", path, result).stdout


def test_interrupt_keeps_the_best(run, small, tmp_path, odd_backends):
    """After Ctrl-C the best layout is printed and written, and the code is 0."""
    path = tmp_path / "best.layout.json"
    result = run("solve", small, "--backend", "interrupted", "--format", "json", "--output", path)
    assert result.exit_code == 0
    (row,) = json.loads(result.stdout)
    assert (row["stop_reason"], row["cost"]) == ("interrupted", 32)
    assert "best found so far" in result.stderr
    rs.verify(read_instance(small), read_result(path))


def test_interrupt_leaves_other_files_unsolved(run, small, crowd, odd_backends):
    """Ctrl-C stops the batch: what is solved is printed, and the code is 130."""
    result = run("solve", small, crowd, "--backend", "interrupted", "--format", "json")
    assert result.exit_code == 130
    assert [row["name"] for row in json.loads(result.stdout)] == ["small"]
    assert result.stderr == "reorder-solver: interrupted: 1 of 2 files not solved\n"


def test_interrupt_in_a_callback_is_not_lost(shell, small, odd_backends):
    """Ctrl-C works even where compiled code calls back and swallows the exception."""
    done = shell("solve", small, "--backend", "swallowed", "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["stop_reason"] == "interrupted"
    assert done.stderr.count("\n") == 1
    assert "best found so far" in done.stderr


def test_sigint_returns_the_best_so_far(small, interrupted_run):
    """A real SIGINT ends a running solve, with the layout on standard output."""
    (row,) = interrupted_run(small, "sleepy", seconds=0.0)
    assert (row["stop_reason"], row["cost"]) == ("interrupted", 32)


def test_sigint_stops_the_real_search(tmp_path, interrupted_run):
    """A SIGINT ends the default backend in the middle of a hard instance."""
    path = tmp_path / "hard.csv"
    matrix = (np.random.default_rng(0).random((300, 400)) < 0.3).astype(int)
    path.write_text("\n".join(",".join(map(str, row)) for row in matrix) + "\n", encoding="utf-8")
    (row,) = interrupted_run(path, "announced", seconds=1.0)
    assert row["stop_reason"] == "interrupted"
    assert row["cost"] > 0


@pytest.fixture
def interrupted_run(tmp_path, odd_backends, monkeypatch):
    """Solve in a new process and interrupt it some seconds after the backend has begun."""

    def start(path, backend, seconds):
        ready = tmp_path / "ready"
        monkeypatch.setenv("SLEEPY_SIGNAL", str(ready))
        options = ["--backend", backend, "--objective", "runs" if seconds else "bytes"]
        process = subprocess.Popen(
            command_line("solve", path, *options, "--time-limit", "500", "--format", "json"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        while not ready.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        return json.loads(output)

    return start


def test_pipe_gets_no_progress(shell, small, crowd):
    """Neither stream carries a progress bar or colours when it is a pipe."""
    done = shell("solve", small, crowd, *FAST)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_terminal_gets_progress(small, crowd):
    """On a terminal the bar goes to the error stream, and the table stays clean."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        command_line("solve", small, crowd, *FAST, "--format", "json"),
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert len(json.loads(process.stdout.read())) == 2
    process.stdout.close()
    assert process.wait(60) == 0
    assert b"/2" in shown


def test_every_printed_result_was_verified(run, small, monkeypatch):
    """A result that fails the independent check is neither printed nor written."""

    def disagree(instance, result):
        raise rs.VerificationError("differs")

    monkeypatch.setattr("reorder_solver.cli.running.verify", disagree)
    result = run("solve", small, *FAST, "--output", small.parent / "out.json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.endswith("small.json: differs\n")
    assert not (small.parent / "out.json").exists()
