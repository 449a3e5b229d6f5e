"""Exports of small networks under any masks and layouts, and controls that errors are seen."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from adapter_nets import (
    NETS,
    TOLERANCE,
    Dense,
    FlattenHead,
    Inception,
    ManyInOut,
    Refuses,
    Residual,
    Shared,
    SqueezeExcite,
    Tokens,
    build,
    image,
)
from masks_and_layouts import layers_of, layouts, random_masks

from reorder_solver import torch_adapter as ta

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


@pytest.mark.parametrize("seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2))])
@pytest.mark.parametrize("net", NETS)
def test_every_layout_gives_the_masked_model(net: Callable[[], nn.Module], seed: int) -> None:
    """Original and random orders, random masks up to empty ones, batches other than captured."""
    model = build(net, seed)
    masks = random_masks(model, np.random.default_rng(seed))
    extraction = ta.extract(model, image(1 + seed % 2), masks)
    reference = ta.masked(model, masks)
    assert all(note.startswith("computed from parameters") for note in extraction.notes)
    for layout in layouts(extraction.instance, seed):
        module = ta.apply(extraction, layout, dtype=torch.float64)
        for batch in (1, 3):
            assert ta.max_relative_error(reference, module, image(batch)) <= TOLERANCE


@pytest.mark.parametrize("net", [Residual, Dense, SqueezeExcite, Inception, Shared, FlattenHead])
def test_a_wrong_export_is_caught(net: Callable[[], nn.Module]) -> None:
    """Swapping two channels of any one layer after its layout was chosen shows in the outputs."""
    model = build(net)
    masks = ta.prune_inputs(model, image(), "random", 0.25)
    extraction = ta.extract(model, image(), masks)
    reference = ta.masked(model, masks)
    right = ta.apply(extraction, layouts(extraction.instance)[1])
    assert ta.max_relative_error(reference, right, image()) <= TOLERANCE
    for name, weight in right.named_parameters():
        if weight.ndim < 2 or weight.shape[0] < 2:
            continue
        wrong = copy.deepcopy(right)
        rows = wrong.get_parameter(name)
        with torch.no_grad():
            rows[:2] = rows[:2].flip(0)
        assert ta.max_relative_error(reference, wrong, image()) > 1e-6, name


def test_outputs_of_every_net_depend_on_the_input() -> None:
    """Comparing outputs proves something only where they are no constants."""
    for net in NETS:
        model = build(net)
        with torch.no_grad():
            one, other = model(image()), model(image(seed=5))
        first, second = (out[0] if isinstance(out, tuple) else out for out in (one, other))
        assert (first - second).abs().max() > 1e-2 * first.abs().max()


def test_several_inputs_and_nested_outputs() -> None:
    """Inputs by position or by name; a dictionary comes back with the same keys and nesting."""
    model = build(ManyInOut)
    x, y = image(), image(seed=3)
    masks = ta.prune_inputs(model, (x, y), "l2", 0.5) | {
        "out": {"input": np.arange(8) % 2 == 0},
        "aux": {"input": np.arange(8) % 3 == 0},
    }
    reference = ta.masked(model, masks)
    for inputs in ((x, y), {"y": y, "x": x}):
        extraction = ta.extract(model, inputs, masks)
        for layout in layouts(extraction.instance):
            module = ta.apply(extraction, layout)
            for one, other in ((x, y), (image(3), image(3, seed=4)), (image(1), image(1, seed=4))):
                given = (one, other) if isinstance(inputs, tuple) else {"x": one, "y": other}
                assert ta.max_relative_error(reference, module, given) <= TOLERANCE
            outputs = module(x, y) if isinstance(inputs, tuple) else module(x=x, y=y)
            assert list(outputs) == ["out", "aux", "size"]
            assert isinstance(outputs["aux"], tuple)
            assert outputs["size"] == 3


def test_model_that_refuses_other_batches_is_captured_as_it_is() -> None:
    """A note says so, and the export still equals the masked model for that batch."""
    model = build(Refuses)
    masks = random_masks(model, np.random.default_rng(3))
    extraction = ta.extract(model, image(4), masks)
    assert any("captured for batch size 4 only" in note for note in extraction.notes)
    reference = ta.masked(model, masks)
    for layout in layouts(extraction.instance):
        module = ta.apply(extraction, layout)
        assert ta.max_relative_error(reference, module, image(4)) <= TOLERANCE


def test_channels_last_input() -> None:
    """The memory format of the input makes no difference to the outputs."""
    for net in (Residual, Dense, Inception, SqueezeExcite):
        model = build(net)
        masks = ta.prune_inputs(model, image(), "random", 0.5)
        reference = ta.masked(model, masks)
        extraction = ta.extract(model, image(), masks)
        module = ta.apply(extraction, layouts(extraction.instance)[1])
        for batch in (1, 3):
            x = image(batch).to(memory_format=torch.channels_last)
            assert ta.max_relative_error(reference, module, x) <= TOLERANCE


def test_single_channels_survive() -> None:
    """With one channel kept everywhere, memory formats are ambiguous and shapes degenerate."""
    for net in (Residual, Dense, Inception, SqueezeExcite, Tokens):
        model = build(net)
        masks = {}
        for name, layer in layers_of(model):
            kept = np.zeros(layer.weight.shape[1], dtype=bool)
            kept[len(name) % kept.size] = True
            masks[name] = {"input": kept}
        reference = ta.masked(model, masks)
        extraction = ta.extract(model, image(), masks)
        for layout in layouts(extraction.instance):
            module = ta.apply(extraction, layout)
            for batch in (1, 3):
                for form in (torch.contiguous_format, torch.channels_last):
                    x = image(batch).to(memory_format=form)
                    assert ta.max_relative_error(reference, module, x) <= TOLERANCE
