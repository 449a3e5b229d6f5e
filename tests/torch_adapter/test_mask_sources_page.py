"""The worked examples of docs/mask-sources.md run, and do what the page says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from page_runner import run_page
from torch import nn

import reorder_solver as rs

SCORES, OWN_SCORES, STRUCTURED, SEPARATE, JOINT = range(5)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The names after each example of the page."""
    pytest.importorskip("torch_pruning")
    torch.set_num_threads(1)
    return run_page("docs/mask-sources.md", tmp_path_factory.mktemp("page"))


def test_there_is_a_test_per_example(states) -> None:
    """The page grew: so must this file."""
    assert len(states) == 5


def test_own_scores(states) -> None:
    """A share of all layers' channels; the layer whose scores were raised keeps more of its own."""
    masks = states[OWN_SCORES]["masks"]
    kept = np.concatenate([sides["input"] for sides in masks.values()])
    assert abs(kept.mean() - 0.7) < 0.01


def test_built_in_scores(states) -> None:
    """Independent masks disagree about the stream that the joint ones agree about."""
    names = states[SCORES]
    readers = ["layer1.0.conv1", "layer1.1.conv1", "layer2.0.conv1", "layer2.0.downsample.0"]
    for masks, agree in ((names["masks"], False), (names["joint"], True)):
        first, *others = (masks[reader]["input"] for reader in readers)
        assert all(np.array_equal(first, other) for other in others) == agree
        assert first.sum() == 32
    assert {side for sides in names["mixed"].values() for side in sides} == {"input", "output"}


def test_structured_pruning_of_torch(states) -> None:
    """Both dimensions show in the instance, and the model keeps its hooks."""
    names = states[STRUCTURED]
    model, out = names["model"], names["out"]
    assert any(key.endswith("weight_orig") for key in model.state_dict())
    layers = dict(model.named_modules())
    sizes = {access.id: access.size for access in out.instance.accesses if access.id in layers}
    assert sizes
    for name, size in sizes.items():
        width = layers[name].in_channels
        pruned = name.endswith(("squeeze", "expand3x3"))
        # Rows that are gone upstream are not read either.
        assert size <= (width - round(0.25 * width) if pruned else width)
    expand = layers["features.3.expand1x1"]
    rows = expand.weight.detach().flatten(1).abs().sum(1)
    assert int((rows == 0).sum()) == 16
    assert torch.equal(expand.bias_mask == 0, rows == 0)
    parameters = [sum(p.numel() for p in each.parameters()) for each in (model, out.module)]
    assert parameters[1] < 0.9 * parameters[0]


def test_torch_pruning_each_layer_for_itself(states) -> None:
    """Every layer but the first has a mask of its own."""
    names = states[SEPARATE]
    model, masks = names["model"], names["masks"]
    layers = {n for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    assert set(masks) == layers - {"conv1"}
    for name, sides in masks.items():
        kept = sides["input"]
        assert kept.sum() == kept.size // 2, name
    one, other = masks["layer1.0.conv1"]["input"], masks["layer1.1.conv1"]["input"]
    assert (one != other).any()
    # The criterion grows with the norm.
    weight = model.get_submodule("layer1.0.conv1").weight.detach()
    norms = weight.square().sum((0, 2, 3)).numpy()
    assert norms[~one].max() < norms[one].min()


def test_torch_pruning_jointly(states) -> None:
    """All readers and writers of the residual stream agree; half of each layer is gone."""
    names = states[JOINT]
    masks, out = names["masks"], names["out"]
    kept = masks["conv1"]["output"]
    assert kept.sum() == kept.size // 2
    for name, side in (
        ("layer1.0.conv1", "input"),
        ("layer1.0.conv2", "output"),
        ("layer1.1.conv1", "input"),
        ("layer2.0.downsample.0", "input"),
    ):
        assert np.array_equal(masks[name][side], kept)
    assert "output" not in masks["fc"]
    rs.verify(out.instance, out.result)
    assert all(tensor.channels for tensor in out.instance.tensors)
