"""``generate``: reproducible instances, and families one can look up."""

from __future__ import annotations

import json

import pytest

import reorder_solver as rs
from reorder_solver.formats import instance_from_json, read_instance
from reorder_solver.generators import FAMILIES, generate


@pytest.mark.parametrize("family", FAMILIES)
def test_prints_the_instance(run, family):
    """Without --output the instance itself is printed, and nothing else."""
    result = run("generate", family, "--seed", "3", "--param", "channels=12")
    assert instance_from_json(result.stdout) == generate(family, seed=3, channels=12)


def test_writes_a_file(run, tmp_path):
    """With --output the instance goes to the file, and a row to the screen."""
    path = tmp_path / "out.json.gz"
    result = run(
        "generate", "planted", "--param", "accesses=4", "--output", path, "--format", "json"
    )
    (row,) = json.loads(result.stdout)
    assert row["accesses"] == 4
    assert row["sha256"] == rs.digest(read_instance(path))


def test_parameters_have_their_types(run):
    """Numbers and truth values arrive as what they are."""
    options = ["--param", "keep=0.25", "--param", "priced=true", "--param", "stages=2"]
    printed = instance_from_json(run("generate", "residual", *options).stdout)
    assert printed == generate("residual", keep=0.25, priced=True, stages=2)
    assert all(access.prices for access in printed.accesses)


def test_lists_families_and_parameters(run):
    """Without a family, every family and parameter has a row."""
    rows = json.loads(run("generate", "--format", "json").stdout)
    found = {(row["family"], row.get("parameter")) for row in rows}
    assert found == {(name, None) for name in FAMILIES} | {
        (name, key) for name, family in FAMILIES.items() for key in family.parameters
    }
    assert all(name in run("generate").stdout for name in FAMILIES)


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["nothing"], "unknown family 'nothing'"),
        (["planted", "--param", "channels"], "must be KEY=VALUE"),
        (["planted", "--param", "channels=many"], "must be a number"),
        (["planted", "--param", "channels=1.5"], "must be an integer"),
        (["planted", "--param", "channels=NaN"], "must be an integer"),
        (["planted", "--param", "channels=[1]"], "must be an integer"),
        (["planted", "--param", "shortest=NaN"], "must be from"),
        (["planted", "--param", "channels=0"], "must be at least 1"),
        (["planted", "--param", "chanels=4"], "did you mean 'channels'"),
        (["planted", "--param", "seed=4"], "place of its own"),
        (["planted", "--param", "channels=4", "--param", "channels=5"], "given twice"),
        (["planted", "--param", "channels=1000000", "--param", "accesses=100000"], "the limit is"),
        (["planted", "--seed", "-1"], "--seed"),
        (["planted", "--seed", str(1 << 128)], "seed must be below"),
        (["--param", "channels=4"], "need a FAMILY"),
        (["planted", "--output", "/no/such/folder/x.json"], "no such folder"),
        (["planted", "--output", "x.xyz"], "stands for no format"),
    ],
)
def test_bad_input_is_one_line(refused, arguments, phrase):
    """Whatever is wrong is said in one line."""
    assert phrase in refused("generate", *arguments)
