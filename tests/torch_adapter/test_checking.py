"""The check in double precision: what models do whose numbers or operators fix a type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from adapter_nets import TOLERANCE, conv, image
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta

MASKS = {"last": {"input": np.arange(8) % 3 != 0}}
Middle = Callable[[torch.Tensor], torch.Tensor]


class Made(nn.Module):
    """Two convolutions, and between them what a mask does that the model makes itself."""

    def __init__(self, middle: Middle) -> None:
        super().__init__()
        self.middle = middle
        self.first = conv(3, 8, 3)
        self.last = conv(8, 8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.middle(self.first(x)))
        return found


def made(middle: Middle, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The model with random weights."""
    torch.manual_seed(0)
    return Made(middle).to(dtype).eval()


def tenths(x: torch.Tensor) -> torch.Tensor:
    """A mask with a number in it that no binary type holds."""
    mask = torch.zeros(8, dtype=x.dtype)
    mask[1] = 0.1
    mask[3:] = 0.7
    return x * mask.view(1, 8, 1, 1)


def turned(x: torch.Tensor) -> torch.Tensor:
    """A complex mask that is filled piece by piece."""
    mask = torch.zeros(8, dtype=torch.complex64)
    mask[1] = 0.5j
    mask[3:] = 0.25 + 2.0j
    return (x * mask.view(1, 8, 1, 1)).abs()


def mixed(x: torch.Tensor) -> torch.Tensor:
    """Interpolation that wants its weights in single precision."""
    mask = torch.zeros(8)
    mask[2] = 0.5
    return torch.lerp(x, x * 2, mask.view(1, 8, 1, 1))


def test_numbers_that_were_rounded_are_told_from_mistakes() -> None:
    """torch.export has them in the model's type; a model in double precision has them all."""
    model = made(tenths)
    with pytest.raises(ta.ExportMismatchError, match=r"own float32 they differ by 0\.0e\+00"):
        ta.compact(model, image(), MASKS)
    module = ta.compact(model, image(), MASKS, check=False).module
    torch.testing.assert_close(module(image()), ta.masked(model, MASKS)(image()), rtol=0, atol=1e-6)
    out = ta.compact(made(tenths, torch.float64), image().double(), MASKS)
    assert out.report.error is not None
    assert out.report.error <= TOLERANCE


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_complex_masks(dtype: torch.dtype) -> None:
    """They keep their imaginary parts in any precision."""
    model, x = made(turned, dtype), image(2).to(dtype)
    out = ta.compact(model, x, MASKS)
    assert out.report.error is not None
    assert out.report.error <= TOLERANCE
    reference = ta.masked(model, MASKS)
    assert ta.max_relative_error(reference, out.module, image(3)) <= TOLERANCE
    assert not any(one.is_complex() for one in out.module.state_dict().values())


@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_a_complex_buffer_of_the_model_is_left_alone() -> None:
    """Whatever becomes of it in another precision becomes of it in the model, too."""

    class Buffered(Made):
        def __init__(self) -> None:
            super().__init__(tenths)
            self.register_buffer("turn", torch.tensor(0.5 + 1.0j))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.last((self.first(x) * self.turn).real)
            return found

    torch.manual_seed(0)
    model = Buffered().eval()
    for check in (True, False):
        module = ta.compact(model, image(), MASKS, check=check).module
        assert dict(module.named_buffers())["turn"].is_complex()
        torch.testing.assert_close(module(image()), ta.masked(model, MASKS)(image()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_what_was_checked_has_the_types_of_the_model(dtype: torch.dtype) -> None:
    """It is what is written without a check."""
    model = made(torch.relu, dtype)
    found = {
        check: ta.compact(model, image().to(dtype), MASKS, check=check).module.state_dict()
        for check in (True, False)
    }
    assert found[True].keys() == found[False].keys()
    for name, tensor in found[True].items():
        assert tensor.dtype == found[False][name].dtype
        assert torch.equal(tensor, found[False][name])


def test_several_types() -> None:
    """Each stays what it is."""

    class Mixed(Made):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            middle = self.first(x).to(self.last.weight.dtype)
            found: torch.Tensor = self.last(middle)
            return found

    torch.manual_seed(0)
    model = Mixed(torch.relu).eval()
    model.last.double()
    types = {name: one.dtype for name, one in model.state_dict().items()}
    module = ta.compact(model, image(), MASKS).module
    assert {name: one.dtype for name, one in module.state_dict().items()} == types


def test_a_model_that_does_not_run_in_double_precision() -> None:
    """One line says so; the export itself is there."""
    model = made(mixed)
    with pytest.raises(rs.InputError, match=r"in which the model does not run .* check=False"):
        ta.compact(model, image(), MASKS)
    module = ta.compact(model, image(), MASKS, check=False).module
    torch.testing.assert_close(module(image()), ta.masked(model, MASKS)(image()))


class Cast(Made):
    """Casts to the type of its own weights, as attention does behind a softmax."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.first(x).float().to(self.last.weight.dtype))
        return found


class Recurrent(nn.Module):
    """Makes its first state of its input's type."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.middle = nn.Linear(3, 8)
        self.recurrent = kind(8, 8, batch_first=True)
        self.last = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.recurrent(self.middle(x))[0][:, -1])
        return found


def check_in_own_types(model: nn.Module, x: torch.Tensor, wide: torch.Tensor) -> None:
    """An export that is equal in double precision, too, where it has other types."""
    out = ta.compact(model, x, MASKS)
    assert out.report.error is not None
    assert out.report.error <= TOLERANCE
    assert {one.dtype for one in out.module.parameters()} == {torch.float32}
    again = ta.compact(model, x, MASKS, check=False).module
    for given in (x, wide):
        found = out.module(given)
        torch.testing.assert_close(found, ta.masked(model, MASKS)(given))
        assert torch.equal(found, again(given))
    precise = ta.compact(model.double(), x.double(), MASKS)
    assert precise.report.error is not None
    assert precise.report.error <= TOLERANCE


def test_casts_to_the_type_of_the_models_weights() -> None:
    """What is cast to the model's own type is cast to double in the check; `float()` stays."""
    torch.manual_seed(0)
    check_in_own_types(Cast(torch.relu).eval(), image(), image(5))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_networks_in_single_precision(kind: type[nn.RNNBase]) -> None:
    """Their first state was single in the check, and refused as such."""
    torch.manual_seed(0)
    check_in_own_types(Recurrent(kind).eval(), torch.randn(2, 5, 3), torch.randn(7, 5, 3))


class Branching(Made):
    """Does something else in single precision."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        middle = self.first(x)
        if middle.dtype is torch.float32:
            middle = middle.double().float()
        found: torch.Tensor = self.last(middle)
        return found


def test_an_export_that_does_not_run_in_double_precision() -> None:
    """Where the model does: its casts are kept as they were captured."""
    torch.manual_seed(0)
    model = Branching(torch.relu).eval()
    with pytest.raises(
        rs.InputError, match=r"export does not run in double .* check=False"
    ) as told:
        ta.compact(model, image(), MASKS)
    assert "\n" not in str(told.value)
    module = ta.compact(model, image(), MASKS, check=False).module
    torch.testing.assert_close(module(image()), ta.masked(model, MASKS)(image()))
    ta.compact(model.double(), image().double(), MASKS)


class Rounded(Made):
    """Casts, and makes numbers that no binary type holds."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        middle = tenths(self.first(x)).to(self.last.weight.dtype)
        found: torch.Tensor = self.last(middle + torch.ones(8, 1, 1, dtype=x.dtype))
        return found


def test_types_of_the_model_excuse_nothing_else() -> None:
    """Other rounding is still told."""
    torch.manual_seed(0)
    model = Rounded(torch.relu).eval()
    with pytest.raises(ta.ExportMismatchError, match=r"own float32 they differ by 0\.0e\+00"):
        ta.compact(model, image(), MASKS)


def test_numbers_rounded_to_half_precision() -> None:
    """Further off than in single, and told likewise."""
    model = made(tenths, torch.bfloat16)
    with pytest.raises(ta.ExportMismatchError, match=r"own bfloat16 they differ by"):
        ta.compact(model, image().bfloat16(), MASKS)


def test_a_batch_of_nothing() -> None:
    """There is nothing to capture a model with."""
    for call in (ta.compact, ta.extract):
        with pytest.raises(rs.InputError, match="at least one sample, got a batch of 0"):
            call(made(tenths), image()[:0])
