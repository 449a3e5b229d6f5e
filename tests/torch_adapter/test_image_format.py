"""Images in another memory format than they are handed over in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adapter_nets import TOLERANCE, Residual, build, conv, image
from conversion import conversion
from portable_nets import MASKS, Branches, Groups
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter import optimise
from reorder_solver.torch_adapter.format_contest import share_of_time
from reorder_solver.torch_adapter.image_format import other_format
from reorder_solver.torch_adapter.usage import Usage, as_called, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable

CONTIGUOUS, LAST = torch.contiguous_format, torch.channels_last


class Results(nn.Module):
    """Images, tokens and a turned image for results, in containers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mask, self.head = conv(3, 8, 3), conv(8, 4), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        y = F.relu(self.stem(x))
        tokens = y.flatten(2).transpose(1, 2)
        return {"mask": self.mask(y), "more": [self.head(tokens), y.transpose(1, 3)], "x": x}


class Strided(nn.Module):
    """Looks at how its input lies in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stem(x) + x.as_strided((1, 1, 2, 2), (4, 4, 2, 1)).sum()


class Overwritten(nn.Module):
    """Writes to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stem(x.mul_(2))


class Branching(nn.Module):
    """Decides by its input what to do."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 4)

    def forward(self, x: torch.Tensor) -> Any:
        return torch.cond(x.sum() > 0, lambda y: y * 2, lambda y: y + 1, (self.stem(x),))


class Linear(nn.Sequential):
    """Takes something with four axes, but convolves nothing."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(8, 4))


def leaves(out: Any) -> list[torch.Tensor]:
    found: list[torch.Tensor] = pytree.tree_leaves(out)
    return found


def other(net: type[nn.Module], form: torch.memory_format = CONTIGUOUS) -> Usage | None:
    inputs = image(2).contiguous(memory_format=form)
    plain = ta.extract(build(net), inputs)
    return other_format(plain.captured, usage_of(inputs))


def test_the_other_format() -> None:
    """Both ways; ``handed_over`` says what callers give."""
    last = other(Residual)
    assert last is not None
    assert (last.memory_format, last.handed_over, last.is_last) == (
        "channels_last",
        "contiguous",
        True,
    )
    assert as_called(image(2), last).is_contiguous()
    back = other(Residual, LAST)
    assert back is not None
    assert (back.memory_format, back.handed_over) == ("contiguous", "channels_last")
    assert as_called(image(2), back).is_contiguous(memory_format=LAST)


@pytest.mark.parametrize("net", [Strided, Overwritten, Branching, Linear])
def test_networks_without_another_format(net: type[nn.Module]) -> None:
    """What a network does might depend on the format, or there is nothing to convert."""
    assert other(net) is None


@pytest.mark.parametrize("form", [CONTIGUOUS, LAST])
@pytest.mark.parametrize("net", [Residual, Branches, Groups, Results])
def test_converted_exports(net: type[nn.Module], form: torch.memory_format) -> None:
    """Equal for every batch and format they are called with; images come back as the model's do."""
    model, masks = build(net).double().to(memory_format=form), MASKS.get(net, {})
    inputs = image(2).double().contiguous(memory_format=form)
    with conversion(True):
        out = ta.compact(model, inputs, masks)
    inside = CONTIGUOUS if form == LAST else LAST
    weights = [one for one in out.module.state_dict().values() if one.ndim == 4]
    assert weights
    assert all(one.is_contiguous(memory_format=inside) for one in weights)
    seen = inner_formats(out.module, inputs)
    assert seen == {"contiguous" if form == LAST else "channels_last"}
    reference = ta.masked(model, masks).eval()
    for batch in (1, 3):
        for given in (CONTIGUOUS, LAST):
            x = image(batch).double().contiguous(memory_format=given)
            assert ta.max_relative_error(reference, out.module, x) <= TOLERANCE
    with torch.no_grad():
        pairs = list(zip(leaves(out.module(inputs)), leaves(reference(inputs)), strict=True))
    for found, expected in pairs:
        if expected.is_contiguous() or expected.is_contiguous(memory_format=LAST):
            assert found.stride() == expected.stride()


def inner_formats(module: Any, x: torch.Tensor) -> set[str]:
    """The memory formats of what convolutions with more than one place return."""
    seen = set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            made = func(*args, **(kwargs or {}))
            if "convolution" in str(func) and args[1].shape[-1] > 1:
                seen.add("contiguous" if made.is_contiguous() else "channels_last")
            return made

    with torch.no_grad(), Watch():
        module(x)
    return seen


def contest(monkeypatch: pytest.MonkeyPatch, *shares: float | None) -> ta.Compacted:
    """An export for which times are found that stand in these ratios, in turn."""
    found = iter(shares)
    monkeypatch.setattr(optimise, "share_of_time", lambda *_: next(found))
    out = ta.compact(build(Branches), image(2), MASKS[Branches], objective="latency")
    assert not list(found), "every comparison was made"
    return out


def converts(module: Any) -> bool:
    return any(node.target == "contiguous" for node in module.graph.nodes)


def note_of(out: ta.Compacted) -> str:
    (note,) = (note for note in out.report.notes if "images are computed" in note)
    return note


def test_the_faster_format_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a note that says so; elsewhere nothing is converted."""
    out = contest(monkeypatch, 0.6, 0.9)
    assert converts(out.module)
    assert note_of(out).startswith("images are computed in channels_last, in 0.54 of the time")
    for share in (0.99, 1.5, None):
        out = contest(monkeypatch, share)
        assert not converts(out.module)
        assert not any("images are computed" in note for note in out.report.notes)


def test_a_second_solution_that_is_slower_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout that won the contest stays, in the format that won it."""
    kept = contest(monkeypatch, 1.0)
    for change in (1.2, None):
        out = contest(monkeypatch, 0.6, change)
        assert converts(out.module)
        assert "in 0.60 of the time" in note_of(out)
        assert out.instance == kept.instance


@pytest.mark.parametrize("calls", [1, 2])
def test_an_interruption_loses_no_solution(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Whether it comes in the first contest or in the second: what was solved is exported."""
    left = iter([0.6] * (calls - 1))

    def interrupted(*_: Any) -> float:
        for share in left:
            return share
        raise KeyboardInterrupt

    monkeypatch.setattr(optimise, "share_of_time", interrupted)
    out = ta.compact(build(Branches), image(2), MASKS[Branches], objective="latency")
    assert out.report.error is not None
    assert not converts(out.module)


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "bytes"},
        {"objective": "latency", "export": "upscale"},
        {"objective": "latency", "transformations": ta.Transformations(memory_format=False)},
    ],
)
def test_other_exports_convert_nothing(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Other objectives, exports without transformations, and where it is switched off."""
    monkeypatch.setattr(optimise, "share_of_time", lambda *_: pytest.fail("timed"))
    out = ta.compact(build(Branches), image(2), MASKS[Branches], **options)
    assert not converts(out.module)


class Slow(nn.Module):
    """Computes the same several times."""

    def __init__(self, times: int, change: Callable[[torch.Tensor], torch.Tensor] = abs) -> None:
        super().__init__()
        self.layer, self.times, self.change = nn.Linear(200, 200), times, change
        nn.init.ones_(self.layer.weight)
        nn.init.ones_(self.layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.times):
            y = self.change(self.layer(x))
        return y


def test_share_of_time() -> None:
    """What does the work of ten takes longer than what does that of one."""
    x = torch.ones(50, 200)
    share = share_of_time(Slow(20), Slow(1), x)
    assert share is not None
    assert share > 1


def test_no_share_of_time_where_results_differ_or_fail() -> None:
    """Nothing may be chosen for its speed that computes something else."""
    x, one = torch.ones(5, 200), Slow(1)
    assert share_of_time(Slow(1, lambda y: y * 1.1), one, x) is None
    assert share_of_time(Slow(1, lambda y: y.reshape(-1)), one, x) is None
    assert share_of_time(Slow(1, lambda y: y.reshape(7, -1)), one, x) is None
    assert share_of_time(Slow(1, torch.bernoulli), one, x) is None


def test_a_contest_draws_no_numbers_of_the_caller() -> None:
    """The state of the generator is what it was."""
    one, other = Slow(1, torch.rand_like), Slow(1, torch.rand_like)
    before = torch.random.get_rng_state()
    share_of_time(one, other, torch.ones(5, 200))
    assert np.array_equal(before.numpy(), torch.random.get_rng_state().numpy())
