"""The page on file formats shows what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import reorder_solver as rs
from reorder_solver.core.instance import MAX_CHANNELS
from reorder_solver.formats import (
    FORMATS,
    instance_from_json,
    limits,
    result_from_json,
    result_to_json,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "file-format.md").read_text("utf-8")
INSTANCE, RESULT = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)


def test_sample_instance_is_read() -> None:
    """The instance shown on the page is valid."""
    instance = instance_from_json(INSTANCE)
    assert instance.accesses[0].parts[0].channels.size == 4 + 1 + 246
    assert instance.accesses[0].prices == rs.PriceList((1200, 31), (900, 31, 150), (95,), (4000,))


def test_sample_result_is_read() -> None:
    """The result shown on the page is valid, but for the digest, which is cut there, and true."""
    with pytest.raises(rs.InputError, match=r"instance\.sha256"):
        result_from_json(RESULT)
    result = result_from_json(RESULT.replace("4f0c...", ""))
    instance = rs.Instance(
        "two",
        [rs.Tensor("x", 4)],
        [
            rs.Access("a", [rs.Part("x", [0, 1])], bytes=10),
            rs.Access("b", [rs.Part("x", [0, 1, 2])]),
        ],
    )
    rs.verify(instance, result)


def test_sample_proof_is_read() -> None:
    """The proof shown on the page is well-formed, and written as it stands there."""
    (sample,) = re.findall(r'```text\n("proof": .*?)```', PAGE, flags=re.DOTALL)
    text = RESULT.replace("4f0c...", "").rstrip().removesuffix("}") + f", {sample}}}"
    result = result_from_json(text)
    assert result.proof is not None
    assert [part.bound for part in result.proof.parts] == [20, 3, 1]
    written = json.loads(result_to_json(result))["proof"]
    assert written == json.loads(f"{{{sample}}}")["proof"]


def test_all_formats_are_listed() -> None:
    """The table names each format with its suffix."""
    for name, one in FORMATS.items():
        assert f"| `{name}` | `{one.suffix}` |" in PAGE


@pytest.mark.parametrize(
    "value",
    [
        MAX_CHANNELS,
        limits.MAX_ACCESSES,
        limits.MAX_TENSORS,
        limits.MAX_DIGITS,
        limits.MAX_FILE_BYTES,
        limits.MAX_GZIP_MEMBERS,
        limits.MAX_JSON_DEPTH,
        limits.MAX_JSON_VALUES,
        limits.MAX_LINES,
        limits.MAX_NUMBERS,
        limits.MAX_PARTS,
        limits.MAX_TOTAL_CHANNELS,
        limits.MAX_WANTED,
        limits.MAX_PROOF_MEMBERS,
        limits.MAX_TREE_DEPTH,
        limits.MAX_EXPONENT,
    ],
)
def test_limits_are_listed(value: int) -> None:
    """The page states the limits that the code enforces."""
    shown = f"{value:,}".replace(",", " ") if value > 9999 else str(value)
    assert re.search(rf"\| {shown}( |$)", PAGE, flags=re.MULTILINE)
