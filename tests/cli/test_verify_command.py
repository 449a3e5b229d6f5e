"""``verify``: true results pass, wrong ones end with code 1."""

from __future__ import annotations

import json

import pytest
from cli_helpers import small_instance

from reorder_solver.formats import write_instance


@pytest.fixture
def solved(run, small, tmp_path):
    """A result file of the small instance."""
    path = tmp_path / "small.layout.json"
    done = run("solve", small, "--backend", "identity", "--no-baselines", "--output", path)
    assert done.exit_code == 0
    return path


def test_true_result_passes(run, small, solved):
    """A result that solve wrote passes."""
    result = run("verify", small, solved, "--format", "json")
    assert result.exit_code == 0
    (row,) = json.loads(result.stdout)
    assert row["verified"] is True
    assert (row["cost"], row["accesses"], row["backend"]) == (32, 3, "identity")


@pytest.mark.parametrize("form", ["table", "csv"])
def test_other_forms_carry_the_verdict(run, small, solved, form):
    """Table and CSV say that the result is verified."""
    result = run("verify", small, solved, "--format", form)
    assert "verified" in result.stdout.splitlines()[0]
    assert {"table": "yes", "csv": "true"}[form] in result.stdout


@pytest.mark.parametrize(
    ("key", "value"), [("cost", 27), ("lower_bound", 1000), ("status", "optimal"), ("cost", None)]
)
def test_wrong_claim_fails(refused, small, solved, key, value):
    """A claim that the layout does not keep ends with code 1 and names the file."""
    document = json.loads(solved.read_text())
    document[key] = value
    solved.write_text(json.dumps(document))
    assert solved.name in refused("verify", small, solved, code=1)


def test_wrong_fact_fails(refused, small, solved):
    """A wrong fact about one access is named."""
    document = json.loads(solved.read_text())
    document["accesses"]["second"]["runs"] = 1
    solved.write_text(json.dumps(document))
    assert "'second'" in refused("verify", small, solved, code=1)


def test_result_of_another_instance_fails(refused, solved, tmp_path):
    """A result does not pass for an instance that differs in one number."""
    other = tmp_path / "other.json"
    write_instance(small_instance(bytes=5), other)
    assert "another instance" in refused("verify", other, solved, code=1)


def test_facts_without_channel_counts_are_read(run, small, solved):
    """The channel counts of facts may be left out; the instance has them."""
    document = json.loads(solved.read_text())
    for facts in document["accesses"].values():
        del facts["channels"]
    solved.write_text(json.dumps(document))
    assert run("verify", small, solved).exit_code == 0
