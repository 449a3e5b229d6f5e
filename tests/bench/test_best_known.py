"""Best known values: the table, what may replace a row, and what the bundled one says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reorder_solver as rs
from reorder_solver import Objective
from reorder_solver.bench.best_known import (
    BestKnown,
    best_known_text,
    better,
    read_best_known,
    write_best_known,
)

FOLDER = Path(__file__).resolve().parents[2] / "bench_instances"
FILES = json.loads((FOLDER / "manifest.json").read_text("utf-8"))["files"]
BUNDLED = read_best_known(FOLDER / "best_known.csv")
#: Solved in a moment.
SMALL = [entry for entry in FILES if entry["wanted"] <= 400]

ROW = BestKnown("a.json", "0" * 64, Objective.RUNS, 7, 5, False, "someone", "2026-01-31")


@st.composite
def rows_of_one_problem(draw: st.DrawFn) -> list[BestKnown]:
    """Rows that are all true of a problem with one optimum."""
    optimum = draw(st.integers(0, 20))
    rows = []
    for number in range(draw(st.integers(1, 5))):
        cost = optimum + draw(st.integers(0, 5))
        bound = draw(st.one_of(st.none(), st.integers(0, optimum)))
        proven = bound == cost
        rows.append(replace(ROW, cost=cost, lower_bound=bound, proven=proven, found_by=str(number)))
    return rows


@given(rows_of_one_problem())
def test_better_keeps_the_least_cost_and_the_highest_bound(rows: list[BestKnown]) -> None:
    """However true rows come in, nothing known is lost and nothing loosens."""
    known = None
    for row in rows:
        before, known = known, better(known, row)
        assert known.contradiction() is None
        if before is not None and before.cost == known.cost:
            assert known.found_by.startswith(before.found_by)
    assert known is not None
    assert known.cost == min(row.cost for row in rows if row.cost is not None)
    bounds = [row.lower_bound for row in rows if row.lower_bound is not None]
    assert known.lower_bound == max(bounds, default=None)


def test_nothing_better_changes_nothing() -> None:
    """A second look is no discovery: date and finder stay."""
    again = replace(ROW, cost=8, lower_bound=3, found_by="another", date="2027-01-01")
    assert better(ROW, again) is ROW
    closed = better(ROW, replace(again, cost=8, lower_bound=7))
    by = "someone; proven by another"
    assert closed == replace(ROW, lower_bound=7, proven=True, found_by=by, date="2027-01-01")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (replace(ROW, lower_bound=7, proven=True), replace(ROW, cost=6, lower_bound=None)),
        (ROW, replace(ROW, cost=9, lower_bound=8)),
        (replace(ROW, cost=None, lower_bound=None, proven=True), ROW),
    ],
)
def test_contradictions_are_refused(old: BestKnown, new: BestKnown) -> None:
    """A cost below a bound, or a layout where there is none, is an error and no update."""
    with pytest.raises(rs.InputError):
        better(old, new)


def test_round_trip(tmp_path: Path) -> None:
    """What is written is read, commas and quotes included."""
    rows = [
        ROW,
        replace(ROW, objective=Objective.COPIES, cost=None, lower_bound=None, proven=True),
        replace(ROW, digest="f" * 64, file='a,"b".json', lower_bound=None, found_by="x, y"),
    ]
    path = tmp_path / "table.csv"
    write_best_known(path, rows)
    assert list(read_best_known(path).values()) == rows


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("file,cost\n", "line 1: the first line must be file,digest"),
        (best_known_text([ROW]).replace("0000", "xxxx"), "line 2: digest must be 64"),
        (best_known_text([ROW]).replace(",no,", ",maybe,"), "line 2: proven must be yes or no"),
        (best_known_text([ROW]).replace("2026-01-31", "yesterday"), "line 2: date must be like"),
        (best_known_text([ROW]).replace(",7,", ",-7,"), "line 2: cost must be a whole number"),
        (best_known_text([ROW]).replace(",7,", ",4,"), "line 2: bound 5 is above cost 4"),
        (best_known_text([ROW]).replace(",no,", ",yes,"), "line 2: proven, but the bound"),
        (best_known_text([ROW]).replace(",runs,", ",beauty,"), "known: copies, bytes, runs"),
        (best_known_text([ROW]).replace(",someone,2026-01-31", ""), "line 2: no found_by"),
        (best_known_text([ROW, ROW]), "line 3: the same digest and objective twice"),
        (best_known_text([ROW]) + '"', "line 2: unexpected end"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, phrase: str) -> None:
    """One line that names file, line and rule."""
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(rs.InputError, match=phrase) as caught:
        read_best_known(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_bundled_table_is_about_the_bundled_files() -> None:
    """Digests are those of the manifest, and every file has its rows."""
    digests = {entry["digest"]: entry["file"] for entry in FILES}
    assert {digest for digest, _ in BUNDLED} == set(digests)
    plain = {Objective.COPIES, Objective.BYTES, Objective.RUNS}
    for digest in digests:
        assert plain <= {objective for other, objective in BUNDLED if other == digest}
    for (digest, _), row in BUNDLED.items():
        assert digests[digest] == row.file or row.file in digests.values()


def test_bundled_table_agrees_with_the_manifest() -> None:
    """Optima stated there are proven here."""
    for entry in FILES:
        for objective, cost in entry.get("optimum", {}).items():
            row = BUNDLED[entry["digest"], Objective.parse(objective)]
            assert (row.cost, row.proven) == (cost, True), entry["file"]


@pytest.mark.parametrize("entry", SMALL, ids=lambda entry: entry["file"])
def test_values_are_reached_and_not_beaten(entry: dict[str, str]) -> None:
    """Solvers reach what is proven of small instances, and never less."""
    instance = rs.read_instance(FOLDER / entry["file"])
    for (digest, objective), row in BUNDLED.items():
        if digest != entry["digest"]:
            continue
        for backend in ("greedy", "auto"):
            result = rs.solve(instance, objective, backend, time_limit=2.0)
            if row.cost is None:
                assert result.status is rs.Status.INFEASIBLE
                continue
            assert result.cost is not None
            assert row.lower_bound is None or result.cost >= row.lower_bound
            assert result.lower_bound is None or result.lower_bound <= row.cost
            if backend == "auto" and row.proven and entry["wanted"] <= 150:
                assert result.cost == row.cost


@pytest.mark.slow
@pytest.mark.parametrize("entry", FILES, ids=lambda entry: entry["file"])
def test_no_solver_beats_a_proven_value(entry: dict[str, str]) -> None:
    """Every backend on every bundled instance: costs and bounds fit what is known."""
    instance = rs.read_instance(FOLDER / entry["file"])
    for (digest, objective), row in BUNDLED.items():
        if digest != entry["digest"] or row.cost is None:
            continue
        for backend in ("greedy", "upscale", "local_search", "auto"):
            try:
                result = rs.solve(instance, objective, backend, time_limit=2.0)
            except rs.UnsupportedError:
                continue
            if result.cost is not None and row.lower_bound is not None:
                assert result.cost >= row.lower_bound
            if result.lower_bound is not None:
                assert result.lower_bound <= row.cost
