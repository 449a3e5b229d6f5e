"""Hypothesis strategies for small instances, layouts and results, shared by all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from hypothesis import strategies as st

import reorder_solver as rs
from reorder_solver.core.proof import (
    Claim,
    ConstantPart,
    Fold,
    Leaf,
    Proof,
    RunsPart,
    Sieve,
    Split,
    ViewsPart,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from reorder_solver.core.proof import Tree

#: Ids that only a careful reader and writer get right.
odd_ids = st.text(
    st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=12
)


def price_lists(max_price: int = 50) -> st.SearchStrategy[rs.PriceList]:
    """Prices of any subset of the modes, at least one."""
    coefficient = st.integers(0, max_price)
    modes = {
        "gather": st.tuples(coefficient, coefficient),
        "cat": st.tuples(coefficient, coefficient, coefficient),
        "cover": st.tuples(coefficient),
        "split": st.tuples(coefficient),
    }
    mappings = st.fixed_dictionaries({}, optional=modes)
    return mappings.filter(bool).map(rs.PriceList.from_mapping)


@st.composite
def instances(
    draw: Callable[..., object],
    *,
    tensors: tuple[int, int] = (1, 3),
    channels: tuple[int, int] = (1, 8),
    accesses: tuple[int, int] = (0, 6),
    max_parts: int = 3,
    max_bytes: int = 9,
    max_weight: int = 4,
    fixed: bool = True,
    required: bool = True,
    prices: Literal["none", "some", "all"] = "some",
    ids: st.SearchStrategy[str] | None = None,
) -> rs.Instance:
    """Small random instances.

    Parameters
    ----------
    tensors, channels, accesses : (int, int)
        Least and most tensors, channels a tensor, and accesses.
    max_parts, max_bytes, max_weight : int
        Most parts an access (the same tensor may come twice), bytes a channel, and weight.
    fixed, required : bool
        Whether some tensors may be fixed and some accesses required.
    prices : {"none", "some", "all"}
        Which accesses have prices; ``all`` suits the objective ``latency``.
    ids : strategy of str, optional
        Where ids come from; by default ``t0``, ``t1`` ... and ``a0``, ``a1`` ...
    """
    count = draw(st.integers(*tensors))
    tensor_ids = draw(_ids(ids, "t", count))
    made = [
        rs.Tensor(key, draw(st.integers(*channels)), draw(st.booleans()) if fixed else False)
        for key in tensor_ids
    ]
    access_ids = draw(_ids(ids, "a", draw(st.integers(*accesses))))
    price = {
        "none": st.none(),
        "some": st.none() | price_lists(),
        "all": price_lists(),
    }[prices]
    return rs.Instance(
        name=draw(odd_ids | st.just("")),
        tensors=made,
        accesses=[
            rs.Access(
                key,
                draw(st.lists(_parts(made), min_size=1, max_size=max_parts)),
                role=draw(st.sampled_from(rs.Role)),
                bytes=draw(st.integers(0, max_bytes)),
                weight=draw(st.integers(0, max_weight)),
                required=draw(st.booleans()) if required else False,
                prices=draw(price),
            )
            for key in access_ids
        ],
        meta=draw(st.dictionaries(st.text(max_size=5), _json_values, max_size=3)),
    )


def matrices(max_rows: int = 8, max_columns: int = 10) -> st.SearchStrategy[rs.Instance]:
    """Instances that are 0/1 matrices: one tensor ``columns``, accesses ``row1`` ..."""
    shapes = st.tuples(st.integers(1, max_rows), st.integers(1, max_columns))
    return shapes.flatmap(
        lambda shape: st.lists(
            st.lists(st.booleans(), min_size=shape[1], max_size=shape[1]),
            min_size=shape[0],
            max_size=shape[0],
        )
    ).map(matrix_instance)


def matrix_instance(rows: list[list[bool]], name: str = "") -> rs.Instance:
    """The instance of a 0/1 matrix, as the readers of matrix formats make it."""
    return rs.Instance(
        name,
        [rs.Tensor("columns", len(rows[0]))],
        [
            rs.Access(f"row{number}", [rs.Part("columns", np.flatnonzero(row))])
            for number, row in enumerate(rows, start=1)
        ],
    )


def layouts(instance: rs.Instance) -> st.SearchStrategy[rs.Layout]:
    """Layouts of `instance`; fixed tensors keep their order."""
    return st.fixed_dictionaries(
        {
            tensor.id: st.just(list(range(tensor.channels)))
            if tensor.fixed
            else st.permutations(range(tensor.channels))
            for tensor in instance.tensors
        }
    ).map(rs.Layout)


@st.composite
def results(draw: Callable[..., object], instance: rs.Instance) -> rs.Result:
    """Honest results for `instance`: a layout with its facts, or none (never for latency)."""
    objective = draw(st.sampled_from([o for o in rs.Objective if o is not rs.Objective.LATENCY]))
    common = {
        "objective": objective,
        "backend": draw(odd_ids),
        "stop_reason": draw(st.sampled_from(rs.StopReason)),
        "seed": draw(st.integers(0, 2**70)),
        "threads": draw(st.integers(1, 64)),
        "time_limit": draw(st.none() | st.floats(0, 1e6)),
        "instance_name": instance.name,
        "instance_sha256": draw(st.sampled_from(["", rs.digest(instance)])),
        "versions": draw(st.dictionaries(odd_ids, odd_ids, max_size=2)),
        "times": draw(st.dictionaries(odd_ids, st.floats(0, 1e6), max_size=2)),
    }
    if draw(st.booleans()):
        common["proof"] = draw(proofs())
    layout = draw(st.none() | layouts(instance))
    evaluation = None if layout is None else rs.evaluate(instance, layout, objective)
    if evaluation is None or evaluation.total is None:
        return rs.Result(
            status=rs.Status.NO_SOLUTION, cost=None, lower_bound=None, layout=None, **common
        )
    bound = draw(st.none() | st.integers(0, evaluation.total))
    return rs.Result(
        status=rs.Status.OPTIMAL if bound == evaluation.total else rs.Status.FEASIBLE,
        cost=evaluation.total,
        lower_bound=bound,
        layout=layout,
        accesses=evaluation.accesses,
        tie_break=evaluation.tie_break,
        **common,
    )


@st.composite
def proofs(draw: Callable[..., object]) -> Proof:
    """Well-formed proofs of whatever; members in the order in which files have them."""
    names = st.lists(odd_ids, max_size=4, unique=True).map(tuple)
    bounds = st.integers(0, 10**30)
    members = st.lists(odd_ids, min_size=1, max_size=3, unique=True)
    constraints = st.tuples(members.map(sorted).map(tuple), st.integers(1, 5))
    parts = (
        st.builds(ConstantPart, names, bounds)
        | st.builds(ViewsPart, st.lists(constraints, max_size=3).map(tuple), bounds)
        | _runs_parts(names, bounds)
    )
    return Proof(tuple(draw(st.lists(parts, max_size=3))))


@st.composite
def _runs_parts(
    draw: Callable[..., object],
    names: st.SearchStrategy[tuple[str, ...]],
    bounds: st.SearchStrategy[int],
) -> RunsPart[str, tuple[str, int]]:
    tensors = draw(names)
    nodes = [
        (tensor, channel)
        for tensor in tensors
        for channel in draw(st.lists(st.integers(0, 10**9), max_size=3))
    ]
    numbers = st.integers(-(10**40), 10**40)
    places = st.sets(st.integers(0, len(nodes) - 1)) if nodes else st.just(set())
    leaves = st.builds(
        Leaf,
        st.lists(numbers, min_size=len(nodes) + 1, max_size=len(nodes) + 1).map(tuple),
        st.lists(st.tuples(places.map(sorted).map(tuple), numbers), max_size=3).map(tuple),
        st.integers(0, 256),
    )
    ends = st.integers(0, len(nodes))

    def folds(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Fold]:
        claims = st.lists(st.builds(Claim, ends, numbers, inner), max_size=2).map(tuple)
        stages = st.lists(claims, max_size=2).map(tuple)
        return st.builds(Fold, st.integers(0, 10**40), stages, stages, inner)

    trees = st.recursive(
        leaves,
        lambda inner: (
            st.builds(Split, ends, ends, inner, inner)
            | st.builds(Sieve, leaves, inner)
            | folds(inner)
        ),
        max_leaves=4,
    )
    return RunsPart(draw(names), tensors, tuple(nodes), draw(trees), draw(bounds))


_json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def _ids(
    ids: st.SearchStrategy[str] | None, letter: str, count: int
) -> st.SearchStrategy[list[str]]:
    if ids is None:
        return st.just([f"{letter}{index}" for index in range(count)])
    return st.lists(ids, min_size=count, max_size=count, unique=True)


def _parts(tensors: list[rs.Tensor]) -> st.SearchStrategy[rs.Part]:
    return st.sampled_from(tensors).flatmap(
        lambda tensor: st.sets(st.integers(0, tensor.channels - 1)).map(
            lambda channels: rs.Part(tensor.id, sorted(channels))
        )
    )
