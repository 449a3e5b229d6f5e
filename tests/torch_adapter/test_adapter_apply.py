"""The exported module: what it is made of, and what may be done with it."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from adapter_nets import (
    Dense,
    FlattenHead,
    Inception,
    LayerScale,
    RawWeight,
    Residual,
    Shared,
    SqueezeExcite,
    build,
    image,
)
from masks_and_layouts import layouts, random_layout, random_masks
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta

NETS = [Residual, Dense, SqueezeExcite, Shared, FlattenHead, LayerScale]


def exported(net: type[nn.Module], seed: int = 0) -> tuple[nn.Module, nn.Module, ta.Extraction]:
    """The masked model, an export under a random layout, and the extraction.

    In double precision: constants that are folded into parameters are rounded to their type.
    """
    model = build(net, seed).double()
    masks = random_masks(model, np.random.default_rng(seed + 10))
    extraction = ta.extract(model, image().double(), masks)
    layout = random_layout(extraction.instance, np.random.default_rng(seed))
    return ta.masked(model, masks), ta.apply(extraction, layout), extraction


@pytest.mark.parametrize("net", [Dense, Shared, FlattenHead])
def test_export_can_be_saved_traced_copied_and_loaded(net: type[nn.Module]) -> None:
    """torch.export, torch.jit.trace, deepcopy, pickle and the state dict keep its outputs."""
    _, module, extraction = exported(net)
    x = image(3).double()
    expected = module(x)
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(module, (image().double(),), dynamic_shapes=dynamic)
    stream = io.BytesIO()
    torch.export.save(program, stream)
    stream.seek(0)
    assert torch.equal(torch.export.load(stream).module()(x), expected)
    assert torch.equal(torch.jit.trace(module, (image().double(),))(x), expected)
    assert torch.equal(copy.deepcopy(module)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x), expected)
    layout = random_layout(extraction.instance, np.random.default_rng(0))
    other = ta.apply(extraction, layout)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(module.state_dict(), strict=True)
    assert torch.equal(other(x), expected)


@pytest.mark.parametrize("net", NETS)
def test_export_moves_between_types(net: type[nn.Module]) -> None:
    """In another precision it computes the same, to that precision."""
    reference, module, _ = exported(net)
    x = image()
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4), (torch.bfloat16, 0.5)):
        moved = copy.deepcopy(module).to(dtype)
        assert {p.dtype for p in moved.parameters()} == {dtype}
        assert moved(x.to(dtype)).dtype == dtype
        assert ta.max_relative_error(reference, moved, x, dtype) <= tolerance


def test_parameters_stay_parameters() -> None:
    """With their names, and whether they are trained; buffers stay buffers."""
    model = build(Residual)
    model.stem.requires_grad_(False)
    extraction = ta.extract(model, image(), {"head": {"input": np.arange(8) < 3}})
    module = ta.apply(extraction, layouts(extraction.instance)[1])
    original = dict(model.named_parameters())
    found = dict(module.named_parameters())
    assert found.keys() == original.keys()
    for name, parameter in found.items():
        assert isinstance(parameter, nn.Parameter)
        assert parameter.requires_grad == original[name].requires_grad
    names = set(module.state_dict()) - set(found)
    buffers = {name for name, _ in model.named_buffers()}
    assert {name for name in names if not name.startswith("channel_index")} == buffers
    module(image()).sum().backward()
    assert all((p.grad is not None) == p.requires_grad for p in module.parameters())


def test_only_what_is_read_is_computed() -> None:
    """Rows of producers, per-channel parameters and columns of readers shrink."""
    model = build(Residual)
    masks = {
        name: {"input": np.isin(np.arange(8), [1, 2, 6])}
        for name in ("block.0.0", "block.1.0", "head")
    }
    extraction = ta.extract(model, image(), masks)
    state = ta.apply(extraction, rs.Layout.identity(extraction.instance)).state_dict()
    assert state["stem.weight"].shape == (3, 3, 3, 3)
    assert state["norm.running_var"].shape == (3,)
    assert state["block.1.3.weight"].shape == (3, 6, 1, 1)
    assert state["head.weight"].shape == (5, 3)
    assert not any("channel_index" in name for name in state)


def called(module: nn.Module, name: str) -> int:
    """How often an operator is called, under whichever of its names."""
    functions = [node.target for node in module.graph.nodes if node.op == "call_function"]
    return sum(name in (str(one).split(".")[1:2] or [""])[0] or getattr(one, "__name__", "") == name
               for one in functions)  # fmt: skip


def test_views_are_slices_and_the_rest_gathers() -> None:
    """A contiguous access reads a slice, a scattered one an index buffer, a whole one neither."""
    model = build(Residual)
    masks = {
        "block.0.0": {"input": np.isin(np.arange(8), [2, 3, 4])},
        "block.1.0": {"input": np.isin(np.arange(8), [0, 3])},
    }
    extraction = ta.extract(model, image(), masks)
    module = ta.apply(extraction, rs.Layout.identity(extraction.instance))
    assert called(module, "narrow") == 1
    assert called(module, "index_select") == 1
    assert module.state_dict()["channel_index"].tolist() == [0, 3]
    order = [2, 4, 3, 0, 1, 5, 6, 7]
    orders = dict(rs.Layout.identity(extraction.instance)) | {"stem": np.array(order)}
    module = ta.apply(extraction, rs.Layout(orders))
    assert called(module, "narrow") == 2
    assert called(module, "index_select") == 0
    assert torch.equal(module.state_dict()["stem.bias"], model.stem.bias[order])


def test_view_decisions_are_those_of_evaluate() -> None:
    """As many index buffers as accesses that are no view, under any layout."""
    for net in (Residual, Dense, Inception, FlattenHead):
        model = build(net)
        masks = random_masks(model, np.random.default_rng(4))
        extraction = ta.extract(model, image(), masks)
        read = {part.tensor for one in extraction.instance.accesses for part in one.parts}
        for layout in layouts(extraction.instance, count=4):
            orders = {
                name: order if name in read else np.arange(len(order))
                for name, order in layout.items()
            }
            facts = rs.evaluate(extraction.instance, rs.Layout(orders)).accesses
            gathers = [name for name, one in facts.items() if one.runs > 1]
            state = ta.apply(extraction, rs.Layout(orders)).state_dict()
            assert sum(name.startswith("channel_index") for name in state) == len(gathers)


def test_parameters_needed_twice_are_cloned() -> None:
    """A norm of two tensors becomes two; a raw use gets a parameter of its own."""
    model = build(Shared)
    masks = {"both": {"input": np.isin(np.arange(8), [1, 4, 5])}}
    extraction = ta.extract(model, image(), masks)
    orders = {t.id: np.arange(t.channels) for t in extraction.instance.tensors}
    orders["right"] = orders["right"][::-1]
    state = ta.apply(extraction, rs.Layout(orders)).state_dict()
    assert torch.equal(state["norm.weight"], model.norm.weight[[1, 4, 5]])
    assert torch.equal(state["norm_2.weight"], model.norm.weight[[5, 4, 1]])
    model = build(RawWeight)
    extraction = ta.extract(model, image(), {"head": {"input": np.arange(8) > 2}})
    state = ta.apply(extraction, rs.Layout.identity(extraction.instance)).state_dict()
    assert state["head.weight"].shape == (4, 5, 1, 1)
    assert state["loose"].shape == (5, 8, 1, 1)
    assert state["head.weight_folded"].shape == ()
    assert torch.allclose(
        state["head.weight_folded"],
        model.head.weight[:, 3:].square().sum() + model.loose.cumsum(0).sum(),
    )


def test_parameters_that_nothing_moves_keep_their_names() -> None:
    """What is computed from parameters alone is stored beside them."""
    model = build(RawWeight)
    extraction = ta.extract(model, image())
    module = ta.apply(extraction, rs.Layout.identity(extraction.instance))
    assert module.state_dict().keys() == model.state_dict().keys() | {"head.weight_folded"}


def test_transient_buffers_stay_out_of_the_state_dict() -> None:
    """A buffer that was not saved before is not saved now, though it is reordered."""
    model = build(LayerScale)
    extraction = ta.extract(model, image(), {"head": {"input": np.arange(8) < 2}})
    module = ta.apply(extraction, layouts(extraction.instance)[1])
    assert "shift" in dict(module.named_buffers())
    assert "shift" not in module.state_dict()


def test_exports_are_independent() -> None:
    """Of the model, of the extraction and of each other."""
    model = build(Residual)
    extraction = ta.extract(model, image())
    layout = rs.Layout.identity(extraction.instance)
    one, other = ta.apply(extraction, layout), ta.apply(extraction, layout)
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.fill_(7.0)
    assert ta.max_relative_error(model, other, image()) <= 1e-10
    assert ta.max_relative_error(model, ta.apply(extraction, layout), image()) <= 1e-10


def test_foreign_layouts_and_results_without_one_are_refused() -> None:
    """The layout must have one order per tensor of the instance, and leave fixed ones alone."""
    extraction = ta.extract(build(Residual), image())
    identity = dict(rs.Layout.identity(extraction.instance))
    with pytest.raises(rs.LayoutError, match="'x': changes a fixed tensor"):
        ta.apply(extraction, rs.Layout(identity | {"x": [2, 1, 0]}))
    with pytest.raises(rs.LayoutError, match="unknown tensor 'y'"):
        ta.apply(extraction, rs.Layout(identity | {"y": [0]}))
    del identity["stem"]
    with pytest.raises(rs.LayoutError, match="'stem': is missing"):
        ta.apply(extraction, rs.Layout(identity))
    nothing = rs.Result(
        status=rs.Status.NO_SOLUTION,
        stop_reason=rs.StopReason.TIME_LIMIT,
        cost=None,
        lower_bound=None,
        layout=None,
        objective=rs.Objective.BYTES,
        backend="none",
    )
    with pytest.raises(rs.InputError, match="no layout"):
        ta.apply(extraction, nothing)


def test_export_is_in_evaluation_mode() -> None:
    """Also where the model was in training."""
    extraction = ta.extract(build(Residual).train(), image())
    assert not ta.apply(extraction, rs.Layout.identity(extraction.instance)).training
