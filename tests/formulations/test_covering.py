"""Covering programmes themselves: their rules, bounds without an engine, and files."""

from __future__ import annotations

import numpy as np
import pytest
from covering_examples import brute_force, check_solution
from hypothesis import given
from hypothesis import strategies as st

from formulations.covering import Baseline, ScaledCovering, dual_bound, greedy_cover
from formulations.hitting_set import Covering, write_lp, write_mps


@pytest.mark.parametrize(
    ("weights", "constraints", "error", "message"),
    [
        ((1, -2), (), ValueError, "item 1 has the negative weight -2"),
        ((1, 1), (((0, 1), 1), ((0, 2), 1)), ValueError, "constraint 1 has a member outside"),
        ((1, 1), (((-1, 0), 1),), ValueError, "constraint 0 has a member outside"),
        ((1, 1), (((0, 0), 1),), ValueError, "constraint 0 lists an item twice"),
        ((1, 1), (((0, 1), 3),), ValueError, "constraint 0 demands 3 of only 2 members"),
        ((1, 1), (((), 1),), ValueError, "constraint 0 demands 1 of only 0 members"),
        ((1.0, 1), (), TypeError, "float"),
        ((1, 1), (((0, 1), 1.0),), TypeError, "float"),
    ],
)
def test_bad_models_are_errors(weights, constraints, error, message):
    """A model that breaks a rule, or cannot be covered, raises one line that names the place."""
    with pytest.raises(error, match=message) as caught:
        Covering(weights, constraints)
    assert "\n" not in str(caught.value)


def test_numpy_numbers_become_plain_ones():
    """Numpy integers cannot overflow in a model, as none remain."""
    model = Covering(tuple(np.array([2**62, 2**62])), ((tuple(np.array([0, 1])), np.int64(2)),))
    assert model.cost((0, 1)) == 2**63
    assert {type(number) for number in (*model.weights, *model.constraints[0][0])} == {int}


@st.composite
def models(draw):
    """Models of up to seven items, any demands."""
    n = draw(st.integers(1, 7))
    weights = draw(st.lists(st.integers(0, 40) | st.just(2**80), min_size=n, max_size=n))
    members = st.lists(st.integers(0, n - 1), unique=True).map(tuple)
    pairs = members.flatmap(lambda m: st.tuples(st.just(m), st.integers(-1, len(m))))
    return Covering(tuple(weights), tuple(draw(st.lists(pairs, max_size=8))))


@given(models(), st.data())
def test_baseline_encloses_the_optimum(model, data):
    """Greedy covers cover, the dual bound is one, and a hint only ever helps."""
    optimum = brute_force(model)
    hint = data.draw(st.sets(st.integers(0, len(model.weights) - 1)))
    assert dual_bound(model) <= optimum <= model.cost(greedy_cover(model))
    baseline = Baseline.of(model, hint)
    assert model.is_covered(baseline.chosen)
    assert optimum <= baseline.value <= model.cost(greedy_cover(model))
    check_solution(model, baseline.conclude())


@given(models(), st.sampled_from([1, 10, 1000, 2**26]))
def test_scaling_keeps_bounds_valid(model, limit):
    """The optimum of the scaled model, times its unit, never exceeds that of the original."""
    scaled = ScaledCovering.of(model, limit)
    assert sum(scaled.weights) <= limit
    assert scaled.unit * brute_force(Covering(scaled.weights, scaled.constraints)) <= brute_force(
        model
    )


def test_written_models_read_back_the_same(tmp_path):
    """PuLP reads from the MPS file the weights, members and demands that were written."""
    import pulp

    model = Covering((3, 0, 10**11 + 1), (((0, 1), 1), ((0, 1, 2), 2), ((2,), 0)))
    write_mps(model, tmp_path / "model.mps")
    variables, problem = pulp.LpProblem.fromMPS(str(tmp_path / "model.mps"))
    assert sorted(variables) == ["x0", "x1", "x2"]
    assert {v.name: c for v, c in problem.objective.items() if c} == {"x0": 3, "x2": 10**11 + 1}
    write_lp(model, tmp_path / "model.lp")
    text = (tmp_path / "model.lp").read_text(encoding="utf-8")
    assert "100000000001 x2" in text
    assert "x0 + x1 >= 1" in text
    assert "x0 + x1 + x2 >= 2" in text


@pytest.mark.parametrize("write", [write_lp, write_mps])
def test_weights_too_long_for_the_files_are_an_error(write, tmp_path):
    """A weight that PuLP would write rounded is refused."""
    with pytest.raises(ValueError, match="item 1 has more than twelve digits"):
        write(Covering((1, 10**12 + 1), (((0, 1), 1),)), tmp_path / "model")
