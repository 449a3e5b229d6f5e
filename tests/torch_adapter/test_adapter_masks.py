"""Masks that are wrong, and what masking does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from adapter_nets import TOLERANCE, Chain, Grouped, Residual, build, conv, image
from masks_and_layouts import layouts
from torch import nn
from torch.nn.utils import parametrizations, prune, weight_norm

import reorder_solver as rs
from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.masks import masked_with_kept

if TYPE_CHECKING:
    from collections.abc import Callable

EIGHT = np.ones(8, dtype=bool)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (
            {"block.0.9": {"input": EIGHT}},
            r"module .block\.0\.9.*no such module; did you mean .block",
        ),
        ({"zzz": {"input": EIGHT}}, r"module 'zzz': the model has no such module$"),
        ({"nrm": {"output": EIGHT}}, r"no such module; did you mean 'norm'"),
        ({"head": {"input": EIGHT[:7]}}, r"module 'head': input mask must have 8 entries, got 7"),
        ({"head": {"output": EIGHT}}, r"module 'head': output mask must have 5 entries, got 8"),
        ({"head": {"input": EIGHT[None]}}, r"module 'head'.*flat boolean array"),
        ({"head": {"input": np.ones(8)}}, r"module 'head'.*flat boolean array"),
        ({"head": {"input": [1, 0] * 4}}, r"module 'head'.*flat boolean array"),
        ({"head": {"input": torch.ones(8)}}, r"module 'head'.*flat boolean array"),
        ({"head": {"inputs": EIGHT}}, r"module 'head': unknown side 'inputs'; give 'input' or"),
        ({"head": {3: EIGHT}}, r"module 'head': unknown side 3; give 'input' or 'output'"),
        ({"head": EIGHT}, r"module 'head': must be a mapping"),
        ({"norm": {"input": EIGHT}}, r"module 'norm': is a BatchNorm2d.*give 'output'"),
        ({"block": {"output": EIGHT}}, r"module 'block': is a ModuleList; masks are for"),
        ([("head", EIGHT)], r"masks must be a mapping"),
    ],
)
def test_wrong_masks_are_one_clear_error(masks: Any, message: str) -> None:
    """Naming the module and what would be right, from every entrance."""
    model = build(Residual)
    for entrance in (lambda: ta.masked(model, masks), lambda: ta.extract(model, image(), masks)):
        with pytest.raises(rs.InputError, match=message) as caught:
            entrance()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: nn.BatchNorm2d(8, affine=False), "has no weights to mask"),
        (lambda: nn.LazyConv2d(8, 1), "its weight has no shape yet; run the model once"),
        (lambda: weight_norm(conv(8, 8)), "its weight is computed, not stored"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_that_cannot_be_masked(layer: Callable[[], nn.Module], message: str) -> None:
    """Absent, not yet made, or computed by a hook from other parameters."""
    with pytest.raises(rs.InputError, match=message):
        ta.masked(nn.Sequential(layer()), {"0": {"output": EIGHT}})


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv": (lambda: nn.Conv2d(6, 8, 3, padding=1), (2, 6, 5, 5)),
    "conv1d": (lambda: nn.Conv1d(6, 8, 3), (2, 6, 9)),
    "conv3d": (lambda: nn.Conv3d(6, 4, 2, bias=False), (2, 6, 3, 3, 3)),
    "grouped": (lambda: nn.Conv2d(6, 9, 3, groups=3), (2, 6, 5, 5)),
    "depthwise": (lambda: nn.Conv2d(6, 6, 3, groups=6), (2, 6, 5, 5)),
    "depthwise, several each": (lambda: nn.Conv2d(6, 12, 3, groups=6), (2, 6, 5, 5)),
    "channels last": (
        lambda: nn.Conv2d(6, 9, 3, groups=3).to(memory_format=torch.channels_last),
        (2, 6, 5, 5),
    ),
    "transposed": (lambda: nn.ConvTranspose2d(6, 8, 3), (2, 6, 5, 5)),
    "transposed 1d": (lambda: nn.ConvTranspose1d(6, 4, 3, stride=2), (2, 6, 5)),
    "transposed 3d": (lambda: nn.ConvTranspose3d(6, 4, 2), (2, 6, 3, 3, 3)),
    "transposed grouped": (lambda: nn.ConvTranspose2d(6, 9, 3, groups=3), (2, 6, 5, 5)),
    "linear": (lambda: nn.Linear(6, 8), (2, 3, 6)),
    "batch norm": (lambda: nn.BatchNorm2d(6), (2, 6, 5, 5)),
    "group norm": (lambda: nn.GroupNorm(2, 6), (2, 6, 5, 5)),
}


def layer_and_input(name: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer = make().double().eval()
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    return layer, torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("name", [name for name in LAYERS if "norm" not in name])
def test_an_input_mask_hides_those_channels_and_no_others(name: str) -> None:
    """The masked layer sees an input as if its dropped channels were zero."""
    layer, x = layer_and_input(name)
    kept = np.array([True, False, True, True, False, False])
    axis = -1 if name == "linear" else 1
    hidden = x.clone()
    hidden.index_fill_(axis, torch.from_numpy(np.flatnonzero(~kept)), 0.0)
    found = ta.masked(nn.Sequential(layer), {"0": {"input": kept}})(x)
    torch.testing.assert_close(found, layer(hidden), rtol=1e-12, atol=1e-12)
    assert not torch.allclose(found, layer(x))


@pytest.mark.parametrize("name", LAYERS)
def test_an_output_mask_zeroes_those_channels_and_no_others(name: str) -> None:
    """Bias included; what is kept keeps its value to the last bit."""
    layer, x = layer_and_input(name)
    before = layer(x)
    axis = -1 if name == "linear" else 1
    kept = np.arange(before.shape[axis]) % 3 != 1
    after = ta.masked(nn.Sequential(layer), {"0": {"output": kept}})(x)
    dropped = torch.from_numpy(np.flatnonzero(~kept))
    assert not after.index_select(axis, dropped).any()
    assert before.index_select(axis, dropped).any()
    torch.testing.assert_close(after, before.index_fill(axis, dropped, 0.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, list])
def test_masked_zeroes_the_masked_entries_of_a_copy(kind: Any) -> None:
    """Numpy arrays, tensors and lists of booleans are the same; all else keeps its value."""
    model = build(Chain)
    inputs, outputs = [True, False] * 4, [True] * 5 + [False] * 2
    copied = ta.masked(model, {"2": {"input": kind(inputs), "output": kind(outputs)}})
    original, weight = model.get_parameter("2.weight"), copied.get_parameter("2.weight")
    assert torch.equal(weight[:5, ::2], original[:5, ::2])
    assert not weight[:, 1::2].any()
    assert not weight[5:].any()
    assert not copied.get_parameter("2.bias")[5:].any()
    assert torch.equal(copied.get_parameter("2.bias")[:5], model.get_parameter("2.bias")[:5])
    assert original.all()
    for name, value in copied.state_dict().items():
        if not name.startswith("2."):
            assert torch.equal(value, model.state_dict()[name])


def test_masked_keeps_the_mode() -> None:
    """A copy of a model in training is in training."""
    model = build(Chain)
    assert not ta.masked(model).training
    assert ta.masked(model.train()).training


class Tied(nn.Module):
    """A weight under two names, and one that a transposed convolution reads the other way."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = conv(6, 6), conv(6, 6)
        self.two.weight = self.one.weight
        self.down, self.up = nn.Conv2d(6, 4, 3), nn.ConvTranspose2d(4, 6, 3)
        self.up.weight = self.down.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.down(self.two(torch.relu(self.one(x)))))


def test_declared_masks_go_by_the_name_of_the_weight() -> None:
    """All masks for a shared weight hold; one that is read in two ways is not listed."""
    model = Tied()
    first, second = np.arange(6) != 0, np.arange(6) != 5
    four = np.arange(4) != 1
    copied, declared = masked_with_kept(
        model,
        {
            "one": {"input": first, "output": second},
            "two": {"input": second},
            "down": {"input": first, "output": four},
            "up": {"output": second},
        },
    )
    assert set(declared.inputs) == set(declared.outputs) == {"one.weight", "two.weight"}
    assert np.array_equal(declared.inputs["two.weight"], first & second)
    assert np.array_equal(declared.outputs["one.weight"], second)
    weight = copied.down.weight.detach()
    assert copied.up.weight is copied.down.weight
    assert np.array_equal(weight.sum((0, 2, 3)).numpy() != 0, first & second)
    assert np.array_equal(weight.sum((1, 2, 3)).numpy() != 0, four)


def test_pruned_and_parametrised_layers_take_output_masks() -> None:
    """Hooks and parametrisations are made permanent first."""
    model = build(Chain)
    prune.ln_structured(model[0], "weight", amount=3, n=2, dim=0)
    prune.random_unstructured(model[2], "bias", amount=2)
    parametrizations.weight_norm(model[4])
    kept = np.arange(4) != 2
    copied = ta.masked(model, {"4": {"output": kept}})
    assert int((copied[0].weight.flatten(1).abs().sum(1) == 0).sum()) == 3
    assert int((copied[2].bias == 0).sum()) == 2
    assert not copied[4].weight[2].any()
    assert not copied[4].bias[2].any()
    assert torch.equal(copied[4].weight[[0, 1, 3]], model[4].weight[[0, 1, 3]])


@pytest.mark.parametrize("net", [Residual, Grouped])
def test_exports_with_masks_on_both_sides(net: type[nn.Module]) -> None:
    """Producers of one sum that disagree about its channels, and grouped layers."""
    model = build(net).double()
    rng = np.random.default_rng(0)
    masks: dict[str, dict[str, Any]] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            masks[name] = {
                "input": rng.random(module.in_channels) < 0.7,
                "output": rng.random(module.out_channels) < 0.7,
            }
        elif isinstance(module, nn.BatchNorm2d):
            masks[name] = {"output": rng.random(module.num_features) < 0.7}
    x = image().double()
    extraction, reference = ta.extract(model, x, masks), ta.masked(model, masks)
    assert ta.max_relative_error(model, reference, x) > 0.01
    for layout in layouts(extraction.instance):
        error = ta.max_relative_error(reference, ta.apply(extraction, layout), x)
        assert error <= TOLERANCE
