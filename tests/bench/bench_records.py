"""Records to test with: any that hypothesis can think of, and a plain one."""

from __future__ import annotations

from hypothesis import strategies as st

import reorder_solver as rs
from reorder_solver.bench.record import Configuration, Outcome, Record

_TEXT = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=12)
_COUNT = st.integers(0, 10**30)
_SECONDS = st.floats(0, 1e9)
_MAYBE = st.none() | _COUNT

configurations = st.builds(
    Configuration,
    instance=st.binary(min_size=32, max_size=32).map(bytes.hex),
    backend=_TEXT.filter(bool),
    objective=st.sampled_from([each.value for each in rs.Objective]),
    seed=st.integers(0, 2**31 - 1),
    time_limit=st.none() | _SECONDS,
    threads=st.integers(1, 64),
    memory_limit=st.none() | st.integers(1, 2**40),
    version=_TEXT,
)

records = st.builds(
    Record,
    configuration=configurations,
    name=_TEXT,
    family=_TEXT,
    source=_TEXT,
    sizes=st.dictionaries(st.sampled_from(["tensors", "channels"]), _COUNT),
    outcome=st.sampled_from(Outcome),
    status=st.none() | st.sampled_from([each.value for each in rs.Status]),
    stop_reason=st.none() | st.sampled_from([each.value for each in rs.StopReason]),
    cost=_MAYBE,
    lower_bound=_MAYBE,
    tie_break=_MAYBE,
    views=_MAYBE,
    runs=_MAYBE,
    message=_TEXT,
    trace=st.lists(st.tuples(_SECONDS, _MAYBE, _MAYBE), max_size=3).map(tuple),
    times=st.dictionaries(_TEXT, _SECONDS, max_size=3),
    peak_memory=_COUNT,
    started=st.sampled_from(["", "2024-01-02T03:04:05+00:00"]),
    machine=st.dictionaries(_TEXT, _TEXT | _COUNT, max_size=3),
    versions=st.dictionaries(_TEXT, _TEXT, max_size=3),
)


def small_instance(width: int = 6) -> rs.Instance:
    """Two accesses of one tensor that can both be views."""
    return rs.Instance(
        "small",
        (rs.Tensor("t", width),),
        (
            rs.Access("a", (rs.Part("t", [0, 2, 4]),)),
            rs.Access("b", (rs.Part("t", [1, 2, width - 1]),)),
        ),
    )


def plain_record(seed: int = 0, **changes: object) -> Record:
    """A record of :func:`small_instance`."""
    configuration = Configuration(
        rs.digest(small_instance()), "greedy", "bytes", seed, 10.0, 1, None, "1.0"
    )
    values: dict[str, object] = {
        "name": "small",
        "family": "tests",
        "source": "small.json",
        "sizes": {"tensors": 1, "channels": 6, "accesses": 2, "wanted": 6},
        "outcome": Outcome.SOLVED,
    }
    return Record(configuration, **{**values, **changes})  # type: ignore[arg-type]
