"""What PyTorch, ONNX and safetensors do with a module, they do with an export."""

from __future__ import annotations

import copy
import functools
import io
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adapter_nets import TOLERANCE, build, image
from portable_nets import MASKS, Branches, Groups, Portable, Stream, Sums, portable
from torch import nn

from reorder_solver import torch_adapter as ta

if TYPE_CHECKING:
    from pathlib import Path

BATCHES = (1, 5)
DYNAMIC = ({0: torch.export.Dim.DYNAMIC},)
EVERY: list[tuple[Any, ...]] = [(net, export) for net in MASKS for export in ("optimal", "naive")]
# Copies are shared where slices are free; channels last have kernels of their own.
EVERY += [(Branches, "optimal", 1), (Branches, "optimal", 2, torch.channels_last)]
EVERY += [(Sums, "optimal", 2, torch.channels_last)]
EVERY += [(Branches, "optimal", 2, torch.contiguous_format, "converted")]
EVERY += [(Groups, "optimal", 1, torch.channels_last, "converted")]
EVERY += [(Branches, "optimal", 2, torch.channels_last, "threaded")]
IDS = ["-".join((key[0].__name__, *map(str, key[1:]))) for key in EVERY]

cached = functools.cache(portable)


@pytest.fixture(params=EVERY, ids=IDS)
def exported(request: pytest.FixtureRequest) -> Portable:
    """An export of its own for every test."""
    return copy.deepcopy(cached(*request.param))


@pytest.fixture(params=list(MASKS))
def optimal(request: pytest.FixtureRequest) -> Portable:
    """An optimal export of its own for every test."""
    return copy.deepcopy(cached(request.param, "optimal"))


def close(found: Any, one: Portable, x: torch.Tensor, tolerance: float = 1e-5) -> None:
    """`found` is what the masked model makes of `x`, up to a share of the output's scale."""
    with torch.no_grad():
        expected = copy.deepcopy(one.reference).double()(x.double())
    error = (torch.as_tensor(found).double() - expected).abs().max() / expected.abs().max()
    assert error <= tolerance


def test_the_networks_have_what_exports_are_made_of() -> None:
    """Views, gathers, shared copies, fused concatenations, folded constants, compensation."""
    branches, groups, stream = (cached(net, "optimal").module for net in (Branches, Groups, Stream))
    nodes = list(branches.graph.nodes)
    gathers = [node for node in nodes if node.target is torch.index_select]
    narrows = [node for node in nodes if node.target is torch.narrow]
    assert any(node.args[0] not in gathers for node in narrows)
    assert torch.baddbmm in [node.target for node in nodes], "slices of a batch are multiplied"
    last = cached(Branches, "optimal", 2, torch.channels_last).module
    assert {"movedim", "index_select"} <= {node.target for node in last.graph.nodes}
    threaded = cached(Branches, "optimal", 2, torch.channels_last, "threaded").module
    assert {"expand_as", "gather"} <= {node.target for node in threaded.graph.nodes}
    nodes = list(cached(Branches, "optimal", 1).module.graph.nodes)
    gathers = [node for node in nodes if node.target is torch.index_select]
    narrows = [node for node in nodes if node.target is torch.narrow]
    assert any(sum(user in narrows for user in gather.users) > 1 for gather in gathers)
    assert any(node.target is torch.cat and set(node.args[0]) & set(narrows) for node in nodes), (
        "a selection is fused into a concatenation"
    )
    # Channels behind the masked outputs are constants that are no zeros, taken up by a bias.
    assert branches.stem.weight.shape[0] < 12
    model = build(Branches)
    assert not torch.isin(branches.first.bias, model.first.bias).all()
    called = [str(node.target) for node in groups.graph.nodes]
    groupings = [node.args[6] for node in groups.graph.nodes if len(node.args) == 7]
    assert groupings == [3, 12]
    assert "aten.silu_.default" in called
    assert torch.index_select in [node.target for node in groups.graph.nodes]
    added = [str(node.target) for node in cached(Sums, "optimal").module.graph.nodes]
    assert added.count("aten.index_add_.default") == 1
    last = cached(Sums, "optimal", 2, torch.channels_last).module
    assert [node.target for node in last.graph.nodes].count("index_add_") == 1
    # Norms over 12 features of which 9 are stored.
    state = stream.state_dict()
    assert [len(state[name]) for name in ("patch.weight", "norms.0.weight")] == [9, 9]
    assert all("drop" in dict(each.named_modules()) for each in (branches, groups, stream))


def test_torch_export(exported: Portable) -> None:
    """Saved and loaded again, with any batch size."""
    program = torch.export.export(exported.module, (image(),), dynamic_shapes=DYNAMIC)
    stream = io.BytesIO()
    torch.export.save(program, stream)
    stream.seek(0)
    loaded = torch.export.load(stream).module()
    for batch in BATCHES:
        x = image(batch)
        assert torch.equal(loaded(x), exported.module(x))
        close(loaded(x), exported, x)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_jit_trace(exported: Portable) -> None:
    """Traced, saved and loaded, with any batch size."""
    traced = torch.jit.trace(exported.module, (image(),))
    stream = io.BytesIO()
    torch.jit.save(traced, stream)
    stream.seek(0)
    loaded = torch.jit.load(stream)
    for batch in BATCHES:
        x = image(batch)
        assert torch.equal(loaded(x), exported.module(x))
        close(loaded(x), exported, x)


class Sized(nn.Module):
    """Operators that are given the batch size: none of them may take it for a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)
        self.query = nn.Parameter(torch.randn(1, 8, 1, 1))
        self.register_buffer("turn", torch.eye(2, 3)[None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch = x.shape[0]
        middle = self.first(x)
        middle = middle + self.query.repeat(batch, 1, 1, 1) + middle.new_zeros(batch, 8, 1, 1)
        middle = middle * middle.new_full((batch, 1, 1, 1), 1.5) + middle.new_ones(batch, 1, 1, 1)
        middle = middle + torch.zeros(batch, 1, 1, 1) + torch.ones(batch, 1, 1, 1)
        middle = middle + torch.full((batch, 1, 1, 1), 0.5) + self.query.tile(batch, 1, 1, 1)
        middle = middle + torch.arange(batch)[:, None, None, None]
        middle = middle.repeat(2, 1, 1, 1).unflatten(0, (2, batch)).sum(0)
        grid = F.affine_grid(self.turn.expand(batch, -1, -1), [batch, 1, 5, 5], align_corners=False)
        return self.last(F.grid_sample(middle, grid, align_corners=False))


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_jit_trace_follows_the_batch_size() -> None:
    """Through every operator that is given it."""
    torch.manual_seed(0)
    model = Sized().eval()
    out = ta.compact(model, image(), {"last": {"input": _every_other(8)}})
    traced = torch.jit.trace(out.module, (image(),))
    for batch in BATCHES:
        x = image(batch)
        assert torch.equal(traced(x), out.module(x))


def test_an_export_that_returns_containers_is_exported_again() -> None:
    """What a graph returns as a list or a dict was taken for something unknown."""

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)

        def forward(self, x: torch.Tensor) -> Any:
            middle = self.first(x)
            return {"all": [self.last(middle), (self.last(middle.relu()), {"mean": middle.mean()})]}

    torch.manual_seed(0)
    model = Heads().eval()
    out = ta.compact(model, image(), {"last": {"input": _every_other(8)}})
    again = ta.compact(out.module, image())
    expected = ta.masked(model, {"last": {"input": _every_other(8)}})
    assert ta.max_relative_error(expected, again.module, image(3)) <= TOLERANCE


def _every_other(size: int) -> Any:
    return np.arange(size) % 2 == 0


@pytest.mark.parametrize(
    "key",
    [pytest.param(key, marks=pytest.mark.slow if key[1] == "naive" else ()) for key in EVERY],
    ids=IDS,
)
def test_onnx(key: tuple[Any, ...]) -> None:
    """What onnxruntime computes from it, with any batch size."""
    pytest.importorskip("onnx", reason="needs the package onnx")
    pytest.importorskip("onnxscript", reason="needs the package onnxscript")
    runtime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")
    one = cached(*key)
    written = torch.onnx.export(
        one.module, (image(),), dynamo=True, dynamic_shapes=DYNAMIC, verbose=False
    )
    assert written is not None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(
        written.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (name,) = (given.name for given in session.get_inputs())
    for batch in BATCHES:
        x = image(batch)
        (found,) = session.run(None, {name: x.numpy()})
        close(found, one, x)


def test_state_dict_goes_into_a_second_export(exported: Portable) -> None:
    """Of the same model under the same layout; nothing is missing and nothing is left over."""
    other = portable(*exported.key).module
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    x = image(3)
    assert not torch.equal(other(x), exported.module(x))
    other.load_state_dict(exported.module.state_dict())
    assert torch.equal(other(x), exported.module(x))


def test_state_dict_shares_no_memory(exported: Portable) -> None:
    """Every tensor is dense and has a storage of its own, just large enough."""
    state = exported.module.state_dict()
    assert len({each.untyped_storage().data_ptr() for each in state.values()}) == len(state)
    for name, each in state.items():
        is_last = each.ndim == 4 and each.is_contiguous(memory_format=torch.channels_last)
        assert each.is_contiguous() or is_last, name
        assert each.untyped_storage().nbytes() == each.nbytes, name


def test_safetensors(exported: Portable, tmp_path: Path) -> None:
    """Written and read by its own functions for modules."""
    safetensors = pytest.importorskip("safetensors.torch", reason="needs the package safetensors")
    path = str(tmp_path / "model.safetensors")
    safetensors.save_model(exported.module, path)
    other = copy.deepcopy(exported.module)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert safetensors.load_model(other, path) == (set(), [])
    assert torch.equal(other(image()), exported.module(image()))


def test_copy_and_pickle(exported: Portable) -> None:
    """Independent of the first, with both modes."""
    x = image(3)
    expected = exported.module(x)
    copies = [
        copy.deepcopy(exported.module),
        pickle.loads(pickle.dumps(exported.module)),
    ]
    with torch.no_grad():
        for parameter in exported.module.parameters():
            parameter.zero_()
    for each in copies:
        assert torch.equal(each(x), expected)
        assert not torch.equal(each.train()(x), expected)
        each.load_state_dict(pickle.loads(pickle.dumps(cached_state(exported))))
        assert torch.equal(each.eval()(x), expected)


def cached_state(one: Portable) -> dict[str, torch.Tensor]:
    """The state dict before anything was done to the export."""
    state: dict[str, torch.Tensor] = cached(*one.key).module.state_dict()
    return state


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-6), (torch.float16, 1e-2), (torch.bfloat16, 1e-1)],
    ids=["double", "half", "bfloat16"],
)
def test_other_types(exported: Portable, dtype: torch.dtype, tolerance: float) -> None:
    """Close to the double result as far as the type can be; index buffers stay integers."""
    module = exported.module.to(dtype)
    assert {each.dtype for each in module.parameters()} == {dtype}
    indices = [each for name, each in module.named_buffers() if "channel_index" in name]
    assert all(each.dtype == torch.int64 for each in indices)
    x = image(3).to(dtype)
    assert module(x).dtype == dtype
    close(module(x), exported, x, tolerance)


def test_channels_last(exported: Portable) -> None:
    """Weights and inputs with the channels innermost."""
    module = exported.module.to(memory_format=torch.channels_last)
    for batch in BATCHES:
        x = image(batch).contiguous(memory_format=torch.channels_last)
        close(module(x), exported, x)


@pytest.mark.parametrize(
    "net", [Branches, *(pytest.param(net, marks=pytest.mark.slow) for net in (Groups, Stream))]
)
def test_torch_compile_captures_it(net: type[nn.Module]) -> None:
    """In one graph, in either mode, for any batch size."""
    optimal = copy.deepcopy(cached(net, "optimal"))
    torch.compiler.reset()
    compiled = torch.compile(optimal.module, backend="aot_eager", fullgraph=True, dynamic=True)
    with torch.no_grad():
        for batch in (2, 5):
            x = image(batch)
            close(compiled(x), optimal, x)
    optimal.module.train()
    compiled(image()).sum().backward()
    assert all(each.grad is not None for each in optimal.module.parameters())


@pytest.mark.slow
def test_torch_compile_generates_code(optimal: Portable) -> None:
    """With the default backend, where there is a compiler."""
    torch.compiler.reset()
    try:
        compiled = torch.compile(nn.ReLU())
        compiled(torch.ones(2))
    except Exception as error:  # the backend's errors have no common base class
        pytest.skip(f"torch.compile does not work here: {type(error).__name__}")
    compiled = torch.compile(optimal.module)
    with torch.no_grad():
        close(compiled(image()), optimal, image())


def test_buffers_follow_to_another_device(exported: Portable) -> None:
    """Nothing is left behind: on the meta device any such tensor would be refused."""
    module = exported.module.to("meta")
    assert {each.device.type for each in module.state_dict().values()} == {"meta"}
    out = module(image(3).to("meta"))
    assert out.device.type == "meta"
    assert out.shape == exported.reference(image(3)).shape
    module.train()(image(3).to("meta"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu(exported: Portable) -> None:
    """Moved there, and exported there."""
    x = image(3)
    close(exported.module.cuda()(x.cuda()).cpu(), exported, x, 1e-3)
    model = build(exported.net).cuda()
    there = ta.compact(model, image().cuda(), MASKS[exported.net]).module
    assert {each.device.type for each in there.state_dict().values()} == {"cuda"}
    close(there(x.cuda()).cpu(), exported, x, 1e-3)
