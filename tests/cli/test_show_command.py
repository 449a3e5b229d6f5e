"""``show``: pictures in files and in the terminal, and the facts behind them."""

from __future__ import annotations

import json
import struct
import xml.etree.ElementTree as ElementTree

import pytest

import reorder_solver as rs
from reorder_solver.formats import read_instance, write_instance, write_result

PLAIN = ("--backend", "identity")


@pytest.fixture
def best(small, tmp_path):
    """A result file in which every access of the small instance is a view."""
    path = tmp_path / "best.layout.json"
    write_result(rs.solve(read_instance(small), warm_start=LAYOUT, backend="identity"), path)
    return path


LAYOUT = rs.Layout({"x": [0, 2, 5, 4, 1, 3]})


def test_characters_before_and_after(run, small, best):
    """The character picture shows scattered cells before and one run after."""
    text = run("show", small, best).stdout
    before, after = text.split("after: cost 0")
    assert "small: bytes 32 to 0" in before
    assert "first   █·█···  gather, 2 runs, 8" in before
    assert "first   ██····  view" in after
    assert "second  ·███··  view" in after
    assert "third   ···███  view" in after


@pytest.mark.parametrize("width", [40, 60, 200])
def test_characters_fit_the_terminal(run, crowd, width):
    """No line is wider than the terminal."""
    result = run("show", crowd, *PLAIN, env={"COLUMNS": str(width)})
    assert max(map(len, result.stdout.splitlines())) <= max(width, 60)


def test_solves_without_a_result(run, small):
    """Without RESULT the instance is solved first."""
    assert "small: bytes 32 to 0" in run("show", small).stdout


def test_facts_as_json(run, small, best):
    """The facts of every access before and after."""
    rows = json.loads(run("show", small, best, "--format", "json").stdout)
    assert [row["access"] for row in rows] == ["first", "second", "third"]
    assert [row["before_runs"] for row in rows] == [2, 2, 2]
    assert [row["runs"] for row in rows] == [1, 1, 1]
    assert [row["mode"] for row in rows] == ["view"] * 3
    assert sum(row["before_cost"] for row in rows) == 32


def test_facts_as_table_and_csv(run, small, best):
    """The same facts as a table and as CSV."""
    assert "runs before" in run("show", small, best, "--format", "table").stdout
    csv_text = run("show", small, best, "--format", "csv").stdout
    assert csv_text.splitlines()[0].startswith("access,role,required,tensors")
    assert len(csv_text.splitlines()) == 4


def test_png_file(run, small, best, tmp_path):
    """A .png name gives a PNG file of a sensible size."""
    path = tmp_path / "picture.png"
    result = run("show", small, best, "--output", path)
    assert result.stdout == f"picture written to {path}\n"
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 1000
    assert height > 200


def test_svg_file_holds_the_names(run, small, best, tmp_path):
    """An .svg name gives well-formed SVG with the names as text."""
    path = tmp_path / "picture.SVG"
    run("show", small, best, "--output", path)
    texts = [each.text for each in ElementTree.parse(path).iter() if each.tag.endswith("text")]
    assert {"first", "second", "third", "x", "after: cost 0"} <= set(texts)


def test_json_beside_a_picture(run, small, best, tmp_path):
    """With --output, --format still prints the facts and nothing else."""
    arguments = ["--output", tmp_path / "p.svg", "--format", "json"]
    assert len(json.loads(run("show", small, best, *arguments).stdout)) == 3


def test_tensor_option(run, crowd):
    """One tensor: its own accesses and the concatenation, not the other tensor."""
    text = run("show", crowd, *PLAIN, "--tensor", "y").stdout
    assert "y: 9 channels" in text or "y: 8 channels" in text or "y: 7 channels" in text
    assert "x + y" in text
    assert "x0" not in text


def test_panels_option(run, crowd):
    """At most so many panels, and a line that says so."""
    text = run("show", crowd, *PLAIN, "--panels", "1").stdout
    assert text.count("before: cost") == 1
    assert "1 of 3 tensors and concatenations are drawn: the costliest" in text


def test_markup_is_text_in_all_pictures(run, tmp_path):
    """Markup and formulas in names are drawn as they are."""
    odd = "[red]a[/red] $x_1$ <b> & {}"
    instance = rs.Instance(odd, [rs.Tensor(odd, 3)], [rs.Access(odd, [rs.Part(odd, [0, 2])])])
    instance = instance.replace(accesses=(*instance.accesses, rs.Access("b", [rs.Part(odd, [1])])))
    path, picture = tmp_path / "odd.json", tmp_path / "odd.svg"
    write_instance(instance, path)
    assert odd in run("show", path, *PLAIN).stdout
    assert run("show", path, *PLAIN, "--output", picture).exit_code == 0
    texts = [each.text for each in ElementTree.parse(picture).iter() if each.tag.endswith("text")]
    assert odd in texts


def test_instance_without_accesses(run, tmp_path):
    """Nothing to draw is still a picture."""
    path = tmp_path / "empty.json"
    write_instance(rs.Instance("empty", [rs.Tensor("x", 3)], []), path)
    assert run("show", path, *PLAIN).exit_code == 0
    assert run("show", path, *PLAIN, "--output", tmp_path / "p.png").exit_code == 0


def test_no_layout_ends_with_1(refused, stubborn):
    """Where there is no layout, there is nothing to show."""
    assert "infeasible" in refused("show", stubborn, *PLAIN, code=1)


def test_wrong_result_ends_with_1(refused, small, best):
    """A result is checked before it is drawn."""
    best.write_text(
        best.read_text(encoding="utf-8").replace('"cost": 0', '"cost": 1', 1), encoding="utf-8"
    )
    assert best.name in refused("show", small, best, code=1)


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["--output", "x.txt"], "must end in one of .png, .svg, .pdf"),
        (["--output", "/no/such/folder/x.png"], "no such folder"),
        (["--tensor", "none"], "no access touches a tensor 'none'"),
        (["--panels", "0"], "--panels"),
    ],
)
def test_bad_input_is_one_line(refused, small, arguments, phrase):
    """Whatever is wrong is said in one line."""
    assert phrase in refused("show", small, *PLAIN, *arguments)


def test_solve_options_beside_a_result_are_bad_input(refused, small, best):
    """An option that would be ignored is refused."""
    assert "--seed has no meaning" in refused("show", small, best, "--seed", "3")


def test_without_matplotlib_ends_with_3(refused, small, monkeypatch):
    """Without matplotlib a picture file ends with 3 and what to install."""
    monkeypatch.setattr("reorder_solver.plot.figure.find_spec", lambda name: None)
    line = refused("show", small, *PLAIN, "--output", small.parent / "p.png", code=3)
    assert "pip install 'reorder-solver[plot]'" in line
