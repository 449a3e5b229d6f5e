"""Plans: every combination once, in an order that never changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench_records import small_instance
from hypothesis import given, settings
from hypothesis import strategies as st

import reorder_solver as rs
from reorder_solver.bench.plan import Grid, make_plan, parse_seeds, read_suite
from reorder_solver.core.errors import InputError, UnknownBackendError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files, two of them of one problem."""
    path = tmp_path_factory.mktemp("instances") / "streams"
    path.mkdir()
    for name, width in (("a", 6), ("b", 7), ("twin", 6)):
        instance = small_instance(width)
        rs.write_instance(
            rs.Instance(name, instance.tensors, instance.accesses), path / f"{name}.json"
        )
    return path


def _subset(values: list[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=4).map(tuple)


grids = st.tuples(
    _subset(["greedy", "identity", "exact"]),
    _subset(["bytes", "copies", "latency"]),
    _subset([0, 1, 5]),
    _subset([1.0, 2, 2.0, None]),
)


@settings(deadline=None, max_examples=30)
@given(st.lists(grids, min_size=1, max_size=3))
def test_every_combination_once(folder: Path, made: list[tuple[tuple[object, ...], ...]]) -> None:
    """The plan holds the union of the grids, without what has no prices, each run once."""
    plan = make_plan([Grid((folder,), *each) for each in made])  # type: ignore[arg-type]
    found = [
        (
            job.configuration.instance,
            job.configuration.backend,
            job.configuration.objective,
            job.configuration.seed,
            job.configuration.time_limit,
        )
        for job in plan.jobs
    ]
    digests = {rs.digest(small_instance(width)) for width in (6, 7)}
    wanted = {
        (digest, backend, objective, seed, limit)
        for digest in digests
        for backends, objectives, seeds, limits in made
        for backend in backends
        for objective in objectives
        if objective != "latency"
        for seed in seeds
        for limit in limits
    }
    assert set(found) == wanted
    assert len(found) == len(wanted)
    assert len({job.key for job in plan.jobs}) == len(plan.jobs)
    again = make_plan([Grid((folder,), *each) for each in made])  # type: ignore[arg-type]
    assert [job.key for job in again.jobs] == [job.key for job in plan.jobs]


def test_labels(folder: Path) -> None:
    """The first name of a problem stays; the family is the folder, or what a manifest says."""
    plan = make_plan([Grid((folder,), ("identity",))])
    assert [(job.name, job.family, job.source) for job in plan.jobs] == [
        ("a", "streams", "a.json"),
        ("b", "streams", "b.json"),
    ]


def test_manifest(tmp_path: Path) -> None:
    """A manifest names its files and may name their families."""
    rs.write_instance(small_instance(6), tmp_path / "a.json")
    rs.write_instance(small_instance(7), tmp_path / "b.json")
    manifest = tmp_path / "manifest.json"
    manifest.write_text(
        json.dumps({"files": [{"file": "b.json", "family": "named"}, {"file": "a.json"}]}),
        encoding="utf-8",
    )
    for given_path in (manifest, tmp_path, tmp_path / "*.json"):
        plan = make_plan([Grid((given_path,), ("identity",))])
        families = {job.source: job.family for job in plan.jobs}
        assert families == {"a.json": tmp_path.name, "b.json": "named"}


@pytest.mark.parametrize("name", ["quick.toml", "suite.toml"])
def test_bundled_suites(name: str) -> None:
    """The bundled suites can be planned."""
    plan = make_plan(read_suite(ROOT / "bench_instances" / name))
    assert len(plan.jobs) > 20


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "field 'runs' is missing"),
        ("runs = 1", "runs: must be a list"),
        ("runs = []", "runs: must not be empty"),
        ("[[runs]]\nbackends = ['auto']", "runs[0]: field 'instances' is missing"),
        ("[[runs]]\ninstances = []\nbackends = ['auto']", "runs[0].instances: must not be empty"),
        ("[[runs]]\ninstances = ['x']\nbackends = ['auto']\nseed = [1]", "unknown field 'seed'"),
        ("[[runs]]\ninstances = ['x']\nbackends = ['auto']\nseeds = [-1]", "seeds[0]"),
        ("[[runs]]\ninstances = ['x']\nbackends = ['auto']\ntime_limits = [nan]", "time_limits[0]"),
        ("[[runs]\n", "is not TOML"),
    ],
)
def test_bad_suites(tmp_path: Path, text: str, words: str) -> None:
    """A bad suite gives one line with file and place."""
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_suite(path)
    assert words in str(caught.value)
    assert "bad.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_inputs(tmp_path: Path, folder: Path) -> None:
    """Files that are not there, empty folders, unknown backends, bad manifests."""
    empty = tmp_path / "empty"
    empty.mkdir()
    bad = empty / "manifest.json"
    for path, words in ((empty / "no.json", "no such file"), (empty / "*.csv", "matches no")):
        with pytest.raises(InputError, match=words):
            make_plan([Grid((path,), ("identity",))])
    with pytest.raises(InputError, match="has no instance files"):
        make_plan([Grid((empty,), ("identity",))])
    bad.write_text('{"files": [{"name": "x"}]}', encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest.json: files\[0\]: field 'file' is missing"):
        make_plan([Grid((bad,), ("identity",))])
    with pytest.raises(UnknownBackendError, match="unknown backend 'nobody'"):
        make_plan([Grid((folder,), ("nobody",))])


def test_seeds() -> None:
    """Seeds as a list with ranges."""
    assert parse_seeds("0,2-4, 3") == (0, 2, 3, 4)
    for bad in ("", "a", "3-1", "-1", "1.5", str(2**31)):
        with pytest.raises(InputError, match="seeds must be"):
            parse_seeds(bad)
