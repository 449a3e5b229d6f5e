"""Random networks with random masks are exported right, and the checks would notice if not."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from random_nets.checking import BrokenNetworkError, case, check, check_seed
from random_nets.drawing import OPERATORS
from random_nets.generator import STYLES, draw
from random_nets.masking import declared, fitting, write_zeros
from random_nets.program import Program, Step, build, sample
from random_nets.shrinking import described, failure_kind, shrink, without_dead_steps
from torch import nn
from torch.utils import _pytree as pytree

from reorder_solver import torch_adapter as ta

torch.set_num_threads(1)

_FAST, _ALL = 60, 650


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(1103, id="stretches of which nothing is stored were parts of an access"),
        pytest.param(1146, id="the same in a shared buffer"),
        pytest.param(10089, id="rotation of the channels by all of them left nothing to rotate"),
        pytest.param(12730, id="selections on two axes of one value were taken for one"),
        pytest.param(15294, id="selections on two axes of an input were taken for one"),
    ],
)
def test_networks_that_once_failed(seed: int) -> None:
    """Every seed stands for a mistake that is no longer made."""
    assert check_seed(seed).failure is None


@pytest.mark.parametrize("seed", [20048, 20054])
def test_layers_that_read_what_is_not_understood_are_pruned(seed: int) -> None:
    """They crashed the analysis for pruning; with masks on them, exports are right."""
    program = draw(seed)
    model = build(program).double().eval()
    inputs = tuple(x.double() for x in sample(program, 2, 1))
    masks = ta.prune(model, inputs, "random", 0.5, side="both")
    assert masks
    ta.compact(model, inputs, masks, time_limit=1)


class TwoAxes(nn.Module):
    """A convolution and a linear layer that read one input on different axes."""

    def __init__(self) -> None:
        super().__init__()
        self.columns = nn.Conv2d(6, 4, 1)
        self.rows = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.columns(x), self.rows(x)


@pytest.mark.parametrize("export", ["naive", "upscale", "optimal"])
def test_one_selection_on_two_axes_is_two(export: str) -> None:
    """The same channels of two axes are different slices of one input."""
    kept = np.array([True, False, True, True, False, True])
    masks = {"columns": {"input": kept}, "rows": {"input": kept}}
    inputs = torch.randn(2, 6, 6, 6)
    out = ta.compact(TwoAxes().eval(), inputs, masks, export=export)
    assert out.report is not None


@pytest.mark.parametrize(
    "seed",
    [*range(_FAST), *(pytest.param(i, marks=pytest.mark.slow) for i in range(_FAST, _ALL))],
)
def test_random_networks_are_exported_right(seed: int) -> None:
    """What is not understood costs speed, never correctness.

    `python bench_instances/studies/random_networks.py --shrink SEED` shows why one fails.
    """
    assert check_seed(seed).failure is None


@pytest.mark.parametrize("style", STYLES)
def test_networks_are_determined_by_their_seed(style: str) -> None:
    """Programs, weights and masks are the same again, and others for other seeds."""
    (one, masks), (again, masks_again) = case(7, 1, style), case(7, 1, style)
    assert one == again
    assert one.source() == again.source()
    assert masks == masks_again
    first, second = build(one).state_dict(), build(again).state_dict()
    assert list(first) == list(second)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert draw(8, style).source() != one.source()


def test_outputs_depend_on_the_inputs_and_keep_their_scale() -> None:
    """A comparison of outputs proves something only where they are neither constant nor huge."""
    for seed in range(60):
        program = draw(seed)
        model = build(program)
        with torch.no_grad():
            leaves = [pytree.tree_leaves(model(*sample(program, 2, each))) for each in (1, 2)]
        for one, other in zip(*leaves, strict=True):
            if isinstance(one, torch.Tensor):
                assert 1e-3 < one.abs().max() < 1e3, seed
                assert (one - other).abs().max() > 1e-6 * one.abs().max(), seed


@pytest.mark.parametrize("seed", [102899, 103204])
def test_rounding_is_not_brought_to_scale(seed: int) -> None:
    """Zeros that were rounded had been multiplied until exports differed in nothing else."""
    factors = [
        float(found)
        for step in draw(seed).steps
        for found in re.findall(r"\* ([0-9.]+(?:e\+[0-9]+)?)$", step.code)
    ]
    assert max(factors, default=0.0) < 1e10
    assert check_seed(seed).failure is None


def test_every_operator_is_drawn() -> None:
    """No operator is too particular to ever fit."""
    wanted = {function.__name__ for options in OPERATORS.values() for _, function in options}
    drawn: Counter[str] = Counter()
    originals = {form: list(options) for form, options in OPERATORS.items()}
    try:
        for options in OPERATORS.values():
            options[:] = [(family, _counted(function, drawn)) for family, function in options]
        for seed in range(150):
            draw(seed, "exotic" if seed % 2 else "transformer")
    finally:
        for form, options in originals.items():
            OPERATORS[form][:] = options
    assert set(drawn) == wanted


def _counted(function: Any, counts: Counter[str]) -> Any:
    def counting(drawing: Any, value: Any) -> Any:
        result = function(drawing, value)
        counts[function.__name__] += 1
        return result

    return counting


def test_zeros_written_here_are_those_of_the_adapter() -> None:
    """The reference does not rest on the adapter's own masking; where both mask they agree."""
    seen: Counter[str] = Counter()
    for seed in range(60):
        program, masks = case(seed)
        model = build(program)
        masks = [mask for mask in masks if mask.declared]
        theirs = ta.masked(model, declared(masks)).state_dict()
        write_zeros(model, masks)
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, theirs[name]), (seed, name)
        seen.update(mask.side for mask in masks)
    assert seen["input"] > 50


def test_masks_are_of_every_kind() -> None:
    """Both sides, declared and written, everything and nothing kept."""
    cases = [case(seed)[1] for seed in range(60)]
    masks = [mask for drawn in cases for mask in drawn]
    for side in ("input", "output", "table"):
        assert any(mask.side == side and any(mask.kept) != all(mask.kept) for mask in masks)
    for side in ("input", "output"):
        assert any(mask.side == side and not any(mask.kept) for mask in masks)
    assert {(m.declared, m.bias) for m in masks} == {(True, True), (False, True), (False, False)}
    assert 0 < sum(not drawn for drawn in cases) < 20


def _spoilt(monkeypatch: pytest.MonkeyPatch, spoil: Any) -> None:
    """Let `spoil` change every export."""
    apply = ta.apply

    def spoiling(extraction: Any, layout: Any) -> nn.Module:
        module = apply(extraction, layout)
        with torch.no_grad():
            spoil(module)
        return module

    monkeypatch.setattr(ta, "apply", spoiling)


def _distort(module: nn.Module) -> None:
    for parameter in module.parameters():
        parameter.mul_(1 + 1e-7)


def _grow(module: nn.Module) -> None:
    module.register_parameter("more", nn.Parameter(torch.zeros(100_000)))


def _wreck(module: nn.Module) -> None:
    raise ZeroDivisionError("spoilt")


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [(_distort, "mismatch"), (_grow, "parameters grew"), (_wreck, "ZeroDivisionError")],
)
def test_wrong_exports_are_noticed(spoil: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights off by very little, a parameter too many, a crash."""
    _spoilt(monkeypatch, spoil)
    failures = [check_seed(seed).failure for seed in (0, 2)]
    assert all(failure is not None and failure_kind(failure) == kind for failure in failures)


def test_a_changed_model_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extraction must leave the model as it was."""
    extract = ta.extract

    def changing(model: nn.Module, inputs: Any, masks: Any) -> Any:
        found = extract(model, inputs, masks)
        with torch.no_grad():
            next(model.parameters()).add_(1.0)
        return found

    monkeypatch.setattr(ta, "extract", changing)
    failure = check_seed(1).failure
    assert failure is not None
    assert "the model was changed" in failure


def test_networks_that_cannot_run_are_no_findings() -> None:
    """They are told apart from crashes of the adapter."""
    step = Step(1, "{0}.view(-1, 7)", (0,), "vector", (7,))
    program = Program(0, "plain", ((3, 4, 4),), (step,), (1,), "single", {})
    with pytest.raises(BrokenNetworkError):
        check(program, [])


def test_shrinking_finds_the_cause() -> None:
    """Of a whole network, the steps that an error needs stay, and the masks go."""
    seed = next(seed for seed in range(200) if "F.gelu" in draw(seed).source())
    program, masks = case(seed)

    def fails(program: Program, masks: Any) -> str | None:
        model = build(program)
        with torch.no_grad():
            model(*sample(program, 1, 0))
        return "naive: mismatch: gelu" if "F.gelu" in program.source() else None

    smallest, left, failure = shrink(program, masks, fails)
    assert failure == "naive: mismatch: gelu"
    assert len(smallest.steps) <= 2 < len(program.steps)
    assert not left
    assert "F.gelu" in described(smallest, left, failure)
    with pytest.raises(ValueError, match="does not fail"):
        shrink(smallest, left, lambda program, masks: None)


def test_shrinking_runs_the_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    """With exports spoilt, one or two steps are left, and still fail alone."""
    _spoilt(monkeypatch, _distort)
    program, masks = case(0)
    lines: list[str] = []
    smallest, left, failure = shrink(program, masks, told=lines.append)
    assert failure_kind(failure) == "mismatch"
    assert len(smallest.steps) <= 2
    assert not left
    assert lines
    assert check(smallest, left).failure is not None
    monkeypatch.undo()
    assert check(smallest, left).failure is None


def test_dead_steps_go_and_writes_stay() -> None:
    """A write to a value that is read through another name is kept, one to nothing read goes."""
    steps = (
        Step(1, "{0} * 2", (0,), "map", (3, 4, 4)),
        Step(2, "{0}[:, :2]", (1,), "map", (2, 4, 4)),
        Step(3, "{0}.relu_()", (2,), "map", (2, 4, 4), writes=True),
        Step(4, "{0} + 1", (0,), "map", (3, 4, 4)),
        Step(5, "{0}.relu_()", (4,), "map", (3, 4, 4), writes=True),
    )
    program = Program(0, "plain", ((3, 4, 4),), steps, (1,), "single", {})
    assert [step.number for step in without_dead_steps(program).steps] == [1, 2, 3]


def test_weights_do_not_depend_on_other_layers() -> None:
    """So that a shrunk network is a part of the whole one."""
    program, masks = case(4)
    part = without_dead_steps(
        Program(4, "", program.inputs, program.steps, (program.steps[3].number,), "single",
                program.constructors)
    )  # fmt: skip
    whole, small = build(program), build(part)
    assert 0 < len(small.state_dict()) < len(whole.state_dict())
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, whole.state_dict()[name])
    assert len(fitting(small, masks)) <= len(masks)
