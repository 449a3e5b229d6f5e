"""The example of docs/reproduce.md runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reorder_solver.experiments.architectures import ARCHITECTURES, build
from reorder_solver.experiments.methods import METHODS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reproduce.md").read_text("utf-8")


def test_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method of one's own; it is forgotten afterwards."""
    pytest.importorskip("sklearn")
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    monkeypatch.setitem(METHODS, "only-the-head", METHODS["constrained"])
    names: dict[str, Any] = {}
    exec(compile(example, "docs/reproduce.md", "exec"), names)
    methods = {row["method"] for row in names["rows"].flat()}
    assert methods == {"only-the-head", "constrained"}


def test_sizes() -> None:
    """The table of networks is complete, and its numbers of parameters are right."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+) thousand \|$", PAGE, re.MULTILINE)
    found = {
        name: round(sum(each.numel() for each in build(name).parameters()) / 1000)
        for name in ARCHITECTURES
    }
    assert {name: int(count) for name, count in rows} == found
