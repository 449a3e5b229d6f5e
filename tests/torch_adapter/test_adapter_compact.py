"""compact: one call from a pruned model to a checked export with a report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from adapter_nets import TOLERANCE, Dense, ManyInOut, Residual, SpatialAttention, build, image

import reorder_solver as rs
from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter import checking
from reorder_solver.torch_adapter.apply import rewrite
from reorder_solver.torch_adapter.checking import require_equal
from reorder_solver.torch_adapter.optimise import SolverSettings

if TYPE_CHECKING:
    from torch import nn

NOTHING = ta.Transformations(hoist=False, fuse=False, narrow=False, share=False)
THREE_READERS = {
    "block.0.0": {"input": np.isin(np.arange(8), [0, 2, 4])},
    "block.1.0": {"input": np.isin(np.arange(8), [2, 4, 6])},
    "head": {"input": np.isin(np.arange(8), [1, 6])},
}


@pytest.mark.parametrize("export", ["naive", "upscale", "optimal"])
@pytest.mark.parametrize("net", [Residual, Dense])
def test_every_export_equals_the_masked_model(net: type[nn.Module], export: str) -> None:
    """Module, instance, result and report belong together, and the outputs are right."""
    model = build(net)
    masks = ta.prune_inputs(model, image(), "random", 0.5)
    out = ta.compact(model, image(), masks, export=export)
    reference = ta.masked(model, masks)
    for batch in (1, 3):
        assert ta.max_relative_error(reference, out.module, image(batch)) <= TOLERANCE
    rs.verify(out.instance, out.result)
    assert out.report.export == export
    assert out.report.error is not None
    assert out.report.error <= TOLERANCE
    assert out.report.copied["this"] == out.result.cost
    if export != "optimal":
        assert ta.extract(model, image(), masks).instance == out.instance


def test_the_optimal_export_copies_least() -> None:
    """Three readers that can all be views are; the original order copies for two of them."""
    model = build(Residual)
    naive = ta.compact(model, image(), THREE_READERS, export="naive")
    best = ta.compact(model, image(), THREE_READERS)
    assert naive.report.copied_channels == 3 + 2
    assert naive.report.copied["this"] == naive.report.copied["naive"] == 4 * (64 * 3 + 2)
    assert best.report.copied["naive"] == naive.report.copied["naive"]
    assert best.result.status is rs.Status.OPTIMAL
    assert best.report.copied["this"] == best.report.copied_channels == 0
    assert not any("input_index" in name for name in best.module.state_dict())


def test_masks_default_to_exact_zeros() -> None:
    """A model that was masked before needs no masks."""
    model = build(Residual)
    out = ta.compact(ta.masked(model, THREE_READERS), image(), export="naive")
    assert out.instance == ta.extract(model, image(), THREE_READERS).instance


def test_other_objectives_reach_the_solver() -> None:
    """The result is for the objective asked for."""
    out = ta.compact(build(Residual), image(), THREE_READERS, objective="runs", seed=3)
    assert out.result.objective is rs.Objective.RUNS
    assert out.result.seed == 3


def test_report_lists_accesses_pins_and_notes() -> None:
    """As text and as plain data, with the same numbers."""
    model = build(SpatialAttention)
    masks = {"head": {"input": np.isin(np.arange(8), [1, 3, 5])}}
    report = ta.compact(model, image(), masks, export="naive").report
    text, data = str(report), report.to_dict()
    assert json.loads(json.dumps(data)) == json.loads(json.dumps(report.to_dict()))
    rows = {row["id"]: row for row in data["accesses"]}
    assert rows["head"] == {
        "id": "head",
        "kind": "layer",
        "was": "gather",
        "bytes_before": 3 * 4 * 64,
        "mode": "gather",
        "place": "",
        "wanted": 3,
        "channels": 8,
        "stored": 8,
        "runs": 3,
        "bytes": 3 * 4 * 64,
        "macs_before": 8 * 4 * 64,
        "macs": 3 * 4 * 64,
    }
    assert rows["attend"]["mode"] == "view"
    assert data["copied"]["this"] == data["copied"]["naive"] == 3 * 4 * 64
    assert data["copied_channels"] == 3
    assert {"tensor": "head", "reason": "model output"} in data["pins"]
    assert "pinned head: model output" in text
    assert "SpatialAttention, export naive: 2 of 3 layers read a view" in text
    assert "head" in text


def test_report_says_what_is_still_computed() -> None:
    """Channels that nobody reads are dropped, of free tensors only."""
    masks = {
        name: {"input": np.isin(np.arange(8), [3, 4])}
        for name in ("block.0.0", "block.1.0", "head")
    }
    report = ta.compact(build(Residual), image(), masks, export="naive", check=False).report
    assert report.channels == 3 + 8 + 6 + 6 + 5
    assert report.stored == 3 + 2 + 6 + 6 + 5
    assert report.error is None
    assert "error" not in str(report)


def test_several_outputs_are_checked() -> None:
    """A dictionary of outputs and a mapping of inputs."""
    out = ta.compact(build(ManyInOut), {"x": image(), "y": image(seed=3)})
    assert out.report.error is not None
    assert out.report.error <= TOLERANCE


def test_an_unknown_export_is_an_input_error() -> None:
    """The message lists the known ones."""
    message = "unknown export 'best'; known: naive, upscale, optimal, constrained, oracle"
    with pytest.raises(rs.InputError, match=message):
        ta.compact(build(Residual), image(), export="best")


def test_constrained_masks_leave_nothing_to_copy() -> None:
    """All readers of a tensor keep the same channels, and the export equals that model."""
    model = build(Residual)
    out = ta.compact(model, image(), THREE_READERS, export="constrained")
    assert out.report.copied["this"] == out.report.after.selected == 0
    assert out.report.error is not None
    assert out.report.error <= TOLERANCE
    constrained = ta.constrain(model, image(), THREE_READERS)
    assert ta.max_relative_error(ta.masked(model, constrained), out.module, image(3)) <= TOLERANCE


def test_the_oracle_copies_nothing_and_is_not_checked() -> None:
    """It has slices for copies, and otherwise the sizes of the optimal export."""
    model = build(Residual)
    # No order makes all three of these pairs neighbours.
    pairs = {"block.0.0": [0, 1], "block.1.0": [1, 2], "head": [0, 2]}
    masks = {name: {"input": np.isin(np.arange(8), pair)} for name, pair in pairs.items()}
    best = ta.compact(model, image(), masks, transformations=NOTHING)
    oracle = ta.compact(model, image(), masks, export="oracle", transformations=NOTHING)
    assert best.report.after.selected == best.report.copied["this"] > 0
    assert oracle.report.after.selected == 0
    assert "gather" not in ta.copied_bytes(oracle.module, image()).by_kind
    assert oracle.report.error is None
    assert oracle.report.after.macs == best.report.after.macs
    modes = {row.id: row.mode for row in best.report.accesses}
    free = {row.id for row in oracle.report.accesses if row.mode == "free"}
    assert free == {name for name, mode in modes.items() if mode == "gather"}


def test_a_wrong_export_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check compares with the masked model: another model's export does not pass."""
    other = build(Residual, seed=1)
    extraction = ta.extract(other, image())
    wrong = rewrite(extraction, rs.Layout.identity(extraction.instance), dtype=torch.float64)
    monkeypatch.setattr(checking, "rewrite", lambda *_, **__: wrong)
    with pytest.raises(ta.ExportMismatchError, match="differs from the masked model") as caught:
        ta.compact(build(Residual), image())
    assert caught.value.error is not None
    assert caught.value.error > 1e-6
    assert ta.compact(build(Residual), image(), check=False).report.error is None


def test_a_solver_without_a_layout_breaks_its_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layout is feasible, so there is always one."""
    nothing = rs.Result(
        status=rs.Status.NO_SOLUTION,
        stop_reason=rs.StopReason.TIME_LIMIT,
        cost=None,
        lower_bound=None,
        layout=None,
        objective=rs.Objective.BYTES,
        backend="none",
    )
    monkeypatch.setattr(SolverSettings, "solve", lambda *_: nothing)
    with pytest.raises(rs.BackendContractError, match="no layout, status no_solution"):
        ta.compact(build(Residual), image(), export="naive")


@pytest.mark.parametrize("error", [1e-9, float("inf"), float("nan")])
def test_errors_beyond_rounding_raise(error: float) -> None:
    """Also one that is no number."""
    with pytest.raises(ta.ExportMismatchError):
        require_equal(error)


def test_rounding_passes() -> None:
    """Up to the tolerance."""
    require_equal(0.0)
    require_equal(TOLERANCE)
