"""Scores per channel against values computed by hand, budgets, and masks from given scores."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from adapter_nets import Chain, FlattenHead, Grouped, Residual, build, conv, image
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta

if TYPE_CHECKING:
    from collections.abc import Callable

SIDES = ("input", "output")


class Three(nn.Sequential):
    """A layer of two inputs and three outputs between two others; 2x2 maps."""

    def __init__(self) -> None:
        super().__init__(conv(1, 2, bias=False), conv(2, 3), conv(3, 1, bias=False))


def three() -> Three:
    model = Three().double().eval()
    weights = ([[1], [2]], [[3, 0], [0, 4], [3, 4]], [[1, -1, 0.5]])
    with torch.no_grad():
        for layer, weight in zip(model, weights, strict=True):
            layer.weight.copy_(torch.tensor(weight, dtype=torch.float64)[..., None, None])
        model[1].bias.copy_(torch.tensor([1.0, 0.0, -1.0]))
    return model


X = torch.tensor([[[[1.0, 2.0], [2.0, 4.0]]], [[[1.0, 0.0], [0.0, 1.0]]]], dtype=torch.float64)


def middle(score: str, **options: Any) -> tuple[list[float], list[float]]:
    found = ta.channel_scores(three(), X, score, **options)["1"]
    return found["input"].tolist(), found["output"].tolist()


def test_scores_of_weights_by_hand() -> None:
    """Inputs are (3, 0, 3) and (0, 4, 4); outputs (3, 0), (0, 4), (3, 4)."""
    assert middle("l1") == ([6, 8], [3, 4, 7])
    assert middle("l2") == ([18, 32], [9, 16, 25])
    inputs, outputs = middle("lamp")
    assert inputs == pytest.approx([18 / 50, 1])
    assert outputs == pytest.approx([9 / 50, 16 / 41, 1])
    inputs, outputs = middle("fpgm")
    assert inputs == pytest.approx([26**0.5] * 2)
    assert outputs == pytest.approx([5 + 4, 5 + 3, 4 + 3])


def test_map_ranks_by_hand() -> None:
    """The first image has rank 1, the second 2; a bias of 1 adds the all-ones map."""
    data = [(X[:1], None), (X[1:], None)]
    inputs, outputs = middle("hrank", data=data)
    assert inputs == [1.5, 1.5]
    # Channel 0: 3 [[1,2],[2,4]] + 1 is regular, and so is 3 I + 1; channel 1: 8 times the image.
    assert outputs == [2.0, 1.5, 2.0]
    # One batch of both is the same mean over images.
    assert middle("hrank", data=[(X, None)]) == (inputs, outputs)


def test_taylor_by_hand() -> None:
    """The loss is linear: the change by a channel is what it adds to the output."""
    data = [(X[:1], 1.0), (X[1:], 2.0)]
    inputs, outputs = middle("taylor", data=data, loss=lambda output, target: target * output.sum())
    # Sums of the images: 9 and 2. Input 0 is x, input 1 is 2x; the head's weights 1, -1, 0.5.
    first = [(3 + 1.5) * 1, (-4 + 2) * 2]
    assert inputs == pytest.approx([np.mean([(each * 9) ** 2, (each * 4) ** 2]) for each in first])
    # Output 2: 0.5 (3 x + 8 x - 1 per pixel); targets 1 and 2.
    rows = [(27 + 4, 2 * (6 + 4)), (-72, 2 * -16), (0.5 * (99 - 4), 2 * 0.5 * (22 - 4))]
    assert outputs == pytest.approx([np.mean(np.square(row)) for row in rows])


def test_what_taylor_predicts_is_what_masking_does() -> None:
    """For a small channel, the squared change of the loss when it is masked."""
    model = build(Residual).double()
    x, loss = image().double(), lambda output, target: (output * target).sum()
    target = torch.randn(len(x), 5, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    with torch.no_grad():
        model.head.weight[:, 2] *= 1e-3
        before = loss(model(x), target)
    score = ta.channel_scores(model, x, "taylor", data=[(x, target)], loss=loss)["head"]["input"][2]
    masked = ta.masked(model, {"head": {"input": np.arange(8) != 2}})
    with torch.no_grad():
        assert float((loss(masked(x), target) - before) ** 2) == pytest.approx(score, rel=1e-6)
    assert all(parameter.grad is None for parameter in model.parameters())


@cache
def captured(net: Callable[[], nn.Module]) -> ta.Pruner:
    """A net captured once for all tests."""
    return ta.Pruner(build(net), image())


@pytest.fixture
def pruner() -> ta.Pruner:
    """Of the residual net."""
    return captured(Residual)


@pytest.mark.parametrize("score", ["l1", "l2", "lamp", "fpgm", "hrank", "taylor", "random"])
def test_every_score_of_every_kind_of_layer(score: str) -> None:
    """One finite number per channel; features of one channel share its score."""
    for net in (FlattenHead, Grouped, Residual):
        model, x = build(net), image()
        data = [(x, None), (x[:1] * 2, None)]
        found = captured(net).scores(
            score, data=data, loss=lambda output, target: output.square().mean()
        )
        for name, sides in found.items():
            module = model.get_submodule(name)
            sizes = (
                (module.in_features, module.out_features)
                if isinstance(module, nn.Linear)
                else (module.in_channels, module.out_channels)
            )
            for side, size in zip(SIDES, sizes, strict=True):
                if side in sides:
                    assert sides[side].shape == (size,)
                    assert np.isfinite(sides[side]).all()
        if net is FlattenHead:
            blocks = found["fc"]["input"].reshape(6, 64)
            assert (blocks == blocks[:, :1]).all()
            # Drawn, or computed from 64 columns of weights: no two channels alike.
            assert np.unique(blocks[:, 0]).size == 6


def test_geometric_median_stays_within_groups_and_channels() -> None:
    """Distances among the channels of one group; a channel behind a flatten is one vector."""
    model = build(FlattenHead)
    weight = model.fc.weight.detach().double().numpy().reshape(10, 6, 64)
    vectors = weight.transpose(1, 0, 2).reshape(6, -1)
    expected = [np.linalg.norm(vectors - each, axis=1).sum() for each in vectors]
    found = ta.channel_scores(model, image(), "fpgm")["fc"]["input"].reshape(6, 64).sum(axis=1)
    assert found == pytest.approx(expected)
    grouped = build(Grouped)
    rows = grouped.grouped.weight.detach().double().numpy()
    groups = grouped.grouped.groups
    by_group = rows.reshape(groups, rows.shape[0] // groups, -1)
    expected = [np.linalg.norm(group - each, axis=1).sum() for group in by_group for each in group]
    found = ta.channel_scores(grouped, image(), "fpgm")["grouped"]["output"]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("side", ["input", "output", "both", "mixed", "joint"])
@pytest.mark.parametrize("budget", ["local", "global"])
def test_own_scores_prune_as_the_built_in_ones(pruner: ta.Pruner, side: str, budget: str) -> None:
    """A table of the same numbers gives the same masks; LAMP is compared as it is."""
    named = ta.prune(build(Residual), image(), "lamp", 0.4, side=side, budget=budget)
    given = pruner.masks(pruner.scores("lamp"), 0.4, side=side, budget=budget)
    assert {name: list(sides) for name, sides in named.items()} == {
        name: list(sides) for name, sides in given.items()
    }
    for name, sides in named.items():
        for each, kept in sides.items():
            assert np.array_equal(kept, given[name][each])


def test_missing_scores_drop_nothing() -> None:
    """Also jointly: a tensor without a scored reader stays whole."""
    model, x = build(Residual), image()
    table = {"block.0.0": {"input": np.arange(8)}}
    masks = ta.prune(model, x, table, 0.5)
    assert list(masks) == ["block.0.0"]
    assert masks["block.0.0"]["input"].tolist() == [False] * 4 + [True] * 4
    for budget in ("local", "global"):
        joint = ta.prune(model, x, table, 0.25, side="joint", budget=budget)
        assert not joint["head"]["input"].all()
        assert joint["block.1.3"]["input"].all()


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_global_budget_drops_the_lowest_of_all_layers(pruner: ta.Pruner, side: str) -> None:
    """As many as the share of all channels; every layer keeps its best."""
    scores = pruner.scores("random", side, seed=4)
    for amount in (0.0, 0.3, 0.7, 1.0):
        masks = pruner.masks(scores, amount, side=side, budget="global")
        kept = np.concatenate([sides[side] for sides in masks.values()])
        numbers = np.concatenate([scores[name][side] for name in masks])
        assert all(sides[side].any() for sides in masks.values())
        best = np.concatenate([scores[n][side] == scores[n][side].max() for n in masks])
        limit = min(int(amount * kept.size), kept.size - len(masks))
        assert (~kept).sum() == limit
        if 0 < limit < kept.size - len(masks):
            assert numbers[~kept].max() < numbers[kept & ~best].min()


def test_global_magnitudes_count_over_the_layer_mean() -> None:
    """A layer scaled as a whole loses no more than before; given scores count as they are."""
    model, x = build(Chain), image()
    before = ta.prune(model, x, "l1", 0.5, budget="global")
    table = ta.channel_scores(model, x, "l1")
    with torch.no_grad():
        model[2].weight *= 1e-3
    after = ta.prune(model, x, "l1", 0.5, budget="global")
    for name, sides in before.items():
        assert np.array_equal(sides["input"], after[name]["input"])
    table["2"]["input"] *= 1e-3
    kept = ta.prune(model, x, table, 0.5, budget="global")
    assert kept["2"]["input"].sum() == 1
    assert kept["4"]["input"].all()


def test_global_budgets_of_grouped_layers_and_tensors() -> None:
    """Equally many of each group; jointly, a channel costs as much as it has readers."""
    model, x = build(Grouped), image()
    kept = ta.prune(model, x, "l2", 0.5, budget="global")["grouped"]["input"]
    by_group = kept.reshape(model.grouped.groups, -1).sum(axis=1)
    assert (by_group == by_group[0]).all()
    residual = build(Residual)
    masks = ta.prune(residual, x, "l2", 0.5, side="joint", budget="global")
    dropped = sum(int((~sides["input"]).sum()) for sides in masks.values() if "input" in sides)
    # 3 x 8 channels of the stream and 2 x 6 between: 36, of which half, at most 2 short.
    assert 16 <= dropped <= 18
    for name in ("block.0.0", "block.1.0"):
        assert np.array_equal(masks[name]["input"], masks["head"]["input"])


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ("hrank", "score 'hrank' needs data"),
        ({"nowhere": {}}, "scores: module 'nowhere': the model has no such module"),
        ({"norm": {}}, "module 'norm': is no convolution or linear layer"),
        ({"head": [1]}, "module 'head': must be a mapping"),
        ({"head": {"left": [1]}}, "unknown side 'left'; give 'input' or 'output'"),
        ({"head": {"input": [1, 2]}}, "input scores must be 8 numbers, got 2"),
        ({"head": {"input": ["a"] * 8}}, "input scores must be numbers"),
        ({"head": {"input": [float("nan")] * 8}}, "input scores must be finite"),
        (3, "scores must be a name or a mapping"),
    ],
)
def test_wrong_scores_are_input_errors(score: Any, message: str) -> None:
    """One line that says what would be right."""
    with pytest.raises(rs.InputError, match=message):
        ta.prune(build(Residual), image(), score)


def test_wrong_data_and_budgets_are_input_errors() -> None:
    """Missing, empty or misshapen data, a loss that is no number, an unknown budget."""
    model, x = build(Residual), image()

    def fails(message: str, score: str, **options: Any) -> None:
        with pytest.raises(rs.InputError, match=message):
            ta.channel_scores(model, x, score, **options)

    loss = nn.functional.mse_loss
    fails("score 'taylor' needs data", "taylor", loss=loss)
    fails("score 'taylor' needs a loss", "taylor", data=[])
    fails("data has no batches", "taylor", data=[], loss=loss)
    fails("data: batch 0: must be a pair", "hrank", data=[x])
    fails("one finite number", "taylor", data=[(x, None)], loss=lambda output, target: output)
    fails("unknown side 'joint'", "l2", side="joint")
    with pytest.raises(rs.InputError, match="unknown budget 'all'; known: local, global"):
        ta.prune(model, x, budget="all")
