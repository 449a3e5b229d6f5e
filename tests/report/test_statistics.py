"""Statistics against scipy, and against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reorder_solver.report.statistics import (
    bound_gap,
    compare_pair,
    fit_power_law,
    gap_at,
    holm,
    median_interval,
    median_over_seeds,
    penalised,
    performance_profile,
    primal_gap,
    primal_integral,
    ratios_to_best,
    shifted_geometric_mean,
    time_to_gap,
)

INF, NAN = math.inf, math.nan
TRACE = [(0.1, None, 3), (0.5, 10, 3), (0.7, 12, 4), (1.0, 5, 5)]
costs = st.one_of(st.integers(0, 10**9), st.just(INF))


@pytest.mark.parametrize(
    ("cost", "reference", "gap"),
    [
        (10, 10, 0.0),
        (20, 10, 0.5),
        (10, 0, 1.0),
        (0, 0, 0.0),
        (None, 10, 1.0),
        (INF, 10, 1.0),
        (9, 10, 0.0),
        (None, None, 1.0),
        (4, None, 0.0),
    ],
)
def test_primal_gap(cost, reference, gap):
    assert primal_gap(cost, reference) == gap


@given(costs, st.integers(0, 10**9))
def test_primal_gap_is_a_share(cost, reference):
    """Always in [0, 1], and 0 just where the reference is reached."""
    gap = primal_gap(cost, reference)
    assert 0 <= gap <= 1
    assert (gap == 0) == (cost <= reference)


def test_bound_gap():
    assert bound_gap(10, 8) == 0.2
    assert bound_gap(0, 0) == 0.0
    assert bound_gap(None, 3) is None
    assert bound_gap(3, None) is None
    assert bound_gap(INF, 3) is None


def test_ratios_to_best():
    """Failures, zeros and solvers that did not run each have their own answer."""
    ratios = ratios_to_best([[2, 4, INF], [0, 0, 5], [INF, INF, INF], [3, NAN, 6]])
    expected = [[1, 2, INF], [1, 1, INF], [INF, INF, INF], [1, NAN, 2]]
    np.testing.assert_array_equal(ratios, expected)
    with pytest.raises(ValueError, match="negative"):
        ratios_to_best([[-1]])


def test_median_over_seeds():
    """Of an even number the worse middle one: half of the runs must have reached it."""
    assert median_over_seeds([3, 1, 2]) == 2
    assert median_over_seeds([3, INF]) == INF
    assert median_over_seeds([1, 2, 3, INF]) == 3
    assert math.isnan(median_over_seeds([]))


def test_shifted_geometric_mean():
    assert shifted_geometric_mean([1, 7], shift=1) == pytest.approx(3)
    assert shifted_geometric_mean([0, 0]) == 0
    assert math.isnan(shifted_geometric_mean([]))
    assert shifted_geometric_mean([1, INF]) == INF
    with pytest.raises(ValueError, match="shift"):
        shifted_geometric_mean([-2], shift=1)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=20))
def test_shifted_geometric_mean_without_shift(values):
    """With a shift of nothing it is scipy's geometric mean."""
    assert shifted_geometric_mean(values, shift=0) == pytest.approx(stats.gmean(values))


def test_penalised():
    assert penalised(3.0, finished=True, limit=10, factor=2) == 3.0
    assert penalised(3.0, finished=False, limit=10, factor=2) == 20.0


def test_median_interval_beside_scipy():
    """Much the same interval as scipy's percentile bootstrap."""
    values = np.random.default_rng(1).lognormal(size=80)
    ours = median_interval(values)
    theirs = stats.bootstrap(
        (values,), np.median, method="percentile", random_state=3, n_resamples=4000
    ).confidence_interval
    assert ours.value == np.median(values)
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.25 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.25 * width)
    assert median_interval(values) == ours


def test_median_interval_with_failures():
    """An interval may end at infinity; a median between a success and a failure is a failure."""
    found = median_interval([1, 2, 3, INF, INF, 5, 2])
    assert (found.value, found.high) == (3, INF)
    assert found.low <= 3
    assert median_interval([1, INF]).value == INF
    assert median_interval([4]) == median_interval([4, 4])
    assert math.isnan(median_interval([]).value)


def test_interval_covers_the_median():
    """About 95 of 100 intervals hold the true median."""
    rng = np.random.default_rng(0)
    found = [median_interval(rng.exponential(size=40)) for _ in range(200)]
    hits = sum(each.low <= math.log(2) <= each.high for each in found)
    assert 180 <= hits <= 200


def test_profile_by_hand():
    profile = performance_profile([[1, 2, INF], [4, 2, 6], [INF, 1, INF], [5, 5, 5]])
    np.testing.assert_array_equal(profile.factors, [1, 2, 3])
    np.testing.assert_array_equal(
        profile.shares, [[0.5, 0.75, 0.75], [0.75, 1.0, 1.0], [0.25, 0.25, 0.5]]
    )
    assert profile.instances == 4
    np.testing.assert_array_equal(profile.at(2.5), [0.75, 1.0, 0.25])
    np.testing.assert_array_equal(profile.at(0.9), [0, 0, 0])
    with pytest.raises(ValueError, match="table"):
        performance_profile([1, 2])


tables = st.integers(1, 4).flatmap(
    lambda solvers: st.lists(st.lists(costs, min_size=solvers, max_size=solvers), min_size=1)
)


@given(tables)
def test_profile_properties(table):
    """Monotone; ends at the share solved; where anybody succeeds, somebody is best."""
    profile = performance_profile(table)
    values = np.array(table, dtype=float)
    assert np.all(np.diff(profile.shares, axis=1) >= 0)
    # Against a best of zero no other cost has a ratio.
    countable = np.isfinite(values) & ((values == 0) | (values.min(axis=1, keepdims=True) > 0))
    np.testing.assert_allclose(profile.shares[:, -1], countable.mean(axis=0))
    solved = np.isfinite(values).any(axis=1).mean()
    assert profile.shares[:, 0].sum() >= solved - 1e-12


def test_profile_failures_never_reach_one():
    profile = performance_profile([[1, 100], [INF, 1]])
    assert profile.at(1e300)[0] == 0.5
    assert profile.at(1e300)[1] == 1.0


def test_profile_of_nothing():
    profile = performance_profile(np.empty((0, 2)))
    assert profile.instances == 0
    np.testing.assert_array_equal(profile.at(10), [0, 0])


def test_gap_at():
    """Nothing before the first layout; a worse layout later changes nothing."""
    np.testing.assert_array_equal(
        gap_at(TRACE, 5, [0, 0.1, 0.5, 0.8, 1.0, 9.0]), [1, 1, 0.5, 0.5, 0, 0]
    )
    np.testing.assert_array_equal(gap_at([], 5, [0, 1]), [1, 1])


def test_primal_integral():
    assert primal_integral(TRACE, 5, 2.0) == pytest.approx((0.5 + 0.25) / 2)
    assert primal_integral(TRACE, 5, 0.25) == 1.0
    assert primal_integral([], 5, 1.0) == 1.0
    assert primal_integral([(0.0, 5, None)], 5, 1.0) == 0.0
    with pytest.raises(ValueError, match="horizon"):
        primal_integral(TRACE, 5, 0.0)


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 50), st.none()), max_size=6))
def test_primal_integral_is_the_mean_of_the_curve(trace):
    """A fine sum over the curve agrees."""
    trace = sorted(trace, key=lambda each: each[0])
    moments = (np.arange(20_000) + 0.5) / 2000
    mean = gap_at(trace, 3, moments).mean()
    assert primal_integral(trace, 3, 10.0) == pytest.approx(mean, abs=1e-3)


def test_time_to_gap():
    assert time_to_gap(TRACE, 5, 0.5) == 0.5
    assert time_to_gap(TRACE, 5, 0.01) == 1.0
    assert time_to_gap(TRACE, 4, 0.01) == INF


def test_power_law_beside_scipy():
    """Without time-outs it is least squares, with Student's interval."""
    rng = np.random.default_rng(2)
    sizes = np.repeat([8, 16, 32, 64], 5)
    times = 1e-3 * sizes**1.5 * rng.lognormal(0, 0.3, sizes.size)
    law = fit_power_law(sizes, times)
    line = stats.linregress(np.log(sizes), np.log(times))
    half = stats.t.ppf(0.975, sizes.size - 2) * line.stderr
    assert law.exponent.value == pytest.approx(line.slope)
    assert law.exponent.low == pytest.approx(line.slope - half)
    assert law.exponent.high == pytest.approx(line.slope + half)
    assert law(10) == pytest.approx(math.exp(line.intercept) * 10**line.slope)
    assert (law.finished, law.censored) == (20, 0)


def test_power_law_with_time_outs():
    """Time-outs as censored times: the true exponent, where leaving them out is too flat."""
    rng = np.random.default_rng(3)
    sizes = np.repeat([10, 20, 40, 80, 160, 320], 60)
    times = 1e-4 * sizes**2.0 * rng.lognormal(0, 0.7, sizes.size)
    cut = times > 3.0
    law = fit_power_law(sizes, np.minimum(times, 3.0), cut)
    without = fit_power_law(sizes[~cut], times[~cut])
    assert law.exponent.low < 2.0 < law.exponent.high
    assert without.exponent.high < 2.0
    assert law.censored == np.count_nonzero(cut) > 50
    full = fit_power_law(sizes, times)
    assert law.factor == pytest.approx(full.factor, rel=0.3)
    assert law.exponent.high - law.exponent.low > full.exponent.high - full.exponent.low


def test_censored_fit_is_the_most_likely():
    """No line nearby is likelier, by scipy's own distributions."""
    rng = np.random.default_rng(4)
    x = rng.uniform(1, 5, 60)
    y = 1.2 * x - 3 + rng.normal(0, 0.5, 60)
    cut = y > 2
    y = np.minimum(y, 2)

    def likelihood(slope, intercept, sigma):
        z = (y - intercept - slope * x) / sigma
        known = stats.norm.logpdf(z[~cut]) - math.log(sigma)
        return known.sum() + stats.norm.logsf(z[cut]).sum()

    law = fit_power_law(np.exp(x), np.exp(y), cut)
    slope, intercept = law.exponent.value, math.log(law.factor)
    best = max(likelihood(slope, intercept, sigma) for sigma in np.linspace(0.3, 0.8, 501))
    for step in (-0.02, 0.02):
        for sigma in np.linspace(0.3, 0.8, 51):
            assert likelihood(slope + step, intercept, sigma) < best
            assert likelihood(slope, intercept + step, sigma) < best


def test_power_law_says_nothing_of_little():
    assert fit_power_law([1, 2, 3, 4], [1, 2, 3, 4]) is None
    assert fit_power_law([1, 1, 2, 2, 2, 1], [1, 1, 2, 2, 2, 1]) is None
    mostly_stopped = [False] * 5 + [True] * 6
    assert fit_power_law(range(1, 12), range(1, 12), mostly_stopped) is None
    with pytest.raises(ValueError, match="positive"):
        fit_power_law([0, 1], [1, 1])


def test_compare_pair_by_hand():
    """Who did not run on an instance is left out of it; a failure loses to any success."""
    found = compare_pair([1, 2, 3, INF, 0, 5, NAN, INF], [2, 2, 4, 1, 0, INF, 3, INF])
    assert (found.pairs, found.wins, found.ties, found.losses) == (7, 3, 3, 1)
    assert found.ratio.value == 1.0


def test_compare_pair_beside_scipy():
    """The test is scipy's on relative differences, zeros after Pratt."""
    rng = np.random.default_rng(5)
    a = rng.integers(1, 100, 40)
    b = np.where(rng.random(40) < 0.2, a, a + rng.integers(1, 20, 40))
    found = compare_pair(a, b)
    expected = stats.wilcoxon((a - b) / np.maximum(a, b), zero_method="pratt").pvalue
    assert found.p_value == pytest.approx(expected)
    assert found.ratio.value == pytest.approx(np.median(a / b))
    mirrored = compare_pair(b, a)
    assert mirrored.p_value == pytest.approx(found.p_value)
    assert (mirrored.wins, mirrored.losses) == (found.losses, found.wins)


def test_compare_pair_without_difference():
    same = compare_pair([1, 0, INF], [1, 0, INF])
    assert (same.p_value, same.ties, same.ratio.value) == (1.0, 3, 1.0)
    nothing = compare_pair([NAN], [1])
    assert (nothing.pairs, nothing.p_value) == (0, 1.0)
    assert math.isnan(nothing.ratio.value)


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1, 1])
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_lies_between_nothing_and_bonferroni(values):
    adjusted = holm(values)
    raw = np.array(values)
    assert np.all(adjusted >= raw)
    assert np.all(adjusted <= np.minimum(raw * raw.size, 1) + 1e-15)
    assert np.all(np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0)
