"""Generated instances: reproducible, of the asked shape, and with the promised structure."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reorder_solver as rs
from reorder_solver.formats import instance_from_json, instance_to_json
from reorder_solver.generators import FAMILIES, GENERATOR_VERSION, generate

SMALL: dict[str, dict[str, Any]] = {
    "random": {"channels": 20, "accesses": 6, "tensors": 3, "max_parts": 2, "max_weight": 5},
    "correlated": {"channels": 30, "readers": 3, "tensors": 2, "correlation": 0.7, "keep": 0.3},
    "planted": {"channels": 24, "accesses": 6, "tensors": 2, "joined": 3, "noise": 2},
    "residual": {"channels": 16, "stages": 2, "widen": 2, "blocks": 2, "priced": True},
}

#: Digests of the calls above with seed 5, and with the defaults and seed 0.
DIGESTS = {
    "random": (
        "a939d8584f3cc3570e5cf13384f672b15bddd1d060a8781a7b8f814716c8d8b6",
        "b3337f51a792f1bde450bd94814cf530e4fb057b1786476a1e3739a7e538d8a4",
    ),
    "correlated": (
        "7aed25241edec309bc325aa85dba19514b3d96fa7e4387fd33f8449f3eed6e6a",
        "64f1d9b814145874800e5a734575bf317a91986ccb3b30c091246acf789456fd",
    ),
    "planted": (
        "bb6ddc0db78606188af24fd8f6c52135dfdce7bb77a4cdc08dd01cd8415056c9",
        "754a0f85cfa2105b5c78cc571aa9ab045527d9cfd81f9698fc356c61bb50b0d6",
    ),
    "residual": (
        "1ab0df5a9119cb5024afd7117b9589d6561bf98cc83c661178de4dd35d277edd",
        "ff809a18d46df43e01b30fededdf4f2cb4201c005d1babebb1245114476d7fa4",
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_instances_never_change(family: str) -> None:
    """A call gives, bit for bit, the instance it gave when this generator version was fixed."""
    found = (rs.digest(generate(family, seed=5, **SMALL[family])), rs.digest(generate(family)))
    assert GENERATOR_VERSION == 1
    assert found == DIGESTS[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_seeds_and_metadata(family: str) -> None:
    """The seed alone decides; the metadata record the call, so that it can be made again."""
    first = generate(family, seed=11, **SMALL[family])
    call = first.meta["generator"]
    again = generate(call["family"], seed=call["seed"], **call["parameters"])
    assert again == first
    assert again.meta == first.meta
    assert list(call["parameters"]) == list(FAMILIES[family].parameters)
    assert call["version"] == GENERATOR_VERSION
    assert rs.digest(generate(family, seed=12, **SMALL[family])) != rs.digest(first)
    back = instance_from_json(instance_to_json(first))
    assert back == first
    assert back.meta == first.meta


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data(), seed=st.integers(0, 2**128 - 1))
def test_any_parameters_within_bounds_work(family: str, data: st.DataObject, seed: int) -> None:
    """Any allowed values (of small sizes) give a valid instance within the announced size."""
    given_values: dict[str, Any] = {}
    for name, one in FAMILIES[family].parameters.items():
        if one.kind is bool:
            strategy: st.SearchStrategy[Any] = st.booleans()
        elif one.kind is int:
            strategy = st.integers(int(one.minimum), min(int(one.maximum), 4))
        else:
            strategy = st.floats(one.minimum, one.maximum)
        given_values[name] = data.draw(strategy, label=name)
    if given_values.get("shortest", 0) > given_values.get("longest", 1):
        given_values["shortest"] = given_values["longest"]
    instance = generate(family, seed=seed, **given_values)
    size = FAMILIES[family].size(given_values)
    assert sum(tensor.channels for tensor in instance.tensors) == size.channels
    assert len(instance.accesses) <= size.accesses
    assert sum(access.size for access in instance.accesses) <= size.wanted
    rs.evaluate(instance, rs.Layout.identity(instance), "runs")


def test_random_has_the_asked_density() -> None:
    """About the asked share of the channels is wanted, never none at all."""
    instance = generate("random", seed=1, channels=2000, accesses=20, density=0.3)
    shares = [access.size / 2000 for access in instance.accesses]
    assert 0.28 < np.mean(shares) < 0.32
    empty = generate("random", channels=50, accesses=30, density=0.0)
    assert [access.size for access in empty.accesses] == [1] * 30


def test_correlated_readers_agree_more_with_higher_correlation() -> None:
    """Readers keep the asked share; the channels they share grow with the correlation."""
    overlaps = []
    for correlation in (0.0, 0.5, 0.9, 1.0):
        instance = generate(
            "correlated", channels=1000, readers=2, correlation=correlation, keep=0.4
        )
        first, second = (set(access.parts[0].channels.tolist()) for access in instance.accesses)
        assert len(first) == len(second) == 400
        overlaps.append(len(first & second) / 400)
    assert overlaps == sorted(overlaps)
    assert 0.3 < overlaps[0] < 0.5
    assert overlaps[-1] == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_planted_layout_makes_its_views(seed: int) -> None:
    """Under the hidden layout every planted access is a view, concatenations included."""
    instance = generate("planted", seed=seed, **SMALL["planted"])
    secret = instance.meta["planted"]
    evaluation = rs.evaluate(instance, rs.Layout(secret["layout"]), "copies")
    assert len(secret["views"]) == 6 + 3
    assert all(evaluation.accesses[access_id].mode is rs.Mode.VIEW for access_id in secret["views"])
    assert evaluation.total is not None
    assert evaluation.total <= 2
    assert any(len(access.parts) > 1 for access in instance.accesses)


def test_residual_has_streams_and_joins() -> None:
    """Streams widen; blocks read, write and pass; what is alive shrinks; joins span streams."""
    instance = generate("residual", seed=2, stages=3, channels=16, widen=2, blocks=3, joins=4)
    assert [tensor.channels for tensor in instance.tensors] == [16, 32, 64]
    by_id = {access.id: access for access in instance.accesses}
    passes = [by_id[f"stage1.{block}.relu"].parts[0].channels for block in range(3)]
    assert all(set(late) <= set(early) for early, late in itertools.pairwise(passes))
    assert set(passes[2]) == set(by_id["stage1.exit"].parts[0].channels)
    assert by_id["stage1.0.conv2"].role is rs.Role.WRITE
    assert by_id["stage1.0.conv1"].bytes == 4 * 14 * 14
    joins = [access for access in instance.accesses if access.id.startswith("join")]
    assert len(joins) == 4
    assert all(2 <= len(access.parts) <= 3 for access in joins)


def test_priced_residual_can_be_evaluated_by_latency() -> None:
    """With ``priced``, every access has prices, in integers."""
    instance = generate("residual", priced=True)
    evaluation = rs.evaluate(instance, rs.Layout.identity(instance), "latency")
    assert evaluation.total is not None
    assert evaluation.total > 0


@pytest.mark.parametrize(
    ("family", "parameters", "phrase"),
    [
        ("radnom", {}, "unknown family 'radnom'; known: random, correlated, planted, residual"),
        ("random", {"chanels": 3}, "no parameter 'chanels'; did you mean 'channels'?"),
        ("random", {"zzz": 3}, "no parameter 'zzz'; known: tensors, channels"),
        ("random", {"channels": 0}, "parameter channels must be at least 1, got 0"),
        ("random", {"channels": 1.0}, "parameter channels must be an integer, got 1.0"),
        ("random", {"channels": True}, "parameter channels must be an integer, got True"),
        ("random", {"channels": "8"}, "parameter channels must be an integer, got '8'"),
        ("random", {"channels": 2**20 + 1}, "parameter channels must be from 1 to 1048576"),
        ("random", {"density": 1.5}, "parameter density must be from 0.0 to 1.0, got 1.5"),
        ("random", {"density": float("nan")}, "parameter density must be from"),
        ("random", {"density": 10**400}, "parameter density must be from"),
        ("random", {"density": True}, "parameter density must be a number, got True"),
        ("residual", {"priced": 1}, "parameter priced must be true or false, got 1"),
        ("planted", {"shortest": 0.6}, "parameter shortest must not be above longest"),
        ("random", {"seed": -1}, "seed must be at least 0"),
        ("random", {"seed": 0.5}, "seed must be an integer"),
        ("random", {"seed": 2**128}, "seed must be below"),
        ("random", {"channels": 2**20, "accesses": 100}, "could have 104857600 wanted"),
        ("random", {"channels": 2**20, "tensors": 1000}, "could have 1048576000 channels"),
        ("residual", {"stages": 100, "widen": 4}, "channels; the limit is 4194304"),
        ("residual", {"stages": 100, "blocks": 10_000}, "accesses; the limit is 131072"),
    ],
)
def test_bad_calls_are_refused(family: str, parameters: dict[str, Any], phrase: str) -> None:
    """A wrong call ends in an InputError that says what is wrong, before any memory is taken."""
    with pytest.raises(rs.InputError) as caught:
        generate(family, **parameters)
    assert phrase in str(caught.value)
