"""Tables and curves: what stands in the cells, and what the lines of the charts say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from report_samples import mixed_records, run

from reorder_solver.bench.record import Outcome
from reorder_solver.report.charts import COLOURS, DASHES, charts, style_of
from reorder_solver.report.contest import contests
from reorder_solver.report.curves import figures
from reorder_solver.report.scaling import scaling_table, scalings
from reorder_solver.report.scores import Scores
from reorder_solver.report.table import Cell, Column, Table
from reorder_solver.report.tables import (
    comparison_table,
    comparisons,
    failures_table,
    family_table,
    machines_table,
    pairs_table,
    standings_table,
    versions_table,
)
from reorder_solver.report.words import duration, listed, natural, percent, size


def scores_of(records):
    (found,) = contests(records)
    return Scores(found)


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def the_family(*records):
    scores = scores_of(records)
    ((family, problems),) = scores.contest.families().items()
    return family_table(scores, family, problems)


def test_rows_have_a_cell_per_column():
    with pytest.raises(ValueError, match="cell per column"):
        Table("t", (Column("a"), Column("b")), ((Cell("1"),),))


def test_sort_keys():
    """What the page sorts by: numbers, infinity as JavaScript writes it, nothing last."""
    keys = [Cell("x", value).sort_key() for value in (1, 0.5, math.inf, math.nan, None, "a")]
    assert keys == ["1", "0.5", "Infinity", "", "", "a"]


def test_family_cells():
    """Gaps, proofs, spread over seeds, failures and refusals each have their words."""
    table = the_family(
        run("a", "exact", cost=10, bound=10),
        run("a", "greedy", cost=12),
        run("a", "greedy", cost=20, seed=1),
        run("a", "slow", cost=None, outcome=Outcome.TIMEOUT),
        run("a", "picky", cost=None, outcome=Outcome.UNSUPPORTED),
        run("b", "exact", cost=10, bound=5),
    )
    assert [column.title for column in table.columns[3:]] == [
        "best known",
        "gap to bound",
        "exact",
        "greedy",
        "picky",
        "slow",
    ]
    first, second = texts(table)
    assert first[3:] == ["10", "✓", "0 % ✓", "50.0 %", "refused", "killed at the limit"]
    assert second[3:] == ["10", "50.0 %", "0 %", "–", "–", "–"]
    row = table.rows[0]
    assert row[6].note == "cost 20 (seeds: 12 to 20)"
    assert [cell.mark for cell in row[4:]] == ["best", "best", "", "none", "fail"]


def test_infeasible_family():
    table = the_family(
        run("a", "exact", cost=None, outcome=Outcome.INFEASIBLE, time=0.5),
        run("a", "greedy", cost=None),
    )
    assert texts(table)[0][3:] == ["infeasible", "✓", "infeasible ✓", "no layout"]


def test_contradiction_in_the_table():
    table = the_family(run("a", "x", cost=10), run("a", "y", cost=12, bound=11))
    assert texts(table)[0][4] == "contradiction"
    assert table.rows[0][4].mark == "fail"


def test_standings_table_is_sorted_and_whole():
    scores = Scores(contests(mixed_records())[0])
    rows = texts(standings_table(scores))
    assert rows[0][0] == "exact"
    refused = next(row for row in rows if row[0] == "bad-unsupported")
    assert refused[1:4] == ["0", "1", "–"]
    missing = next(row for row in standings_table(scores).rows if row[0].text == "greedy")
    assert missing[1].note == "2 not run"


def many(better, worse, instances):
    """Records of two solvers on `instances` instances."""
    records = []
    for number in range(instances):
        digest = f"{number:064x}"
        records.append(run(backend="x", cost=better(number), digest=digest, name=f"i{number}"))
        records.append(run(backend="y", cost=worse(number), digest=digest, name=f"i{number}"))
    return records


def test_comparison_of_a_clear_winner():
    """Significant after correction, marked on both sides, ratios reciprocal."""
    scores = scores_of(many(lambda n: 10 + n, lambda n: 20 + 2 * n, 12))
    found = comparisons(scores)
    x, y = scores.contest.solvers
    each, corrected = found[x, y]
    assert (each.wins, each.losses, each.ratio.value) == (12, 0, 0.5)
    assert corrected < 0.01
    assert found[y, x][0].ratio.value == 2.0
    table = comparison_table(scores, found)
    assert texts(table) == [["x", "–", "12–0–0 •"], ["y", "0–0–12 •", "–"]]
    assert [table.rows[0][2].mark, table.rows[1][1].mark] == ["best", "worse"]
    assert texts(pairs_table(scores, found))[0][:5] == ["x against y", "12", "12", "0", "0"]


def test_comparison_of_few_instances_is_not_significant():
    scores = scores_of(many(lambda n: 10, lambda n: 20, 3))
    table = comparison_table(scores, comparisons(scores))
    assert texts(table)[0][2] == "3–0–0"
    assert table.rows[0][2].mark == ""


def test_seeds_are_no_instances():
    """Ten seeds of one instance are one pair: never significant."""
    records = [
        run(backend=backend, cost=cost, seed=seed)
        for seed in range(10)
        for backend, cost in (("x", 10), ("y", 20))
    ]
    scores = scores_of(records)
    each, corrected = next(iter(comparisons(scores).values()))
    assert (each.pairs, corrected) == (1, 1.0)


def test_failures_are_grouped():
    contest = contests(mixed_records())[0]
    rows = texts(failures_table(contest))
    assert ["bad-crash", "crashed", "3", "because of crash", "instance-e"] in rows
    assert ["bad-timeout", "killed at the limit", "3", "–", "instance-e"] in rows
    assert ["bad-unsupported", "refused", "3", "because of unsupported", "instance-e"] in rows
    assert not [row for row in rows if row[1] in ("solved", "infeasible")]


def test_machines_and_versions():
    records = [run(), run("b", machine={"cpu": "other"}, versions={"numpy": "3"})]
    assert texts(machines_table(records)) == [
        ["a processor", "2", "8 GiB", "–", "3.11.7", "1"],
        ["other", "–", "–", "–", "–", "1"],
    ]
    assert texts(versions_table(records)) == [
        ["numpy", "2.0, 3", "2"],
        ["reorder-solver", "0.1.0", "1"],
    ]


def figure_of(scores, title):
    return next(figure for figure in figures(scores) if figure.title == title)


def test_cost_profile_curve():
    scores = scores_of(
        [
            run("a", "x", cost=10),
            run("a", "y", cost=20),
            run("b", "x", cost=10),
            run("b", "y", cost=None, outcome=Outcome.CRASH),
            run("c", "x", cost=10),
        ]
    )
    figure = figure_of(scores, "Cost profile")
    assert "2 instances" in figure.note
    x, y = figure.curves
    assert x.y.tolist() == [1.0] * x.y.size
    assert (y.y[0], y.y[-1]) == (0.0, 0.5)
    assert figure.table(["x", "y"])[2][:2] == ["y", "0 %"]
    assert figure.table(["x", "y"])[2][-1] == "50.0 %"


def test_anytime_curves():
    """Per instance the median over the seeds, then median and mean over the instances."""
    early, late = ((0.1, 20, None), (1.0, 10, None)), ((5.0, 10, None),)
    records = [
        run("a", "x", cost=10, time=5.0, trace=trace, seed=seed)
        for seed, trace in enumerate([early, early, late])
    ]
    records.append(run("b", "x", cost=10, time=0.05, trace=()))
    figure = figure_of(scores_of(records), "Anytime: mean gap")
    (curve,) = figure.curves
    at = dict(zip(np.round(curve.x, 12), curve.y, strict=True))
    assert at[0.01] == 1.0
    assert at[10.0] == 0.0
    middle = curve.y[np.searchsorted(curve.x, 0.5)]
    assert middle == pytest.approx((0.5 + 0.0) / 2)
    assert figure.x_limits == (0.01, 10.0)


def test_scaling_of_known_growth():
    """Quadratic times give an exponent of two; time-outs are counted, failures are not."""
    records = []
    for number, channels in enumerate([10, 20, 40, 80, 160, 320]):
        digest = f"{number:064x}"
        sizes = {"channels": channels, "classes": channels // 2}
        labels = {"digest": digest, "name": f"i{number}", "sizes": sizes}
        records.append(run(backend="x", time=1e-3 * channels**2, stop_reason="finished", **labels))
        records.append(run(backend="y", time=10.0, stop_reason="time_limit", **labels))
        records.append(run(backend="z", cost=None, outcome=Outcome.CRASH, **labels))
    scores = scores_of(records)
    x, y = scalings(scores, "channels")
    assert x.law.exponent.value == pytest.approx(2.0)
    assert y.law is None
    assert y.censored.all()
    assert texts(scaling_table(scores)) == [
        ["x", "2.00 [2.00, 2.00]", "2.00 [2.00, 2.00]", "6", "0"],
        ["y", "too little data", "too little data", "0", "6"],
    ]
    titles = [figure.title for figure in figures(scores)]
    assert "Scaling with channels" in titles
    assert "Scaling with classes" in titles


def test_charts_are_drawn_with_styles_of_their_own():
    """Colours are the page's, identifiers the chart's, and names appear as titles only."""
    found = charts(scores_of(many(lambda n: 10 + n, lambda n: 20 + 3 * n, 4)), "o7")
    for number, chart in enumerate(found):
        assert f'id="o7-{number}-' in chart.svg
        assert "#0a0b" not in chart.svg
        assert "var(--s0)" in chart.svg
        assert "<style" not in chart.svg
        assert "<title>x</title>" in chart.svg
    styles = {style_of(place) for place in range(COLOURS * len(DASHES))}
    assert len(styles) == COLOURS * len(DASHES)


def test_words():
    assert [percent(v) for v in (0, 1e-6, 0.004, 0.5, 0.9999, 1, math.inf, None)] == [
        "0 %",
        "<0.01 %",
        "0.40 %",
        "50.0 %",
        "99.9 %",
        "100.0 %",
        "∞",
        "–",
    ]
    assert [duration(v) for v in (0, 1e-5, 0.0123, 1, 59.96, 130, 3600, math.inf)] == [
        "0 s",
        "<1 ms",
        "12.3 ms",
        "1 s",
        "60 s",
        "130 s",
        "60 min",
        "∞",
    ]
    assert [size(v) for v in (10, 2048, 2**33)] == ["10 B", "2 KiB", "8 GiB"]
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert sorted(["x10", "x9", "x", "10", "9"], key=natural) == ["9", "10", "x", "x9", "x10"]
