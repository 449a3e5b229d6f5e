"""Contests and scores: who competes, what is known, medians over seeds, standings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from report_samples import DIGESTS, mixed_records, run

from reorder_solver.bench.record import Outcome
from reorder_solver.report.contest import contests
from reorder_solver.report.contradictions import contradictions
from reorder_solver.report.scores import Scores, standings
from reorder_solver.report.solvers import Solver, labels
from reorder_solver.report.statistics import performance_profile


@dataclass
class Known:
    cost: int | None = None
    lower_bound: int | None = None


def only(records, known=None):
    (found,) = contests(records, known)
    return found


def scores_of(*records, known=None):
    return Scores(only(records, known))


def the_score(*records, known=None):
    (found,) = scores_of(*records, known=known).cells.values()
    return found


def test_labels_say_what_differs():
    """A backend alone bears its name; namesakes say which aspects differ, and no others."""
    one = Solver("auto", "1", 10.0, 1, None)
    more = [one, Solver("auto", "1", 10.0, 4, None), Solver("auto", "1", None, 1, None)]
    other = Solver("exact", "1", 10.0, 1, 2**30)
    found = labels([*more, other])
    assert [found[each] for each in more] == [
        "auto, 10 s, 1 thread",
        "auto, 10 s, 4 threads",
        "auto, no limit, 1 thread",
    ]
    assert found[other] == "exact"
    versions = labels([one, Solver("auto", "2", 10.0, 1, None)])
    assert sorted(versions.values()) == ["auto, 1", "auto, 2"]
    memory = labels([one, Solver("auto", "1", 10.0, 1, 2**30)])
    assert sorted(memory.values()) == ["auto, 1,024 MiB", "auto, all memory"]


def test_contests_by_objective():
    found = contests(mixed_records())
    assert [each.objective for each in found] == ["bytes", "copies"]
    assert len(found[1].runs) == 3
    assert contests([]) == []


def test_equal_names_are_told_apart():
    """Two instances of one name get the start of their digests."""
    contest = only([run("a", name="x"), run("b", name="x"), run("c", name="y")])
    assert [each.name for each in contest.problems] == ["x (aaaaaaaa)", "x (bbbbbbbb)", "y"]


def test_numbers_in_names_sort_by_value():
    names = ["n10", "n9", "n100"]
    contest = only([run(key, name=name) for key, name in zip("abc", names, strict=True)])
    assert [each.name for each in contest.problems] == ["n9", "n10", "n100"]


def test_targets_from_the_store_and_from_outside():
    contest = only(
        [run("a", cost=10), run("b", cost=10, bound=7), run("c", cost=10), run("d", cost=None)],
        {
            (DIGESTS["a"], "bytes"): Known(8, 8),
            (DIGESTS["b"], "bytes"): Known(12, 6),
            (DIGESTS["c"], "copies"): Known(1, 1),
        },
    )
    a, b, c, d = (contest.targets[DIGESTS[name]] for name in "abcd")
    assert (a.cost, a.lower_bound, a.improved, a.proven) == (8, 8, False, True)
    assert (b.cost, b.lower_bound, b.improved, b.proven) == (10, 7, True, False)
    assert (c.cost, c.lower_bound, c.improved) == (10, None, False)
    assert (d.cost, d.infeasible, d.proven) == (None, False, False)


def test_infeasible_target():
    contest = only([run(cost=None, outcome=Outcome.INFEASIBLE)])
    target = contest.targets[DIGESTS["a"]]
    assert target.infeasible
    assert target.proven


def test_score_is_the_median_over_seeds():
    found = the_score(
        *(run(cost=cost, seed=seed, time=seed + 1) for seed, cost in enumerate([20, 10, 40])),
    )
    assert (found.cost, found.low, found.high) == (20, 10, 40)
    assert found.gap == 0.5
    assert found.proofs == 0
    assert found.proof_time == 20.0  # twice the limit of 10 s
    assert found.proof_time_or_never == math.inf


def test_score_of_half_failed_seeds():
    """Half of the seeds without a layout: the median is a failure."""
    found = the_score(run(cost=10), run(cost=None, outcome=Outcome.CRASH, seed=1))
    assert found.cost == math.inf
    assert found.gap == 1.0
    assert found.outcome is Outcome.CRASH


def test_score_of_a_refusal():
    """A refusal is no failure: there are no figures at all."""
    scores = scores_of(
        run(cost=10, bound=10), run(backend="b", cost=None, outcome=Outcome.UNSUPPORTED)
    )
    found = next(each for each in scores.cells.values() if each.refused)
    for value in (found.cost, found.gap, found.proof_time, found.target_time, found.integral):
        assert math.isnan(value)


def test_score_of_an_infeasible_instance():
    """Proving that there is no layout settles an instance; costs say nothing there."""
    found = the_score(run(cost=None, outcome=Outcome.INFEASIBLE, time=0.5))
    assert (found.proofs, found.proof_time) == (1, 0.5)
    assert math.isnan(found.gap)


def test_score_where_nobody_has_a_layout():
    """Not proven infeasible: a failure of all, in every measure."""
    found = the_score(run(cost=None, outcome=Outcome.TIMEOUT))
    assert (found.gap, found.integral, found.target_time) == (1.0, 1.0, math.inf)


def test_times_from_traces():
    trace = ((1.0, 40, None), (3.0, 20, 20))
    found = the_score(run(cost=20, bound=20, time=5.0, trace=trace))
    assert found.target_time == 3.0
    assert found.proof_time == 5.0
    assert found.integral == pytest.approx((1.0 + 2 * 0.5) / 10)


def test_a_run_without_result_has_no_trace():
    """What a killed run had found is lost with it."""
    scores = scores_of(
        run(cost=None, outcome=Outcome.TIMEOUT, trace=((0.1, 20, None),)),
        run(backend="other", cost=20),
    )
    killed = next(each for each in scores.cells.values() if each.outcome is Outcome.TIMEOUT)
    assert killed.target_time == math.inf
    assert killed.integral == 1.0


def test_tables_and_profiles_of_scores():
    scores = scores_of(
        run("a", "x", cost=10),
        run("a", "y", cost=20),
        run("b", "x", cost=10),
        run("c", "x", cost=5),
        run("c", "y", cost=None, outcome=Outcome.TIMEOUT),
    )
    assert [each.name for each in scores.common()] == ["instance-a", "instance-c"]
    table = scores.table(lambda each: each.cost, scores.common())
    np.testing.assert_array_equal(table, [[10, 20], [5, math.inf]])
    np.testing.assert_array_equal(performance_profile(table).at(1e9), [1.0, 0.5])
    everything = scores.table(lambda each: each.cost, scores.contest.problems)
    assert np.isnan(everything[1, 1])


def test_standings():
    scores = Scores(contests(mixed_records())[0])
    found = {each.name: each for each in standings(scores)}
    exact = found["exact"]
    assert next(iter(found)) == "exact"
    assert (exact.instances, exact.best, exact.proven, exact.layouts) == (6, 5, 6, 5)
    assert exact.gap.value == 0.0
    short = found["auto, 2 s"]
    assert (short.instances, short.missing, short.proven, short.best) == (4, 2, 0, 0)
    assert short.proof_time == pytest.approx(4.0)
    assert found["bad-crash"].failed_runs == 3
    assert found["bad-unsupported"].refused == 1
    assert found["bad-unsupported"].instances == 0
    assert math.isnan(found["bad-unsupported"].gap.value)


def test_contradictions_are_found():
    records = [
        run("a", "x", cost=10, bound=10),
        run("a", "y", cost=8),
        run("b", "x", cost=None, outcome=Outcome.INFEASIBLE),
        run("b", "y", cost=8),
        run("c", "x", cost=5, bound=5),
    ]
    found = contradictions(only(records, {(DIGESTS["c"], "bytes"): Known(None, 6)}))
    assert found == [
        "instance-a: the bound 10 of x (seed 0) is above the cost 8 that y (seed 0) found",
        "instance-b: x (seed 0) calls it infeasible, but y (seed 0) found a layout",
        "instance-c: the best-known bound 6 is above the cost 5 of a layout",
    ]
    assert contradictions(contests(mixed_records())[0]) == []
