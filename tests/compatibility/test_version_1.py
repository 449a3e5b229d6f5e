"""Files that an earlier release wrote are read as they were, for ever.

The files in ``version-1`` are frozen: none is ever changed or taken away. A release may add some.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import reorder_solver as rs

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "version-1"
DIGESTS = json.loads((HERE / "version-1-digests.json").read_text("utf-8"))
RESULTS = sorted(path.name for path in FOLDER.glob("*.layout.json"))


def instance_of(result: str) -> rs.Instance:
    """The instance that a result's name begins with."""
    return rs.read_instance(FOLDER / f"{result.split('.')[0]}.json")


def test_every_file_is_known() -> None:
    """Nothing was added without its digest, and nothing was taken away."""
    assert {path.name for path in FOLDER.iterdir()} == set(DIGESTS) | set(RESULTS)
    assert len(DIGESTS) >= 19
    assert len(RESULTS) >= 9


@pytest.mark.parametrize("name", DIGESTS)
def test_instances_keep_their_digest(name: str) -> None:
    """The same tensors and accesses, to the last field."""
    assert rs.digest(rs.read_instance(FOLDER / name)) == DIGESTS[name]


def test_fields_keep_their_meaning() -> None:
    """Where a digest would be as wrong as the reader."""
    instance = rs.read_instance(FOLDER / "every-field.json")
    read, write, passing, priced = instance.accesses
    assert [tensor.fixed for tensor in instance.tensors] == [False, True]
    assert read.parts[0].channels.tolist() == [0, 2, 5]
    assert (read.bytes, read.weight, read.required) == (0, 0, False)
    assert (write.bytes, write.weight, write.required) == (10**30, 7, True)
    assert [part.channels.tolist() for part in passing.parts] == [[0, 1], [], [4]]
    assert (passing.bytes, passing.weight, passing.role) == (1, 1, rs.Role.PASS)
    assert priced.prices == rs.PriceList((1, 2), (3, 4, 5), (6,), (7,))


@pytest.mark.parametrize("name", ["matrix.csv", "matrix.mtx", "matrix.txt", "matrix.cbm"])
def test_matrices_keep_their_meaning(name: str) -> None:
    """The four formats say the same."""
    accesses = rs.read_instance(FOLDER / name).accesses
    assert [each.parts[0].channels.tolist() for each in accesses] == [[0, 2, 3], [1, 2], [0, 1]]


@pytest.mark.parametrize("name", RESULTS)
def test_results_stay_true(name: str) -> None:
    """They are read, they are right, and what they prove is still proven."""
    instance = instance_of(name)
    result = rs.read_result(FOLDER / name, instance)
    rs.verify(instance, result)
    if result.proof is not None:
        rs.check_proof(instance, result)


def test_all_kinds_of_proofs_are_there() -> None:
    """So that no kind can break unseen."""
    results = [rs.read_result(FOLDER / name) for name in RESULTS]
    proofs = [result.proof for result in results if result.proof is not None]
    kinds = {type(part).__name__ for proof in proofs for part in proof.parts}
    assert kinds == {"ViewsPart", "RunsPart", "ConstantPart"}
    assert {result.objective for result in results} == set(rs.Objective)


def test_later_versions_are_refused_in_one_line(tmp_path: Path) -> None:
    """A reader of version 1 does not guess at version 2."""
    text = (FOLDER / "venn.json").read_text("utf-8").replace('"version": 1', '"version": 2')
    path = tmp_path / "later.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(rs.InputError, match=r"version") as caught:
        rs.read_instance(path)
    assert "\n" not in str(caught.value)
