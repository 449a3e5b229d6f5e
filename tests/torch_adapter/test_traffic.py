"""Traffic: copies are counted where they happen, in bytes that can be worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reorder_solver.torch_adapter.traffic import copied_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNELS_LAST = torch.channels_last


class Calls(nn.Module):
    """Applies a function to its input and to submodules."""

    def __init__(self, function: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(layers)
        self.register_buffer("wanted", torch.tensor([0, 2, 5]))
        self.constant = torch.arange(6.0).reshape(1, 6, 1, 1)

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(self, x)


def image(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 8, 5, 7, generator=torch.Generator().manual_seed(batch))


PLANE = 5 * 7 * 4

CASES: dict[str, tuple[Callable[..., Any], torch.Tensor, dict[str, int]]] = {
    "view": (lambda _, x: x[:, 2:6], image(), {}),
    "arithmetic": (lambda _, x: F.relu(x[:, 2:6] * 2 + 1), image(), {}),
    "index_select": (
        lambda self, x: x.index_select(1, self.wanted),
        image(),
        {"gather": 2 * 3 * PLANE},
    ),
    "index": (lambda self, x: x[:, self.wanted], image(), {"gather": 2 * 3 * PLANE}),
    "flip": (lambda _, x: x.flip(1), image(), {"gather": 2 * 8 * PLANE}),
    "cat": (lambda _, x: torch.cat([x[:, :2], x[:, 5:]], 1), image(), {"cat": 2 * 5 * PLANE}),
    "stack": (lambda _, x: torch.stack([x[:, 0], x[:, 3]], 1), image(), {"cat": 2 * 2 * PLANE}),
    "gather then cat": (
        lambda self, x: torch.cat([x, x[:, self.wanted]], 1),
        image(),
        {"cat": 2 * 11 * PLANE, "gather": 2 * 3 * PLANE},
    ),
    "clone": (lambda _, x: x[:, :3].clone(), image(), {"copy": 2 * 3 * PLANE}),
    "contiguous twice": (
        lambda _, x: x[:, :3].contiguous().contiguous(),
        image(),
        {"copy": 2 * 3 * PLANE},
    ),
    "shuffle": (
        lambda _, x: x.view(2, 2, 4, 5, 7).transpose(1, 2).reshape(2, 8, 5, 7),
        image(),
        {"copy": 2 * 8 * PLANE},
    ),
    "channel_shuffle": (
        lambda _, x: F.channel_shuffle(x, 2),
        image(),
        {"shuffle": 2 * 8 * PLANE},
    ),
    "flatten of a view": (lambda _, x: x.flatten(1), image(), {}),
    "flatten of what is not contiguous": (
        lambda _, x: x.transpose(2, 3).flatten(1),
        image(),
        {"copy": 2 * 8 * PLANE},
    ),
    "pad": (lambda _, x: F.pad(x[:, :3], (1, 1)), image(), {"pad": 2 * 3 * PLANE}),
    "slice written into": (
        lambda _, x: torch.slice_scatter(x, x[:, :2] + 1, 1, 2, 4),
        image(),
        {"copy": 2 * (8 + 2) * PLANE},
    ),
    "in place": (lambda _, x: x[:, :2].copy_(x[:, 2:4]), image(), {"copy": 2 * 2 * PLANE}),
    "double": (
        lambda self, x: x.index_select(1, self.wanted),
        image().double(),
        {"gather": 2 * 3 * 2 * PLANE},
    ),
    "another type": (lambda _, x: x[:, :3].double(), image(), {}),
    "constants": (
        lambda self, x: x[:, :6] + self.constant.flip(1) + torch.zeros_like(x)[:, :6].clone(),
        image(),
        {},
    ),
    "constants among activations": (
        lambda self, x: torch.cat([x, self.constant.expand(2, 6, 5, 7)], 1),
        image(),
        {"cat": 2 * 14 * PLANE},
    ),
    "lookup by activations": (
        lambda self, x: (
            self.constant.flatten().index_select(0, x[:, :6].argmax(1)[0, 0])[None].clone()
        ),
        image(),
        {"copy": 7 * 4},
    ),
    "buffer made on the way": (
        lambda _, x: x.new_zeros(2, 3, 5, 7).copy_(x[:, :3]).clone(),
        image(),
        {"copy": 2 * 2 * 3 * PLANE},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_known_answers(name: str) -> None:
    """Each kind of copy is counted once, at the bytes it writes."""
    function, inputs, expected = CASES[name]
    traffic = copied_bytes(Calls(function), inputs)
    assert traffic.by_kind == expected
    assert traffic.total == sum(expected.values()) == sum(traffic.by_caller.values())


@pytest.mark.parametrize(
    ("batch", "memory_format", "first", "hidden"),
    [
        (1, torch.contiguous_format, 8, 0),
        (2, torch.contiguous_format, 0, 0),
        (2, torch.contiguous_format, 8, 2 * 32 * 14 * 14 * 4),
        (1, CHANNELS_LAST, 8, 32 * 14 * 14 * 4),
        (2, CHANNELS_LAST, 8, 2 * 32 * 14 * 14 * 4),
    ],
)
def test_convolution_copies_slices_of_a_batch(
    batch: int, memory_format: Any, first: int, hidden: int
) -> None:
    """The copy is inside the convolution."""
    conv = nn.Conv2d(32, 48, 3, padding=1).to(memory_format=memory_format)
    channels = 64 if first else 32
    inputs = torch.randn(batch, channels, 14, 14).contiguous(memory_format=memory_format)
    module = Calls(lambda self, x: self.layers[0](x[:, first : first + 32]), conv)
    traffic = copied_bytes(module, inputs)
    assert traffic.by_kind == ({"hidden": hidden} if hidden else {})
    assert traffic.by_caller == ({"conv2d": hidden} if hidden else {})


def test_inputs_keep_their_strides() -> None:
    """A slice given as an input is copied within the convolution, too."""
    inputs = torch.randn(2, 64, 14, 14)[:, 8:40]
    assert copied_bytes(nn.Conv2d(32, 48, 3), inputs).by_kind == {"hidden": inputs.nbytes}


def test_weights_in_another_format_are_no_activations() -> None:
    """A convolution brings its weights into the format of its input; that is not counted."""
    conv = nn.Conv2d(32, 48, 3, padding=1)
    inputs = torch.randn(2, 32, 14, 14).contiguous(memory_format=CHANNELS_LAST)
    assert copied_bytes(conv, inputs).total == 0


@pytest.mark.parametrize(
    ("shape", "transposed", "hidden"),
    [((4, 64), False, 0), ((2, 5, 64), False, 0), ((2, 64, 5), True, 2 * 5 * 32 * 4)],
)
def test_linear_on_a_slice_of_the_last_axis(
    shape: tuple[int, ...], transposed: bool, hidden: int
) -> None:
    """Rows may be far apart at no cost; elements of a row may not, with several batch axes."""

    def function(self: Any, x: torch.Tensor) -> Any:
        x = x.transpose(1, 2) if transposed else x
        return self.layers[0](x[..., 8:40])

    traffic = copied_bytes(Calls(function, nn.Linear(32, 16)), torch.randn(shape))
    assert traffic.by_kind == ({"hidden": hidden} if hidden else {})


def test_a_label_of_the_model_is_no_caller() -> None:
    """Sections that the model names are looked through."""

    def function(_: Any, x: torch.Tensor) -> Any:
        with torch.profiler.record_function("block of mine"):
            return x[:, :3].clone()

    (found,) = copied_bytes(Calls(function), image()).copies
    assert (found.operator, found.caller, found.shape) == ("copy_", "clone", (2, 3, 5, 7))


def test_module_and_inputs_stay() -> None:
    """Modes, statistics and inputs are as before; the module ran in evaluation mode."""
    norm = nn.BatchNorm2d(8)
    module = Calls(lambda self, x: F.relu_(self.layers[0](x.mul_(2))), norm)
    module.layers.eval()
    inputs = image()
    before = inputs.clone()
    copied_bytes(module, inputs)
    assert module.training
    assert not module.layers.training
    assert torch.equal(inputs, before)
    assert int(norm.num_batches_tracked or 0) == 0


def test_modules_from_files(tmp_path: Any) -> None:
    """Traced modules, and those of torch.export, which refuse eval(), are counted alike."""
    module = Calls(lambda self, x: x.index_select(1, self.wanted), nn.Identity())
    expected = copied_bytes(module, image()).by_kind
    torch.export.save(torch.export.export(module, (image(),)), tmp_path / "m.pt2")
    assert copied_bytes(torch.export.load(tmp_path / "m.pt2").module(), image()).by_kind == expected
    assert copied_bytes(torch.jit.trace(module, (image(),)), image()).by_kind == expected


def test_nothing_on_the_error_stream(capfd: pytest.CaptureFixture[str]) -> None:
    """PyTorch's remarks on recording are kept from the user; the stream works afterwards."""
    copied_bytes(Calls(lambda _, x: x), image())
    assert capfd.readouterr().err == ""
    import os

    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_words() -> None:
    """The line names the kinds; the dictionary is fit for JSON."""
    traffic = copied_bytes(Calls(lambda _, x: torch.cat([x, x], 1).flip(1)), image())
    size = 2 * 16 * PLANE
    assert str(traffic) == f"{2 * size:,} bytes copied (cat {size:,}, gather {size:,})"
    assert traffic.to_dict()["copies"][0]["shape"] == (2, 16, 5, 7)
