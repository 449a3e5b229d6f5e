"""Masks that are wrong, and what masking does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from adapter_nets import Chain, Grouped, Residual, build, image

import reorder_solver as rs
from reorder_solver import torch_adapter as ta

EIGHT = np.ones(8, dtype=bool)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (
            {"block.0.9": {"input": EIGHT}},
            r"module .block\.0\.9.*no such module; did you mean .block",
        ),
        ({"zzz": {"input": EIGHT}}, r"module 'zzz': the model has no such module$"),
        ({"head": {"input": EIGHT[:7]}}, r"module 'head': input mask must have 8 entries, got 7"),
        ({"head": {"input": EIGHT[None]}}, r"module 'head'.*flat boolean array"),
        ({"head": {"input": np.ones(8)}}, r"module 'head'.*flat boolean array"),
        ({"head": {"input": [1, 0] * 4}}, r"module 'head'.*flat boolean array"),
        ({"head": {"input": torch.ones(8)}}, r"module 'head'.*flat boolean array"),
        ({"head": {"output": EIGHT}}, r"module 'head'.*output masks are not supported yet"),
        ({"head": {"inputs": EIGHT}}, r"module 'head': unknown side 'inputs'; give 'input'"),
        ({"head": EIGHT}, r"module 'head': must be a mapping"),
        ({"norm": {"input": EIGHT}}, r"module 'norm': is a BatchNorm2d; masks are for"),
        ([("head", EIGHT)], r"masks must be a mapping"),
    ],
)
def test_wrong_masks_are_one_clear_error(masks: Any, message: str) -> None:
    """Naming the module and what would be right, from every entrance."""
    model = build(Residual)
    for entrance in (lambda: ta.masked(model, masks), lambda: ta.extract(model, image(), masks)):
        with pytest.raises(rs.InputError, match=message):
            entrance()


def test_grouped_convolutions_take_no_input_mask() -> None:
    """Their weight columns belong to several channels at once."""
    with pytest.raises(rs.InputError, match=r"module 'grouped': is a Conv2d; .*groups=1"):
        ta.masked(build(Grouped), {"grouped": {"input": np.ones(4, dtype=bool)}})


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor, list])
def test_masked_zeroes_the_masked_columns_of_a_copy(kind: Any) -> None:
    """Numpy arrays, tensors and lists of booleans are the same; all else keeps its value."""
    model = build(Chain)
    kept = [True, False] * 4
    copied = ta.masked(model, {"2": {"input": kind(kept)}})
    original, weight = model.get_parameter("2.weight"), copied.get_parameter("2.weight")
    assert torch.equal(weight[:, ::2], original[:, ::2])
    assert not weight[:, 1::2].any()
    assert original[:, 1::2].all()
    for name, value in copied.state_dict().items():
        if name != "2.weight":
            assert torch.equal(value, model.state_dict()[name])


def test_masked_keeps_the_mode() -> None:
    """A copy of a model in training is in training."""
    model = build(Chain)
    assert not ta.masked(model).training
    assert ta.masked(model.train()).training
