"""``backends``: what is there, what it does, what is missing."""

from __future__ import annotations

import csv
import io
import json

from reorder_solver.backends import backend_names


def test_lists_every_backend(run):
    """Every registered backend has a row with its abilities."""
    rows = json.loads(run("backends", "--format", "json").stdout)
    assert [row["name"] for row in rows] == backend_names()
    (identity,) = [row for row in rows if row["name"] == "identity"]
    assert identity["available"] is True
    assert identity["exact"] is False
    assert identity["objectives"] == ["bytes", "copies", "latency", "runs"]
    assert identity["summary"]


def test_packaged_backends_work(run):
    """Everything that comes with the package can run here."""
    rows = json.loads(run("backends", "--format", "json").stdout)
    assert all(row["available"] for row in rows), rows


def test_table_and_csv_say_the_same(run):
    """The names appear in all forms."""
    names = backend_names()
    table = run("backends").stdout
    assert all(name in table for name in names)
    rows = list(csv.DictReader(io.StringIO(run("backends", "--format", "csv").stdout)))
    assert [row["name"] for row in rows] == names


def test_missing_package_and_broken_plug_in_are_rows(run, odd_backends):
    """A plug-in that cannot run is listed with the reason; it hides nobody."""
    rows = json.loads(run("backends", "--format", "json").stdout)
    by_name = {row["name"]: row for row in rows}
    assert by_name["needy"]["available"] is False
    assert "pip install no_such_package_at_all" in by_name["needy"]["detail"]
    assert by_name["broken"]["available"] is False
    assert "odd_cli_backends_that_are_missing" in by_name["broken"]["detail"]
    assert by_name["identity"]["available"] is True


def test_markup_in_a_summary_is_text(run, odd_backends):
    """A summary is printed as it is."""
    assert "needs [bold]more[/bold]" in run("backends").stdout
