"""Exports in training mode: batch norm and dropout do there what they do in the model."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adapter_nets import Chain, Dense, FlattenHead, Residual, build, conv, image
from portable_nets import MASKS, Branches, Groups, portable
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STATISTICS = ("running_mean", "running_var")


def applied(
    model: nn.Module,
    masks: Mapping[str, Any] | None = None,
    orders: Mapping[str, Any] | None = None,
) -> nn.Module:
    """An export in double precision, with the original order where no other is given."""
    example = image().to(next(model.parameters()).dtype)
    extraction = ta.extract(model, example, masks)
    layout = dict(rs.Layout.identity(extraction.instance)) | dict(orders or {})
    return ta.apply(extraction, rs.Layout(layout), dtype=torch.float64)


def step(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Outputs in training mode; the gradients are left in the parameters."""
    out: torch.Tensor = module.train()(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
    return out


def origins(found: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
    """Where in `original`, of different numbers, each number of `found` stands."""
    numbers, order = original.detach().flatten().sort()
    assert (numbers.diff() > 0).sum() >= found.numel() - 1
    places = torch.searchsorted(numbers, found.detach().flatten().contiguous())
    assert torch.equal(numbers[places], found.detach().flatten())
    return order[places]


@pytest.mark.parametrize("export", ["naive", "optimal"])
@pytest.mark.parametrize("net", [Chain, Residual, Dense, FlattenHead])
def test_a_training_step_is_that_of_the_masked_model(
    net: Callable[[], nn.Module], export: str
) -> None:
    """Outputs, gradients of all that is left, running statistics, and outputs afterwards."""
    model = build(net).double()
    x = image(4).double()
    masks = ta.prune_inputs(model, x, "random", 0.5)
    reference, module = ta.masked(model, masks), ta.compact(model, x, masks, export=export).module
    before = copy.deepcopy(module)
    start = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    expected, out = step(reference, x), step(module, x)
    assert (out - expected).abs().max() <= 1e-10 * expected.abs().max()
    after = reference.state_dict()
    parameters = dict(reference.named_parameters())
    compared = 0
    for name, parameter in module.named_parameters():
        places = origins(parameter, start[name])
        assert parameter.grad is not None
        wanted = parameters[name].grad.flatten()[places]
        assert torch.allclose(parameter.grad.flatten(), wanted, rtol=1e-9, atol=1e-10), name
        compared += places.numel()
    assert compared > 20
    old = before.state_dict()
    moved = [name for name in old if name.endswith(STATISTICS)]
    assert moved
    for name in moved:
        places = origins(old[name], start[name])
        found = module.state_dict()[name]
        assert not torch.equal(found, old[name])
        assert torch.allclose(found, after[name].flatten()[places], rtol=1e-10), name
    counts = [name for name in old if name.endswith("num_batches_tracked")]
    assert len(counts) == len(moved) // 2
    assert all(module.state_dict()[name] == after[name] == 1 for name in counts)
    assert ta.max_relative_error(reference, module, x) <= 1e-10


def test_without_masks_dropout_draws_what_the_model_draws() -> None:
    """The same seed drops the same elements: same places, probabilities and order."""
    for net in (Branches, Groups):
        model = build(net).double()
        module = applied(model)
        x = image(3).double()
        outputs = []
        for each in (model, module):
            torch.manual_seed(5)
            outputs.append(step(each, x))
        assert torch.allclose(outputs[0], outputs[1], rtol=1e-10, atol=1e-12)
        model.eval()
        module.eval()
        assert torch.allclose(module(x), model(x), rtol=1e-10, atol=1e-12)
        assert not torch.equal(step(module, x), step(module, x))


class Dropouts(nn.Module):
    """Every kind, called as layers, as functions and twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner = conv(3, 6), nn.Sequential(conv(6, 6), nn.Dropout2d(0.5))
        self.drop, self.alpha = nn.Dropout(0.25, inplace=True), nn.AlphaDropout(0.25)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.inner(self.stem(x)))
        x = F.dropout(self.alpha(x), 0.125, training=self.training)
        return self.drop(x).flatten(2).mean(2)


def test_dropouts_keep_their_names_and_settings() -> None:
    """A layer of the model under its name, a function in the module that called it."""
    module = applied(build(Dropouts))
    found = {
        name: (type(layer), layer.p, layer.inplace)
        for name, layer in module.named_modules()
        if hasattr(layer, "p")
    }
    assert found == {
        "inner.1": (nn.Dropout2d, 0.5, False),
        "drop": (nn.Dropout, 0.25, False),
        "alpha": (nn.AlphaDropout, 0.25, False),
        "dropout": (nn.Dropout, 0.125, False),
    }
    model = build(Dropouts).double()
    outputs = []
    for each in (model, module):
        torch.manual_seed(5)
        outputs.append(each.train()(image(3).double()))
    assert torch.allclose(*outputs, rtol=1e-10, atol=1e-12)


class Forgotten(nn.Module):
    """Drops whole branches in training mode, which no operator tells of otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body, self.head = conv(3, 6), conv(6, 6), conv(6, 4)
        self.depth, self.never = StochasticDepth(0.5), StochasticDepth(0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.head(x + self.never(self.depth(self.body(x))))


class StochasticDepth(nn.Module):
    """As in torchvision."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        return x * (torch.rand(len(x), 1, 1, 1) >= self.p) / (1 - self.p)


def test_instance_norms_with_running_statistics_are_noted() -> None:
    """They stay in evaluation mode, which the report did not say."""
    norms = [nn.InstanceNorm2d(6, track_running_stats=tracks) for tracks in (True, False)]
    model = nn.Sequential(conv(3, 6), norms[0], conv(6, 6), norms[1], conv(6, 4)).eval()
    assert ta.extract(model, image()).notes == ("without effect in the export's training mode: 1",)


def test_what_training_mode_lacks_is_noted() -> None:
    """Stochastic depth leaves nothing behind; dropout does, and is not noted."""
    assert ta.extract(build(Forgotten), image()).notes == (
        "without effect in the export's training mode: depth",
    )
    assert not ta.extract(build(Dropouts), image()).notes
    assert ta.extract(build(WritesBehindNorm), image()).notes == (
        "without effect in the export's training mode: drop",
    )


class Norms(nn.Module):
    """One norm on two values, one that averages over all batches, one without a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = conv(3, 8), conv(3, 8)
        self.norm = nn.BatchNorm2d(8)
        self.average = nn.BatchNorm2d(6, eps=1e-3, momentum=None)
        self.plain = nn.BatchNorm1d(6, affine=False)
        self.both = conv(8, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left, right = self.norm(self.left(x)), self.norm(self.right(x))
        return self.plain(self.average(self.both(left) + self.both(right)).mean((2, 3)))


MIXED = {"both": {"input": np.isin(np.arange(8), [1, 4, 5])}}


def test_a_norm_in_two_arrangements_becomes_two() -> None:
    """Though all their numbers are equal: they are of different channels."""
    torch.manual_seed(0)
    model = Norms().eval()
    module = applied(model, MIXED, {"right": np.arange(8)[::-1]})
    one, two = module.get_submodule("norm"), module.get_submodule("norm_2")
    assert isinstance(one, nn.BatchNorm2d)
    assert isinstance(two, nn.BatchNorm2d)
    assert torch.equal(one.weight, two.weight)
    x = image(4).double()
    expected, out = step(ta.masked(model, MIXED).double(), x), step(module, x)
    assert torch.allclose(out, expected, rtol=1e-9, atol=1e-10)
    assert not torch.allclose(one.running_mean, two.running_mean)
    storages = {each.data_ptr() for each in module.state_dict().values()}
    assert len(storages) == len(module.state_dict())


def test_settings_of_norms_are_kept() -> None:
    """Momentum (none: an average), epsilon and counter; a shared norm stays one."""
    torch.manual_seed(0)
    model = Norms().double().eval()
    nn.init.uniform_(model.norm.weight)
    model.average.num_batches_tracked += 2
    module = applied(model)
    assert "norm_2" not in dict(module.named_modules())
    assert module.state_dict().keys() == model.state_dict().keys()
    for seed in (1, 2, 3):
        x = image(4, seed=seed).double()
        expected, out = step(model, x), step(module, x)
        assert torch.allclose(out, expected, rtol=1e-9, atol=1e-10)
    for name, tensor in model.state_dict().items():
        assert torch.allclose(module.state_dict()[name].to(tensor), tensor, rtol=1e-9), name
    assert int(module.get_buffer("average.num_batches_tracked")) == 5
    assert module.get_submodule("average").eps == 1e-3


class ScaleUsedTwice(nn.Module):
    """The scale of a norm is an operand elsewhere, of the same channels or of others."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = conv(3, 8), nn.BatchNorm2d(8)
        self.head, self.other = conv(8, 4), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.stem(x))
        scaled = x.mean((2, 3)) * self.norm.weight
        return self.head(x).mean((2, 3)) + self.other(scaled)


@pytest.mark.parametrize("other", [[0, 2, 3], [1, 6, 7]])
def test_a_scale_that_something_else_uses_is_stored_once(other: list[int]) -> None:
    """It stays one parameter, or two where the channels differ; numbers are right either way."""
    model = build(ScaleUsedTwice).double()
    kept = np.isin(np.arange(8), [0, 2, 3])
    masks = {"head": {"input": kept}, "other": {"input": np.isin(np.arange(8), other)}}
    for export in ("naive", "optimal"):
        x = image(4).double()
        module = ta.compact(model, x, masks, export=export).module
        reference = ta.masked(model, masks)
        expected, out = step(reference, x), step(module, x)
        assert torch.allclose(out, expected, rtol=1e-9, atol=1e-10)
        weights = [one for name, one in module.named_parameters() if "norm" in name]
        names = [name for name in module.state_dict() if name.startswith("norm")]
        assert len({one.data_ptr() for one in weights}) == len(weights)
        found = torch.zeros(8, dtype=torch.float64)
        for name, one in module.named_parameters():
            if name.startswith("norm") and ".weight" in name:
                places = origins(one, model.norm.weight)
                found.index_add_(0, places, one.grad)
        assert torch.allclose(found, reference.norm.weight.grad, rtol=1e-9, atol=1e-10), names


class WithFunction(nn.Module):
    """Batch norm as a function, on buffers of its own names."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = conv(3, 6), conv(6, 4)
        self.register_buffer("mean", torch.randn(6))
        self.register_buffer("variance", torch.rand(6) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.batch_norm(self.stem(x), self.mean, self.variance, training=self.training)
        return self.head(F.relu(x))


def test_norms_called_as_functions_stay_in_evaluation_mode() -> None:
    """There is no telling what the model does with them in training mode."""
    module = applied(build(WithFunction))
    x = image(3).double()
    before = copy.deepcopy(module.state_dict())
    assert torch.equal(module.train()(x), module.eval()(x))
    assert all(torch.equal(before[name], one) for name, one in module.state_dict().items())


class WritesBehindNorm(nn.Module):
    """Writes to a view, which takes another way of capturing."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.head = conv(3, 6), nn.BatchNorm2d(6), conv(6, 4)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.stem(x))
        x.flatten(2).mul_(2.0)
        return self.head(self.drop(x))


def test_norms_with_several_results_train_too() -> None:
    """The operator that functionalisation makes of it."""
    model = build(WritesBehindNorm).double()
    model.drop.p = 0.0
    module = applied(model)
    assert isinstance(module.get_submodule("norm"), nn.BatchNorm2d)
    x = image(4).double()
    expected, out = step(model, x), step(module, x)
    assert torch.allclose(out, expected, rtol=1e-9, atol=1e-10)
    assert torch.allclose(module.norm.running_var, model.norm.running_var)


class InPlaceAroundShuffle(nn.Module):
    """A shuffle, which the export does without, between two operators in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = conv(3, 6), conv(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.channel_shuffle(self.stem(x).tanh_(), 2)
        return self.head(F.relu(x, inplace=True))


def test_nothing_is_written_to_that_a_gradient_needs() -> None:
    """The second operator may no longer write where the first one's result is."""
    model = build(InPlaceAroundShuffle).double()
    module = applied(model)
    x = image(2).double()
    expected, out = step(model, x), step(module, x)
    assert torch.allclose(out, expected, rtol=1e-9, atol=1e-12)
    wanted = model.stem.weight.grad
    found = module.stem.weight.grad.flatten()
    places = origins(module.stem.weight, model.stem.weight)
    assert torch.allclose(found, wanted.flatten()[places], rtol=1e-9, atol=1e-12)
    assert any("tanh_" in str(node.target) for node in module.graph.nodes)


@pytest.mark.parametrize("net", list(MASKS))
def test_fine_tuning_lowers_the_loss(net: type[nn.Module]) -> None:
    """Every parameter gets a gradient, and evaluation mode gives the tuned model."""
    module = portable(net, "optimal").module
    torch.manual_seed(0)
    x = image(16)
    target = build(net)(x).detach() + 1.0
    start = F.mse_loss(module(x), target).item()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05)
    module.train()
    for _ in range(15):
        optimiser.zero_grad()
        F.mse_loss(module(x), target).backward()
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
        optimiser.step()
    module.eval()
    assert F.mse_loss(module(x), target).item() < 0.9 * start
    assert torch.equal(module(x), module(x))


def test_an_export_can_be_exported_again() -> None:
    """Pruned further, and its norms are still layers."""
    module = portable(Branches, "optimal").module
    masks = ta.prune_inputs(module, image(), "l2", 0.3)
    again = ta.compact(module, image(), masks)
    assert ta.max_relative_error(ta.masked(module, masks), again.module, image()) <= 1e-5
    assert isinstance(again.module.get_submodule("joined"), nn.BatchNorm2d)
    assert isinstance(again.module.get_submodule("drop"), nn.Dropout)


def test_dropout_in_place_becomes_a_layer() -> None:
    """A dropout that writes to its input names its argument otherwise: MobileNetV3 has one."""
    net = nn.Sequential(
        nn.Conv2d(3, 6, 1), nn.Hardswish(inplace=True), nn.Dropout(0.5, inplace=True), nn.Flatten(),
        nn.Linear(6 * 16, 4),
    ).double().eval()  # fmt: skip
    inputs = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    module = ta.compact(net, inputs, {"4": {"input": np.arange(96) >= 16}}).module
    assert any(isinstance(layer, nn.Dropout) for layer in module.modules())
    assert not torch.equal(module.train()(inputs), module.train()(inputs))
    assert torch.equal(module.eval()(inputs), module.eval()(inputs))
