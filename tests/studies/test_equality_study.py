"""The equality study prints what the check finds, goes on after failures, and fails for them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "bench_instances" / "studies"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import it as its script does."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("equality")


def test_equal_exports(study: Any, tmp_path: Path, capsys: Any) -> None:
    """One row per export, with the error and what is pinned."""
    out = tmp_path / "out.json"
    arguments = ["squeezenet1_1", "--amount", "0.5", "--export", "naive", "--time-limit", "1"]
    assert study.main([*arguments, "--output", str(out)]) == 0
    (row,) = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert (row["case"], row["verdict"]) == ("torchvision:squeezenet1_1", "equal")
    assert float(row["error"]) <= 1e-10 < float(row["sensitivity"])
    printed = capsys.readouterr().out
    assert "1 of 1 exports: equal" in printed
    assert "pinned in 1 of the models and sides: model output" in printed


def test_failures_do_not_stop_it(
    study: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a model that cannot be pruned nor a wrong export."""

    class Wrong:
        def outcomes(self, exports: list[str], **options: Any) -> Any:
            for export in exports:
                yield study.zoo_checks.Outcome("x", "input", export, 0.5, 0.0, 1e-9, 1.0)

    def make(case: Any, *_: Any) -> Wrong:
        if case.name == "alexnet":
            raise RuntimeError("no luck\nat all")
        return Wrong()

    monkeypatch.setattr(study.zoo_checks.Pruned, "make", make)
    arguments = ["alexnet", "timm:dla34", "--export", "naive", "--export", "optimal"]
    assert study.main(arguments) == 1
    printed = capsys.readouterr().out
    assert "torchvision:alexnet input 0.5 0 all: FAILED nan RuntimeError: no luck" in printed
    assert "2 of 3 exports: WRONG" in printed


def test_unknown_architectures_are_named(study: Any) -> None:
    """With the known ones; a group stands for its members."""
    assert len(study.chosen(["torchvision"])) == 27
    assert len({case.id for case in study.chosen(["timm"])}) >= 30
    for unknown in ("no_such", "densenet"):
        with pytest.raises(SystemExit, match=f"no architecture '{unknown}'; known: torchvision"):
            study.chosen([unknown])
