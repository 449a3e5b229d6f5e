"""Masks by score: each layer for itself on either side, correlated, joint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adapter_nets import (
    Chain,
    Dense,
    FlattenHead,
    Grouped,
    Inception,
    InputMixed,
    Residual,
    Shared,
    SqueezeExcite,
    Tokens,
    Unknown,
    build,
    conv,
    image,
)
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta


def test_every_layer_drops_its_lowest_scored_inputs() -> None:
    """By the norm of their weights; layers that read the model's input drop nothing."""
    model = build(Residual)
    for score, order in (("l1", 1), ("l2", 2)):
        masks = ta.prune_inputs(model, image(), score, 0.3)
        assert set(masks) == {"block.0.0", "block.0.3", "block.1.0", "block.1.3", "head"}
        for name, sides in masks.items():
            weight = model.get_submodule(name).weight.detach().double()
            norms = weight.transpose(0, 1).flatten(1).norm(p=order, dim=1).numpy()
            kept = sides["input"]
            assert (~kept).sum() == int(0.3 * kept.size)
            assert norms[~kept].max() < norms[kept].min()


def test_random_scores_depend_on_seed_and_layer_only() -> None:
    """Two layers of one shape differ, two calls do not."""
    model = build(Residual)
    one, same = (ta.prune_inputs(model, image(), "random", 0.5, seed=1) for _ in range(2))
    other = ta.prune_inputs(model, image(), "random", 0.5, seed=2)
    for name in one:
        assert np.array_equal(one[name]["input"], same[name]["input"])
    assert any((one[name]["input"] != other[name]["input"]).any() for name in one)
    assert (one["block.0.0"]["input"] != one["block.1.0"]["input"]).any()


def test_a_linear_layer_behind_a_flatten_drops_whole_channels() -> None:
    """All features of a channel stay or go together."""
    model = build(FlattenHead)
    masks = ta.prune_inputs(model, image(), "l2", 0.5)
    blocks = masks["fc"]["input"].reshape(6, 64)
    assert (blocks.all(axis=1) | ~blocks.any(axis=1)).all()
    assert blocks.any(axis=1).sum() == 3
    assert masks["again"]["input"].sum() == 5


def test_what_is_pruned_and_what_is_not() -> None:
    """Readers of the raw input and depthwise layers stay; shared ones count once; pins do not."""
    assert set(ta.prune_inputs(build(Grouped), image())) == {"grouped", "second", "head"}
    assert set(ta.prune_inputs(build(InputMixed), image())) == {"head"}
    assert set(ta.prune_inputs(build(Shared), image())) == {"both", "head"}
    assert set(ta.prune_inputs(build(Unknown), image())) == {"second", "third", "head"}
    masks = ta.prune_inputs(build(Dense), image(), amount=1.0)
    assert not any(sides["input"].any() for sides in masks.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "l3"}, "unknown score 'l3'; known: l1, l2, lamp, fpgm, hrank, taylor, random"),
        ({"amount": 1.5}, "amount must be from 0 to 1"),
        ({"amount": float("nan")}, "amount must be from 0 to 1"),
        ({"side": "row"}, "unknown side 'row'; known: input, output, both, mixed, joint"),
        ({"score": "random", "correlation": 2.0}, "correlation must be from 0 to 1, got 2.0"),
        ({"correlation": 0.5}, "correlation is for score 'random', not for 'l2'"),
    ],
)
def test_wrong_pruning_options_are_input_errors(options: dict[str, object], message: str) -> None:
    """Each says what would be right."""
    with pytest.raises(rs.InputError, match=message):
        ta.prune(build(Residual), image(), **options)


@pytest.mark.parametrize("score", ["l1", "l2"])
def test_every_layer_drops_its_lowest_scored_outputs(score: str) -> None:
    """By the norm of their weights; the layers that compute the model's output drop nothing."""
    model = build(Inception)
    masks = ta.prune_outputs(model, image(), score, 0.4)
    assert set(masks) == {"stem", "one", "two.0", "two.2", "pool.1"}
    for name, sides in masks.items():
        assert set(sides) == {"output"}
        weight = model.get_submodule(name).weight.detach().double()
        norms = weight.flatten(1).norm(p=1 if score == "l1" else 2, dim=1).numpy()
        kept = sides["output"]
        assert (~kept).sum() == int(0.4 * kept.size)
        assert norms[~kept].max() < norms[kept].min()


class Transposed(nn.Module):
    """A transposed convolution, whose weight counts its inputs first, and a grouped one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.up = conv(3, 6), nn.ConvTranspose2d(6, 8, 2, groups=2)
        self.deep, self.head = nn.ConvTranspose2d(8, 5, 1), conv(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.deep(F.relu(self.up(self.stem(x)))))


def test_grouped_and_transposed_layers() -> None:
    """Equally many of each group, by the right axis of the weight."""
    model = build(Transposed)
    masks = ta.prune(model, image(), amount=0.5, side="both")
    assert {name: set(sides) for name, sides in masks.items()} == {
        "stem": {"output"},
        "up": {"input", "output"},
        "deep": {"input", "output"},
        "head": {"input"},
    }
    inputs, outputs = masks["up"]["input"].reshape(2, 3), masks["up"]["output"].reshape(2, 4)
    assert inputs.sum(axis=1).tolist() == outputs.sum(axis=1).tolist() == [2, 2]
    weight = model.up.weight.detach().square().sum((2, 3)).numpy()
    assert np.array_equal(inputs.ravel()[:3], weight.sum(axis=1)[:3] > weight.sum(axis=1)[:3].min())
    norms = weight[3:].sum(axis=0)
    assert norms[~outputs[1]].max() < norms[outputs[1]].min()
    deep = model.deep.weight.detach().square().sum((1, 2, 3)).numpy()
    kept = masks["deep"]["input"]
    assert deep[~kept].max() < deep[kept].min()


def test_mixed_sides_depend_on_seed_and_layer() -> None:
    """Every kind of choice occurs; what is chosen for a side is what that side alone would."""
    model = build(Dense)
    kinds: set[tuple[str, ...]] = set()
    whole = ta.prune(model, image(), side="both")
    pruner, another = ta.Pruner(model, image()), ta.Pruner(model, image())
    for seed in range(6):
        masks, again = (
            each.masks(each.scores(seed=seed), seed=seed, side="mixed")
            for each in (pruner, another)
        )
        if seed == 1:
            plain = ta.prune(model, image(), seed=seed, side="mixed")
            assert {name: list(sides) for name, sides in masks.items()} == {
                name: list(sides) for name, sides in plain.items()
            }
        assert {name: list(sides) for name, sides in masks.items()} == {
            name: list(sides) for name, sides in again.items()
        }
        kinds |= {tuple(masks.get(f"layers.{i}", {})) for i in range(3)}
        for name, sides in masks.items():
            for side, kept in sides.items():
                assert np.array_equal(kept, whole[name][side])
    assert kinds == {("input",), ("output",), ("input", "output")}


def agreement(correlation: float, seeds: int) -> float:
    """Share of channels about which two readers of the residual stream agree."""
    model, same = build(Residual), []
    pruner = ta.Pruner(model, image())
    for seed in range(seeds):
        scores = pruner.scores("random", "input", seed=seed, correlation=correlation)
        masks = pruner.masks(scores, 0.5)
        if seed == 1:
            plain = ta.prune_inputs(model, image(), "random", 0.5, seed, correlation)
            assert masks.keys() == plain.keys()
            assert differing(masks, plain, list(masks), "input") == 0
        same.append((masks["block.0.0"]["input"] == masks["block.1.0"]["input"]).mean())
    return float(np.mean(same))


def test_correlated_scores_agree_among_the_readers_of_one_tensor() -> None:
    """From independent to the same; layers on other tensors choose for themselves."""
    none, some, all_of_it = agreement(0.0, 12), agreement(0.8, 12), agreement(1.0, 4)
    assert none < 0.62 < some < 0.95
    assert all_of_it == 1.0
    masks = ta.prune_inputs(build(Residual), image(), "random", 0.5, 0, 1.0)
    assert (masks["block.0.3"]["input"] != masks["block.1.3"]["input"]).any()


def test_correlated_outputs() -> None:
    """The layers that write one sum agree, too."""
    masks = ta.prune_outputs(build(Residual), image(), "random", 0.5, 3, 1.0)
    kept = [masks[name]["output"] for name in ("stem", "block.0.3", "block.1.3")]
    assert np.array_equal(kept[0], kept[1])
    assert np.array_equal(kept[0], kept[2])


def differing(one: dict[str, Any], other: dict[str, Any], names: list[str], side: str) -> int:
    return sum(int((one[name][side] != other[name][side]).sum()) for name in names)


def test_joint_masks_drop_the_same_channels_everywhere() -> None:
    """Those with the lowest sum over the readers, and the rows that write them."""
    model = build(Residual)
    masks = ta.prune(model, image(), "l2", 0.5, side="joint")
    readers = ["block.0.0", "block.1.0", "head"]
    norms = sum(
        model.get_submodule(name).weight.detach().flatten(2).square().sum((0, 2)).numpy()
        if name != "head"
        else model.head.weight.detach().square().sum(0).numpy()
        for name in readers
    )
    kept = masks["head"]["input"]
    assert kept.sum() == 4
    assert norms[~kept].max() < norms[kept].min()
    for name in readers:
        assert np.array_equal(masks[name]["input"], kept)
    for name in ("stem", "block.0.3", "block.1.3"):
        assert np.array_equal(masks[name]["output"], kept)
    assert "output" not in masks["head"]
    assert "input" not in masks["stem"]


@pytest.mark.parametrize(
    "net",
    [Residual, Dense, Inception, SqueezeExcite, FlattenHead, Shared, Tokens, Grouped, Unknown],
)
def test_rows_that_joint_masks_drop_change_nothing(net: type[nn.Module]) -> None:
    """Nobody reads them: with and without them, the masked model computes the same."""
    model = build(net).double()
    x = image().double()
    masks = ta.prune(model, x, "random", 0.5, 1, side="joint")
    inputs_only = {
        name: {"input": sides["input"]} for name, sides in masks.items() if "input" in sides
    }
    reference = ta.masked(model, inputs_only)
    assert ta.max_relative_error(reference, ta.masked(model, masks), x) <= 1e-14
    assert ta.max_relative_error(reference, model, x) > 1e-3
    rows = [name for name, sides in masks.items() if not sides.get("output", np.True_).all()]
    assert rows or net is Grouped
    # An operator that mixes channels reads what this one writes.
    assert net is not Unknown or "first" not in rows


def test_joint_masks_of_shared_layers_and_blocks() -> None:
    """One weight on two tensors ties their channels; blocks of features stay whole."""
    masks = ta.prune(build(Shared), image(), "random", 0.5, side="joint")
    for name in ("left", "right"):
        assert np.array_equal(masks[name]["output"], masks["both"]["input"])
    # The head reads three results of the one layer, whose rows follow.
    for piece in masks["head"]["input"].reshape(3, 6):
        assert np.array_equal(piece, masks["both"]["output"])
    masks = ta.prune(build(FlattenHead), image(), "l2", 0.5, side="joint")
    blocks = masks["fc"]["input"].reshape(6, 64)
    assert np.array_equal(blocks.any(axis=1), blocks.all(axis=1))
    assert np.array_equal(blocks.all(axis=1), masks["features"]["output"])


def test_constrain_keeps_what_most_readers_want() -> None:
    """As many as on average; equal votes are settled by the weights."""
    model = build(Residual)
    kept = np.array([True, True, True, True, False, False, False, False])
    masks = {
        "block.0.0": {"input": kept},
        "block.1.0": {"input": np.roll(kept, 1)},
        "head": {"input": np.roll(kept, 2)},
        "stem": {"input": np.array([True, False, True])},
    }
    joint = ta.constrain(model, image(), masks)
    for name in ("block.0.0", "block.1.0", "head"):
        found = joint[name]["input"]
        assert found.sum() == 4
        # Votes: 1 2 3 3 2 1 0 0.
        assert found[1:5].all()
        assert np.array_equal(joint["stem"]["output"], found)
    assert joint["stem"]["input"].tolist() == [True, False, True]
    again = ta.constrain(model, image(), joint)
    assert differing(joint, again, ["block.0.0", "head"], "input") == 0
    assert differing(joint, again, ["stem", "block.1.3"], "output") == 0


def test_constrain_reads_exact_zeros_and_output_masks() -> None:
    """Without masks the zeros vote; rows that nobody writes need not be read."""
    model = build(Chain)
    kept = np.arange(8) % 2 == 0
    zeroed = ta.masked(model, {"2": {"input": kept}})
    joint = ta.constrain(zeroed, image())
    assert np.array_equal(joint["2"]["input"], kept)
    assert np.array_equal(joint["0"]["output"], kept)
    joint = ta.constrain(model, image(), {"0": {"output": kept}})
    assert np.array_equal(joint["2"]["input"], kept)
    assert np.array_equal(joint["0"]["output"], kept)
    assert joint["4"]["input"].all()


def test_constrained_ties_go_to_the_larger_weights() -> None:
    """Of the model as given, not of the masked copy."""
    model = build(Chain)
    masks = {"2": {"input": np.arange(8) < 4}}
    with torch.no_grad():
        model[2].weight[:, 4:] *= 100
    other = {"2": {"input": np.ones(8, dtype=bool)}, "0": {"output": np.arange(8) < 4}}
    for given in (masks, other):
        found = ta.constrain(model, image(), given)["2"]["input"]
        assert found.sum() == 4
        assert found[:4].all()
