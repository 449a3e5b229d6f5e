"""``verify``: true results pass, wrong ones end with code 1."""

from __future__ import annotations

import gzip
import json

import pytest
from cli_helpers import small_instance

import reorder_solver as rs
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
    document = json.loads(solved.read_text(encoding="utf-8"))
    document[key] = value
    solved.write_text(json.dumps(document), encoding="utf-8")
    assert solved.name in refused("verify", small, solved, code=1)


def test_wrong_fact_fails(refused, small, solved):
    """A wrong fact about one access is named."""
    document = json.loads(solved.read_text(encoding="utf-8"))
    document["accesses"]["second"]["runs"] = 1
    solved.write_text(json.dumps(document), encoding="utf-8")
    assert "'second'" in refused("verify", small, solved, code=1)


def test_result_of_another_instance_fails(refused, solved, tmp_path):
    """A result does not pass for an instance that differs in one number."""
    other = tmp_path / "other.json"
    write_instance(small_instance(bytes=5), other)
    assert "another instance" in refused("verify", other, solved, code=1)


def test_facts_without_channel_counts_are_read(run, small, solved):
    """The channel counts of facts may be left out; the instance has them."""
    document = json.loads(solved.read_text(encoding="utf-8"))
    for facts in document["accesses"].values():
        del facts["channels"]
    solved.write_text(json.dumps(document), encoding="utf-8")
    assert run("verify", small, solved).exit_code == 0


@pytest.fixture
def proven(run, tmp_path):
    """An instance file of a fixed tensor, and a result file with a proof."""
    instance = rs.Instance(
        "fixed",
        [rs.Tensor("x", 4, fixed=True)],
        [rs.Access("a", [rs.Part("x", [0, 2])], bytes=5), rs.Access("b", [rs.Part("x", [0, 1])])],
    )
    write_instance(instance, tmp_path / "fixed.json")
    path = tmp_path / "fixed.layout.json.gz"
    done = run("solve", tmp_path / "fixed.json", "--proof", "--no-baselines", "--output", path)
    assert done.exit_code == 0
    return tmp_path / "fixed.json", path


def test_proof_is_followed(run, proven):
    """With --proof, the bound is proven again, and the verdict says so."""
    result = run("verify", "--proof", *proven, "--format", "json")
    assert result.exit_code == 0
    (row,) = json.loads(result.stdout)
    assert (row["lower_bound"], row["bound_proven"]) == (10, True)
    table = run("verify", "--proof", *proven)
    assert "bound proven" in table.stdout.splitlines()[0]
    (row,) = json.loads(run("verify", *proven, "--format", "json").stdout)
    assert row["bound_proven"] is False


def test_proof_of_less_fails(refused, proven):
    """A proof that does not reach the bound ends with code 1 and names its part."""
    _, path = proven
    document = json.loads(gzip.decompress(path.read_bytes()))
    document["proof"]["parts"][0]["accesses"] = ["b"]
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    assert "part 1 (constant): claims 10" in refused("verify", "--proof", *proven, code=1)


def test_missing_proof_fails(refused, run, small, solved):
    """A result without a proof passes, but not with --proof."""
    assert run("verify", small, solved).exit_code == 0
    assert "carries no proof" in refused("verify", "--proof", small, solved, code=1)


def test_proofs_are_written_on_request_only(run, refused, proven, tmp_path):
    """Without --proof a result file has none; with it there must be a file."""
    instance, _ = proven
    path = tmp_path / "plain.layout.json"
    assert run("solve", instance, "--no-baselines", "--output", path).exit_code == 0
    assert "proof" not in json.loads(path.read_text(encoding="utf-8"))
    assert "--proof: needs --output" in refused("solve", instance, "--proof")


def test_malformed_proof_is_bad_input(refused, proven):
    """A proof that breaks the format is a bad file."""
    _, path = proven
    document = json.loads(gzip.decompress(path.read_bytes()))
    document["proof"]["parts"][0]["bound"] = "10"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    assert "proof.parts[0].bound" in refused("verify", "--proof", *proven)
