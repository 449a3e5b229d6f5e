"""Loading, calibrating and comparing models."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from adapter_nets import (
    Residual,
    build,
    image,
)
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta


class Returns(nn.Module):
    """Gives back whatever it was made with, plus the input where that is a number."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: torch.Tensor) -> object:
        return self.value


def test_models_are_reproducible_by_seed() -> None:
    """The same seed gives the same weights, and the caller's generator goes on undisturbed."""
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one = ta.load_model("adapter_nets:Residual", seed=1)
    assert torch.equal(torch.rand(1), expected)
    same, other = (ta.load_model("adapter_nets:Residual", seed=seed) for seed in (1, 2))
    name = "stem.weight"
    assert torch.equal(one.state_dict()[name], same.state_dict()[name])
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])
    assert not one.training


def test_models_from_a_callable() -> None:
    """A class or a function of an importable module, or a name that torchvision knows."""
    assert isinstance(ta.load_model("adapter_nets:Residual"), Residual)
    assert type(ta.load_model("torchvision:squeezenet1_1")).__name__ == "SqueezeNet"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet18", "must be 'torchvision:name' or 'module:callable'"),
        ("torchvision:resnet0", "torchvision has no model 'resnet0'"),
        ("no_such_module:Net", "cannot import 'no_such_module'"),
        ("adapter_nets:Nothing", "'adapter_nets' has no 'Nothing'"),
        ("adapter_nets:image", "returns a Tensor, not a torch.nn.Module"),
    ],
)
def test_wrong_model_names_are_input_errors(spec: str, message: str) -> None:
    """Each says what is wrong."""
    with pytest.raises(rs.InputError, match=message):
        ta.load_model(spec)


def test_calibration_sets_statistics_and_nothing_else() -> None:
    """Norms give outputs of mean 0 and variance 1 on the data; modes and weights stay."""
    model = build(Residual).train()
    model.head.eval()
    weights = {name: value.clone() for name, value in model.named_parameters()}
    modes = [module.training for module in model.modules()]
    momentum = model.norm.momentum
    assert ta.calibrate(model, image(8)) is model
    assert [module.training for module in model.modules()] == modes
    assert model.norm.momentum == momentum
    for name, value in model.named_parameters():
        assert torch.equal(value, weights[name])
    nn.init.ones_(model.norm.weight)
    nn.init.zeros_(model.norm.bias)
    with torch.no_grad():
        normed = model.eval().norm(model.stem(image(8)))
    assert normed.mean((0, 2, 3)).abs().max() < 1e-5
    assert (normed.var((0, 2, 3)) - 1).abs().max() < 1e-3


def test_error_is_relative_to_the_scale_of_each_output() -> None:
    """The largest over all leaves of nested outputs."""
    one = Returns({"a": torch.tensor([100.0, 1.0]), "b": (torch.tensor([1.0]), 3)})
    other = Returns({"a": torch.tensor([101.0, 1.5]), "b": (torch.tensor([0.98]), 3)})
    assert ta.max_relative_error(one, other, image()) == pytest.approx(0.02)
    assert ta.max_relative_error(one, one, image()) == 0.0


NAN = float("nan")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.ones(2), torch.ones(3)),
        (torch.ones(2), torch.ones(2, dtype=torch.float64)),
        (torch.ones(2), [torch.ones(2)]),
        ({"a": torch.ones(2)}, {"b": torch.ones(2)}),
        (torch.tensor([1, 2]), torch.tensor([1, 3])),
        (torch.tensor([1.0, NAN]), torch.tensor([1.0, 2.0])),
        (torch.tensor([math.inf]), torch.tensor([-math.inf])),
        ((torch.ones(1), 2), (torch.ones(1), 3)),
        ((torch.ones(1), None), (torch.ones(1), 0)),
    ],
)
def test_outputs_of_another_kind_are_infinitely_far_apart(one: object, other: object) -> None:
    """Structure, shape, type, integers and non-finite numbers must be the same."""
    assert math.isinf(ta.max_relative_error(Returns(one), Returns(other), image()))
    assert ta.max_relative_error(Returns(one), Returns(one), image()) == 0.0


def test_comparing_runs_on_copies() -> None:
    """The modules keep their type, the input its value."""
    model = build(Residual)
    x = image()
    assert ta.max_relative_error(model, model, x) == 0.0
    assert model.stem.weight.dtype == torch.float32
    assert torch.equal(x, image())


def test_missing_torch_is_named() -> None:
    """The message says what to install."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import reorder_solver as rs\n"
        "try:\n    from reorder_solver import torch_adapter\n"
        "except rs.MissingPackageError as error:\n    print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert "pip install 'reorder-solver[torch]'" in run.stdout


def test_missing_torchvision_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its models need it."""
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(rs.MissingPackageError, match=r"pip install 'reorder-solver\[torch\]'"):
        ta.load_model("torchvision:resnet18")


def test_the_package_itself_does_not_import_torch() -> None:
    """Only the adapter does."""
    code = "import reorder_solver, sys; print('torch' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert run.stdout.strip() == "False"
