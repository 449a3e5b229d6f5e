"""Kernels chosen by how an export is called: products, gathers by rows, hidden copies."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adapter_nets import build, conv, image
from torch import nn
from torch.profiler import ExecutionTraceObserver

from reorder_solver import torch_adapter as ta
from reorder_solver.core.layout import Layout
from reorder_solver.torch_adapter import hidden
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.hidden import copied_share, is_multiplied
from reorder_solver.torch_adapter.kernels import gather_rows, multiply_slice, takes_threads
from reorder_solver.torch_adapter.usage import Usage, usage_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import fx

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


@pytest.mark.parametrize(("shape", "axis"), [((3, 5, 7), 2), ((2, 3, 4, 7), 3), ((1, 9, 7), 2)])
def test_gather_on_the_last_axis(shape: tuple[int, ...], axis: int) -> None:
    """As index_select, whatever the strides."""
    value, index = torch.randn(shape), torch.tensor([6, 0, 3, 3])
    inner = shape[1:-1]
    expected = value.index_select(axis, index)
    turned = value.transpose(0, 1).contiguous().transpose(0, 1)
    for one, threaded in itertools.product((value, turned), (False, True)):
        assert torch.equal(gather_rows(one, axis, index, inner, threaded=threaded), expected)


@pytest.mark.parametrize("threaded", [False, True])
def test_gather_of_channels_last_stays_so(threaded: bool) -> None:
    """Plain selection gives a contiguous result, which the next convolution would copy."""
    value = torch.randn(2, 6, 4, 5).contiguous(memory_format=torch.channels_last)
    index = torch.tensor([5, 2, 0])
    found = gather_rows(value, 1, index, (4, 5), threaded=threaded)
    assert torch.equal(found, value.index_select(1, index))
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("elements", "threads", "device", "expected"),
    [
        (65_536, 2, "cpu", True),
        (65_535, 2, "cpu", False),
        (1_000_000, 1, "cpu", False),
        (1_000_000, 8, "cuda", False),
    ],
)
def test_rows_are_shared_out_where_there_are_enough(
    elements: int, threads: int, device: str, expected: bool
) -> None:
    """Among several threads, on the CPU; PyTorch wakes no second thread for less."""
    assert takes_threads(elements, threads, torch.device(device)) is expected


class Forked(nn.Module):
    """Two layers that want different channels of one large image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 24)
        self.left = conv(24, 8)
        self.right = conv(24, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.stem(x).relu()
        return self.left(y), self.right(y)


@pytest.mark.parametrize(("threads", "target"), [(1, "index_select"), (2, "gather")])
def test_exports_gather_with_the_threads_they_are_made_for(threads: int, target: str) -> None:
    """Large columns; what is chosen, and what is counted as a copy, is the same."""
    model = build(Forked)
    inputs = image(2, 96).contiguous(memory_format=torch.channels_last)
    masks = ta.prune_inputs(model, inputs, amount=0.5, seed=3)
    plain = ta.extract(model, inputs, masks)
    usage = replace(usage_of(inputs), threads=threads)
    problem = plain.transformed(ta.Transformations(), usage)
    naive = Layout.identity(problem.instance)
    module = ta.apply(problem, naive)
    found = {str(getattr(node.target, "__name__", node.target)) for node in module.graph.nodes}
    assert found & {"index_select", "gather"} == {target}
    for got, wanted in zip(module(inputs), ta.masked(model, masks)(inputs), strict=True):
        torch.testing.assert_close(got, wanted)
    copies = ta.copied_bytes(module, inputs).copies
    assert {each.kind for each in copies} == {"gather"}


@pytest.mark.parametrize("spatial", CONVOLUTIONS)
@pytest.mark.parametrize("biased", [True, False])
def test_products_are_convolutions(spatial: int, biased: bool) -> None:
    """Of slices; in double precision up to rounding."""
    sizes = (7, 6, 5)[:spatial]
    around = torch.randn(3, 9, *sizes, dtype=torch.float64)
    weight = torch.randn(4, 5, *[1] * spatial, dtype=torch.float64)
    bias = torch.randn(4, dtype=torch.float64) if biased else None
    for form, batch in itertools.product(FORMATS, (1, 3)):
        if form == "channels_last" and spatial != 2:
            continue
        value = around[:batch].contiguous(memory_format=FORMATS[form]).narrow(1, 2, 5)
        expected = CONVOLUTIONS[spatial](value, weight, bias)
        is_last = form == "channels_last"
        found = multiply_slice(value, weight, bias, sizes, is_last=is_last)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        assert found.is_contiguous(memory_format=FORMATS[form])


class Layers(nn.Module):
    """Operators that read one value, each a result."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.point = conv(8, 4, 3), conv(8, 4)
        self.strided = nn.Conv2d(8, 4, 1, stride=2)
        self.depthwise, self.grouped = conv(8, 8, 3, groups=8), conv(8, 8, 3, groups=2)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (
            self.wide(x),
            self.point(x),
            self.strided(x),
            self.depthwise(x),
            self.grouped(x),
            self.norm(x),
            F.max_pool2d(x, 2),
            F.relu(x),
            x + 1,
        )


def nodes_of(module: nn.Module, inputs: torch.Tensor) -> list[fx.Node]:
    """The calls that the results come from, in order."""
    (output,) = (one for one in capture(module.eval(), inputs).graph.nodes if one.op == "output")
    found = output.args[0]
    return list(found) if isinstance(found, tuple | list) else [found]


@pytest.fixture(scope="module")
def layers() -> list[fx.Node]:
    """The calls of :class:`Layers`."""
    return nodes_of(build(Layers), torch.randn(2, 8, 8, 8))


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # wide, point, strided, depthwise, grouped, norm, pool, relu, sum
        (Usage(1), [0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (Usage(2), [1, 0, 1, 1, 1, 0, 1, 0, 0]),
        (Usage(8), [1, 0, 1, 1, 1, 0, 1, 0, 0]),
        (Usage(2, multiply=False), [1, 1, 1, 1, 1, 0, 1, 0, 0]),
    ],
)
def test_what_operators_copy_of_a_slice(
    layers: list[fx.Node], usage: Usage, expected: list[float]
) -> None:
    """Found out by running them."""
    assert [copied_share(node, usage) for node in layers] == expected


def test_what_operators_copy_of_a_slice_of_channels_last(layers: list[fx.Node]) -> None:
    """Convolutions copy even of one sample; products do not."""
    found = [copied_share(node, Usage(1, "channels_last")) for node in layers[:3]]
    assert found == [1, 0, 1]


def test_what_is_multiplied(layers: list[fx.Node]) -> None:
    """Convolutions of single places without a stride, where they would copy."""
    found = {usage: [is_multiplied(node, usage) for node in layers] for usage in map(Usage, (1, 2))}
    assert not any(found[Usage(1)])
    assert found[Usage(2)] == [False, True, *[False] * 7]
    padded = nodes_of(nn.Conv2d(8, 4, 1, padding=1), torch.randn(2, 8, 5, 5))
    assert not is_multiplied(padded[0], Usage(2))
    assert copied_share(None, Usage(2)) == 0


def test_usage_is_read_off_the_inputs() -> None:
    """Batch, and memory format of images."""
    threads = torch.get_num_threads()
    assert usage_of(torch.randn(3, 4)) == Usage(3, threads=threads)
    last = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    assert usage_of({"x": last, "y": 3}, multiply=False) == Usage(
        2, "channels_last", False, threads=threads
    )
    # With one channel, both formats are the same.
    assert usage_of((torch.randn(5, 1, 4, 4),)) == Usage(5, threads=threads)


class Blocks(nn.Module):
    """A residual stream read by pointwise and by wide convolutions, one of them with a stride."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 24, 3)
        self.reads = nn.ModuleList([conv(24, 6), conv(24, 6), conv(24, 6, 3), conv(24, 6, 3)])
        self.back = nn.ModuleList(conv(6, 24) for _ in range(4))
        self.down, self.head = nn.Conv2d(24, 8, 1, stride=2), conv(24, 5)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.stem(x).relu()
        for read, back in zip(self.reads, self.back, strict=True):
            x = x + back(read(x).relu_())
        return self.down(x), self.head(x)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("seed", range(2))
def test_no_more_is_copied_than_upscale_copies(form: str, batch: int, seed: int) -> None:
    """As seen by PyTorch itself, copies within operators included; and the result is right."""
    model, inputs = build(Blocks), image(batch).contiguous(memory_format=FORMATS[form])
    names = [*(f"reads.{number}" for number in range(4)), "down", "head"]
    rng = np.random.default_rng(seed)
    masks = {name: {"input": rng.permutation(24) < 12} for name in names}
    copied = {}
    for export in ("upscale", "optimal"):
        out = ta.compact(model, inputs, masks, export=export)
        module = out.module.to(memory_format=FORMATS[form])
        copied[export] = ta.copied_bytes(module, inputs).total
        for other in (image(1), image(3).contiguous(memory_format=FORMATS[form])):
            expected = ta.masked(model, masks)(other)
            for found, wanted in zip(module(other), expected, strict=True):
                torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert copied["optimal"] <= copied["upscale"]


def test_a_switch_for_products() -> None:
    """Without it, pointwise convolutions stay what they are."""
    model, inputs = build(Blocks), image(4)
    masks = ta.prune_inputs(model, inputs, amount=0.5)
    targets = {}
    for multiply in (True, False):
        allowed = ta.Transformations(multiply=multiply)
        module: Any = ta.compact(model, inputs, masks, transformations=allowed).module
        targets[multiply] = {node.target for node in module.graph.nodes}
    assert torch.baddbmm in targets[True] - targets[False]


def test_tokens_are_gathered_by_rows() -> None:
    """On the last of three axes, as columns of a matrix."""
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 4))
    inputs = torch.randn(2, 7, 6)
    masks = {"2": {"input": np.arange(12) % 2 == 0}, "0": {"input": np.arange(6) != 2}}
    module: Any = ta.compact(model, inputs, masks).module
    gathers = [node for node in module.graph.nodes if node.target == "index_select"]
    assert len(gathers) == 1
    assert gathers[0].args[0].target == "flatten"
    torch.testing.assert_close(module(inputs), ta.masked(model, masks)(inputs))


class Twice(nn.Module):
    """A pointwise layer that reads a slice, and a layer that gathers from its result."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.point = conv(3, 12, 3), conv(12, 12)
        self.wide, self.other = conv(12, 4, 3), conv(12, 4, 3)
        self.third = conv(12, 4, 3)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.stem(x)
        x = self.point(y)
        return self.wide(x), self.other(x), self.third(x), y


def test_results_of_products_are_gathered_by_rows() -> None:
    """In channels-last, where they have channels innermost although they look turned."""
    model, inputs = build(Twice), image(2).contiguous(memory_format=torch.channels_last)
    kept = {"wide": [0, 3, 5, 8], "other": [1, 3, 6, 8, 10], "third": [0, 1, 5, 6, 11]}
    masks = {name: {"input": np.isin(np.arange(12), wanted)} for name, wanted in kept.items()}
    masks["point"] = {"input": np.arange(12) < 6}
    module: Any = ta.compact(model, inputs, masks).module
    gathers = [node for node in module.graph.nodes if node.target == "index_select"]
    products = [node for node in module.graph.nodes if node.target is torch.addmm]
    assert gathers
    assert products
    assert not any(node.target is torch.index_select for node in module.graph.nodes)
    for found, wanted in zip(module(inputs), ta.masked(model, masks)(inputs), strict=True):
        torch.testing.assert_close(found, wanted)


class Tokens(nn.Module):
    """Tokens of which one is chosen, no token, and random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 12)
        self.one, self.all, self.none = nn.Linear(12, 5), nn.Linear(12, 5), nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.embed(x)
        y = x.transpose(0, 1).relu()
        return self.one(y[6]), self.all(y).transpose(0, 1), self.none(x[:, :0]), self.one(x[:, :0])


def token_masks(seed: int) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return {name: {"input": rng.permutation(12) < 7} for name in ("one", "all", "none")}


@pytest.mark.parametrize("seed", range(3))
def test_a_trial_that_does_not_fit_its_numbers(seed: int) -> None:
    """A place beyond the trial's few channels, and values without an element."""
    model, inputs, masks = build(Tokens), torch.randn(2, 7, 6), token_masks(seed)
    module = ta.compact(model, inputs, masks).module
    for batch in (0, 1, 2):
        x = inputs[:batch]
        for found, wanted in zip(module(x), ta.masked(model, masks)(x), strict=True):
            torch.testing.assert_close(found, wanted)


def test_trials_draw_no_random_numbers() -> None:
    """An operator that draws is not tried: the caller's next numbers stay what they were."""
    (dropout,) = nodes_of(Drops(), torch.randn(2, 8, 4, 4))
    state = torch.get_rng_state()
    assert copied_share(dropout, Usage(2)) == 0
    assert torch.equal(state, torch.get_rng_state())


class Drops(nn.Module):
    """Dropout in evaluation mode, too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, training=True)


def test_trials_do_not_depend_on_autocast(layers: list[fx.Node]) -> None:
    """What is found out is kept, so it must not be about the types of one call."""
    usage = Usage(2, "channels_last")
    hidden._copied.cache_clear()
    with torch.autocast("cpu", torch.bfloat16):
        inside = [copied_share(node, usage) for node in layers]
    hidden._copied.cache_clear()
    assert inside == [copied_share(node, usage) for node in layers]


def test_trials_leave_the_trace_of_the_caller_alone(tmp_path: Path) -> None:
    """PyTorch has one observer; what cannot be observed for now is found out later."""
    model, inputs = build(Blocks), image(2)
    masks = ta.prune_inputs(model, inputs, amount=0.5)
    hidden._copied.cache_clear()
    observer = ExecutionTraceObserver()
    observer.register_callback(str(tmp_path / "trace.json"))
    observer.start()
    try:
        with pytest.raises(ta.CaptureError, match="one execution trace"):
            ta.copied_bytes(model, inputs)
        during = ta.compact(model, inputs, masks).module
        torch.hypot(torch.ones(1), torch.ones(1))
    finally:
        observer.stop()
        observer.unregister_callback()
    assert "aten::hypot" in (tmp_path / "trace.json").read_text(encoding="utf-8")
    after: Any = ta.compact(model, inputs, masks).module
    assert torch.baddbmm in {node.target for node in after.graph.nodes}
    for found, wanted in zip(during(inputs), after(inputs), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_trials_need_no_place_for_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without one nothing is found out, and nothing fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    hidden._copied.cache_clear()
    model, inputs = build(Blocks), image(2)
    masks = ta.prune_inputs(model, inputs, amount=0.5)
    assert ta.compact(model, inputs, masks).report.error is not None


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("net", [Blocks, Twice])
def test_networks_of_convolutions_take_images_of_other_sizes(
    form: str, net: type[nn.Module]
) -> None:
    """Products and gathers by rows know the number of axes, not what is on them."""
    model, inputs = build(net), image(2).contiguous(memory_format=FORMATS[form])
    masks = ta.prune_inputs(model, inputs, amount=0.5)
    module = ta.compact(model, inputs, masks).module
    x = torch.randn(3, 3, 11, 6).contiguous(memory_format=FORMATS[form])
    for found, wanted in zip(module(x), ta.masked(model, masks)(x), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
