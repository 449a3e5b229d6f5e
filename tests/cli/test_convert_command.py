"""``convert``: the same problem in another format."""

from __future__ import annotations

import json

import pytest

import reorder_solver as rs
from reorder_solver.formats import read_instance, write_instance


@pytest.fixture
def matrix(tmp_path):
    """A file that every format can hold."""
    path = tmp_path / "matrix.csv"
    path.write_text("1,0,1,0\n0,1,1,0\n0,0,1,1\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".json", ".json.gz", ".csv", ".mtx", ".txt", ".cbm", ".cbm.gz"])
def test_every_format_and_back(run, matrix, tmp_path, suffix):
    """A matrix survives the way through any format."""
    there, back = tmp_path / f"there{suffix}", tmp_path / "back.csv"
    assert run("convert", matrix, there).exit_code == 0
    assert run("convert", there, back).exit_code == 0
    assert rs.digest(read_instance(back)) == rs.digest(read_instance(matrix))


def test_row_describes_the_instance(run, small, tmp_path):
    """What is printed names the file and the size of the problem."""
    result = run("convert", small, tmp_path / "out.json", "--format", "json")
    (row,) = json.loads(result.stdout)
    assert (row["tensors"], row["channels"], row["accesses"]) == (1, 6, 3)
    assert row["sha256"] == rs.digest(read_instance(small))


def test_named_formats_beat_suffixes(run, matrix, tmp_path):
    """Both formats can be named where the file names say nothing."""
    odd, out = tmp_path / "matrix.data", tmp_path / "out.data"
    odd.write_bytes(matrix.read_bytes())
    formats = ["--input-format", "csv", "--output-format", "mtx"]
    assert run("convert", odd, out, *formats).exit_code == 0
    assert out.read_text(encoding="utf-8").startswith("%%MatrixMarket")


def test_unknown_suffix_is_bad_input(refused, small, tmp_path):
    """A name that stands for no format is refused before anything is written."""
    assert "stands for no format" in refused("convert", small, tmp_path / "out.xyz")


def test_what_a_format_cannot_hold_is_refused(refused, crowd, tmp_path):
    """Two tensors do not fit a matrix, and nothing is dropped silently."""
    assert "one tensor" in refused("convert", crowd, tmp_path / "out.mtx")
    assert not (tmp_path / "out.mtx").exists()


def test_unwritable_target_is_bad_input(refused, small, tmp_path):
    """A folder that does not exist is named."""
    assert "no such folder" in refused("convert", small, tmp_path / "none" / "out.json")


def test_markup_is_text(run, tmp_path):
    """Markup in names is printed as it is."""
    path = tmp_path / "[red]file.json"
    name = "[bold]name[/bold] :smile: [/]"
    write_instance(rs.Instance(name, [rs.Tensor("x", 2)], []), path)
    result = run("convert", path, tmp_path / "[blink]out.json")
    assert result.exit_code == 0
    assert name in result.stdout
    assert "[blink]out.json" in result.stdout


def test_programmes_for_other_solvers(run, matrix, tmp_path):
    """--to writes a tour or an integer programme, and says how to read its solutions."""
    for kind, begin, model in (
        ("tsplib", "NAME : matrix", "tour"),
        ("lp", "\\* betweenness *\\", "betweenness"),
        ("mps", "*SENSE:Minimize", "betweenness"),
    ):
        out = tmp_path / f"out.{kind}"
        result = run(
            "convert", matrix, out, "--to", kind, "--objective", "runs", "--format", "json"
        )
        assert result.exit_code == 0
        (row,) = json.loads(result.stdout)
        assert out.read_text(encoding="utf-8").startswith(begin)
        assert (row["model"], row["offset"], row["is_complete"]) == (model, -3, True)
        assert row["members"] == [[0], [1], [2], [3]]
        assert row["cost"] == ("value / 2 - 3" if kind == "tsplib" else "value - 3")


def test_covering_programme_from_the_command_line(run, small, tmp_path):
    """Without --objective, --to lp means bytes; the table names the model."""
    out = tmp_path / "out.lp.gz"
    result = run("convert", small, out, "--to", "lp")
    assert result.exit_code == 0
    assert "covering" in result.stdout
    assert out.read_bytes().startswith(b"\x1f\x8b")


def test_options_that_contradict_each_other(refused, small, tmp_path):
    """What goes with --to only, or not with it, is named."""
    out = tmp_path / "out.lp"
    assert "go with --to" in refused("convert", small, out, "--objective", "runs")
    assert "exclude" in refused("convert", small, out, "--to", "lp", "--output-format", "csv")
    assert "a tour counts runs" in refused(
        "convert", small, out, "--to", "tsplib", "--objective", "bytes"
    )
    assert "--tensor goes with runs" in refused(
        "convert", small, out, "--to", "lp", "--tensor", "x"
    )
    assert not out.exists()
