"""Exports of real architectures equal the masked models, whatever the masks; wrong ones show."""

from __future__ import annotations

import pytest
import torch
import zoo
import zoo_checks
from torch import nn

from reorder_solver import torch_adapter as ta

#: Amount, side, correlation (0: by the L2 norm).
SETTINGS = [
    (0.25, "input", 0.9),
    (0.5, "output", 0.0),
    (0.5, "mixed", 0.0),
    (0.9, "mixed", 0.9),
    (0.25, "every", 0.0),
]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def available(case: zoo.Case) -> zoo.Case:
    if case.source == "timm":
        pytest.importorskip("timm")
    return case


@pytest.mark.zoo
@pytest.mark.parametrize(("amount", "side", "correlation"), SETTINGS)
@pytest.mark.parametrize("name", zoo.CASES)
def test_exports_equal_the_masked_model(
    name: str, amount: float, side: str, correlation: float
) -> None:
    """Three exports, two batches, two memory formats; and the output depends on the input."""
    case = available(zoo.CASES[name])
    pruned = zoo_checks.Pruned.make(case, side, amount, correlation)
    for found in pruned.outcomes(time_limit=5.0):
        assert found.verdict == "equal", found


@pytest.mark.parametrize("side", ["input", "output", "every"])
def test_a_small_one(side: str) -> None:
    """In every run of the tests."""
    pruned = zoo_checks.Pruned.make(zoo.find("squeezenet1_1"), side, 0.25)
    sides = {side} if side != "every" else {"input", "output"}
    assert {frozenset(found) for found in pruned.masks.values()} == {frozenset(sides)}
    (found,) = pruned.outcomes(["naive"])
    assert (found.verdict, found.failure) == ("equal", ""), found
    assert found.sensitivity > 1e-3
    assert found.accesses >= 20
    assert set(found.reasons) == {"model input", "model output"}


def test_a_wrong_export_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One weight off by a millionth."""
    case = zoo.find("squeezenet1_1")
    pruned = zoo_checks.Pruned.make(case, "input", 0.5)
    whole = ta.compact

    def nearly(*arguments: object, **options: object) -> ta.Compacted:
        out = whole(*arguments, **options)  # type: ignore[arg-type]
        with torch.no_grad():
            out.module.get_parameter("features.6.squeeze.weight")[3].mul_(1 + 1e-6)
        return out

    monkeypatch.setattr(ta, "compact", nearly)
    (found,) = pruned.outcomes(["naive"])
    assert found.verdict == "WRONG"


def test_a_failing_export_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on."""
    pruned = zoo_checks.Pruned.make(zoo.find("squeezenet1_1"), "input", 0.5)
    whole = ta.compact

    def broken(*arguments: object, **options: object) -> ta.Compacted:
        if options["export"] == "upscale":
            raise RuntimeError("no luck\nat all")
        return whole(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ta, "compact", broken)
    one, two = pruned.outcomes(["upscale", "naive"])
    assert (one.verdict, one.failure) == ("FAILED", "RuntimeError: no luck")
    assert two.verdict == "equal"


class Deaf(nn.Module):
    """Ignores its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(x)


def test_a_constant_output_proves_nothing() -> None:
    """It is told apart from an equal export."""
    case = zoo.find("squeezenet1_1")
    assert zoo_checks.sensitivity(case, Deaf()) == 0.0
    found = zoo_checks.Outcome(case.id, "input", "naive", 0.5, 0.0, error=0.0, sensitivity=0.0)
    assert found.verdict == "insensitive"


def test_nothing_that_matters_is_constant() -> None:
    """Parameters that start as zeros and ones are random, deep signals survive heavy pruning."""
    case = zoo.find("mobilenet_v3_small")
    for parameter in zoo.network(case).parameters():
        assert parameter.numel() == 1 or parameter.detach().flatten().std() > 0
    pruned = zoo_checks.Pruned.make(case, "mixed", 0.9, 0.9)
    assert zoo_checks.sensitivity(case, pruned.reference()) > 1e-3
