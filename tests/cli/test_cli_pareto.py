"""``reorder-solver pareto``: the front of a model, in a table and in files, and wrong options."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from reorder_solver.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 4, 1))
"""


def run(*arguments: str) -> object:
    return CliRunner().invoke(main, ["pareto", *arguments])


def test_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pareto_net.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    saved = tmp_path / "front.csv"
    found = run(
        "pareto_net:net", "--size", "8", "--amounts", "0.5", "--lives", "1", "--time-limit", "1",
        "--save", str(saved), "--format", "json",
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    points = json.loads(found.stdout)
    assert points
    rows = list(csv.DictReader(saved.open(encoding="utf-8")))
    assert [int(row["macs"]) for row in rows] == [each["macs"] for each in points]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--amounts", "2"), "--amounts must be numbers from 0 to 1"),
        (("--lives", "much"), "--lives must be numbers from 0 to 1"),
        (("--save", "front.txt"), "name a file .json"),
    ],
)
def test_bad_options(arguments: tuple[str, ...], message: str) -> None:
    found = run("torchvision:resnet18", *arguments)
    assert found.exit_code == 2
    assert message in found.output.replace("\n", " ")
    assert len(found.output.strip().splitlines()) == 1
