"""Zero-copy pruning of networks: no copies, whatever the scores; masks as good as they claim."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from adapter_nets import (
    Chain,
    ConcatIntoAdd,
    Dense,
    FlattenHead,
    Grouped,
    Inception,
    Residual,
    SameTwice,
    Shared,
    SqueezeExcite,
    Tokens,
    WritesInPlace,
)
from torch import nn

from reorder_solver import torch_adapter as ta
from reorder_solver.core.errors import InputError
from reorder_solver.experiments.architectures import build
from reorder_solver.torch_adapter.window_check import CopyCounter
from reorder_solver.torch_adapter.window_pruning import WindowPruner, demanded

NETS = [
    Chain,
    ConcatIntoAdd,
    Dense,
    FlattenHead,
    Grouped,
    Inception,
    Residual,
    SameTwice,
    Shared,
    SqueezeExcite,
    Tokens,
    WritesInPlace,
]


def inputs() -> torch.Tensor:
    return torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def built(net: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return net().eval()


CASES = [(net, 1.0) for net in NETS] + [(net, 0.6) for net in (Dense, Inception, Residual)]


@pytest.mark.parametrize(("net", "live"), CASES)
def test_no_copies(net: type[nn.Module], live: float) -> None:
    """An export copies no more than that of the model; it equals the masked model."""
    model = built(net)
    found = ta.prune_windows(model, inputs(), "random", 0.5, live=live, time_limit=20, seed=3)
    out = ta.compact(model, inputs(), found.masks, time_limit=5.0)
    whole = ta.compact(model, inputs(), {}, time_limit=5.0)
    assert out.result.cost == whole.result.cost
    allowed = max(ta.copied_bytes(each, inputs()).total for each in (model, whole.module))
    assert ta.copied_bytes(out.module, inputs()).total <= allowed
    assert found.importance <= found.ceiling + 1e-9


@pytest.mark.parametrize("net", [Chain, Dense, SqueezeExcite])
def test_as_good_as_unconstrained(net: type[nn.Module]) -> None:
    """Two readers of a tensor never stand in each other's way, nor do those of concatenations."""
    model = built(net)
    scores = ta.channel_scores(model, inputs(), "l2", side="input")
    masks = ta.prune(model, inputs(), scores, 0.5)
    found = ta.prune_windows(model, inputs(), scores, 0.5, time_limit=20)
    kept = [
        sum(
            float(np.asarray(scores[name]["input"])[sides["input"]].sum())
            for name, sides in each.items()
        )
        for each in (masks, found.masks)
    ]
    assert kept[1] == pytest.approx(kept[0], rel=1e-6)


def test_widths_are_those_of_prune() -> None:
    """Every layer drops the same share as with plain pruning."""
    model = built(Residual)
    masks = ta.prune(model, inputs(), "l1", 0.4)
    found = ta.prune_windows(model, inputs(), "l1", 0.4, time_limit=20).masks
    assert {name: each["input"].sum() for name, each in found.items()} == {
        name: each["input"].sum() for name, each in masks.items()
    }


def test_least_live_is_agreement() -> None:
    """With no more live channels than windows are wide, all readers of a tensor keep the same."""
    model = built(Residual)
    found = ta.prune_windows(model, inputs(), "random", 0.5, live=0.0, time_limit=20)
    readers = ("block.0.0", "block.1.0", "head")
    kept = {found.masks[name]["input"].tobytes() for name in readers}
    assert len(kept) == 1


def test_shared_budget() -> None:
    """A budget in multiply-adds is kept, and every layer keeps something."""
    model = built(Residual)
    found = ta.prune_windows(model, inputs(), "l2", 0.5, budget="macs", time_limit=20)
    (budget,) = found.instance.budgets
    assert found.result.spent["all"] <= budget.limit
    assert all(each["input"].any() for each in found.masks.values())


def test_both_sides() -> None:
    """Layers may choose what they write, too, and the export still copies nothing."""
    model = built(Residual)
    found = ta.prune_windows(model, inputs(), "random", 0.5, side="both", time_limit=20)
    assert any("output" in sides for sides in found.masks.values())
    assert found.copies is not None
    assert found.copies.chosen == 0


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e-310])
def test_without_slack_it_is_constrained_pruning(scale: float) -> None:
    """As many live channels as windows are wide: the same masks, scores weighing the same.

    Layers whose scores are tiny beside those of others still rank their own channels.
    """
    model = built(Residual)
    scores = ta.channel_scores(model, inputs(), "l2")
    first, *_ = scores
    for side, numbers in scores[first].items():
        scores[first][side] = numbers * scale
    found = ta.prune_windows(model, inputs(), scores, 0.5, live=0.5, time_limit=20)
    joint = ta.prune(model, inputs(), scores, 0.5, side="joint")
    assert found.masks
    for name, sides in found.masks.items():
        assert (sides["input"] == joint[name]["input"]).all()


def test_no_channel_stays_beyond_the_share() -> None:
    """Regression: 1 - 0.43 of a hundred channels is 57, though a float says a little more."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 100, 1), nn.Conv2d(100, 4, 1), nn.Conv2d(4, 2, 1)).eval()
    pruner = WindowPruner(net, inputs())
    problem = pruner.problem(pruner.scores("l2"), demanded(0.43, live=1 - 0.43))
    (wide,) = [each for each in problem.instance.tensors if each.channels == 100]
    assert wide.live_limit == 57


@pytest.mark.parametrize("budget", ["layer", "channels"])
@pytest.mark.parametrize("scale", [1e-310, 1e306])
def test_scores_of_any_finite_size(budget: str, scale: float) -> None:
    """Regression: sums of them left the range of floats, and what came out was arbitrary."""
    model = built(Residual)
    scores = ta.channel_scores(model, inputs(), "l2")
    scaled = {
        name: {side: scale * numbers for side, numbers in sides.items()}
        for name, sides in scores.items()
    }
    plain, same = (
        ta.prune_windows(model, inputs(), each, 0.5, budget=budget, time_limit=20)
        for each in (scores, scaled)
    )
    assert plain.masks
    for name, sides in plain.masks.items():
        assert (sides["input"] == same.masks[name]["input"]).all()


def test_what_is_left_alone_is_listed() -> None:
    """Layers in groups, and those called on several tensors, keep everything and say why."""
    reasons = {each.reason for each in ta.prune_windows(built(Grouped), inputs()).left}
    assert "is a convolution in groups" in reasons
    reasons = {each.reason for each in ta.prune_windows(built(Shared), inputs()).left}
    assert "is called on several tensors" in reasons


def test_heads_of_attention_stay_side_by_side() -> None:
    """A window in their fixed order would take whole heads: their reader keeps everything."""
    torch.manual_seed(0)
    model = build("transformer", 1, 8, 10).eval()
    found = ta.prune_windows(model, torch.randn(2, 1, 8, 8), "l2", 0.4, time_limit=20)
    alone = {each.layer for each in found.left if "heads of attention" in each.reason}
    assert alone == {f"blocks.{number}.out" for number in range(3)}
    assert not alone & found.masks.keys()
    assert {f"blocks.{number}.queries" for number in range(3)} <= found.masks.keys()
    assert found.copies is not None
    assert found.copies.chosen == 0


def test_repairs_end_in_whole_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the export copies in spite of the windows, they are tightened until it does not."""
    count = CopyCounter.count

    def suspicious(self: CopyCounter, masks: ta.masked) -> object:
        found = count(self, masks)
        both = "block.0.0" in masks and "block.1.0" in masks
        if both and not np.array_equal(masks["block.0.0"]["input"], masks["block.1.0"]["input"]):
            return type(found)(7, ("block.1.0",), {})
        return found

    monkeypatch.setattr(CopyCounter, "count", suspicious)
    found = ta.prune_windows(built(Residual), inputs(), "random", 0.5, time_limit=20)
    assert len(found.repairs) == 1
    assert "keep the same" in found.repairs[0]
    assert found.copies is not None
    assert found.copies.chosen == 0
    monkeypatch.setattr(
        CopyCounter,
        "count",
        lambda self, masks: type(found.copies)(7 if masks else 0, ("block.1.0",), {}),
    )
    found = ta.prune_windows(built(Residual), inputs(), "random", 0.5, time_limit=20)
    assert found.masks == {}
    assert found.importance == 1.0


@pytest.mark.zoo
@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "googlenet",
        "inception_v3",
        "densenet121",
        "squeezenet1_1",
        "shufflenet_v2_x1_0",
        "efficientnet_b0",
        "regnet_y_400mf",
        "convnext_tiny",
        "vit_b_32",
        "swin_t",
    ],
)
def test_families(name: str) -> None:
    """No copies in any family of torchvision."""
    model = ta.load_model(f"torchvision:{name}").eval()
    size = 299 if name == "inception_v3" else 224 if name in ("vit_b_32", "swin_t") else 64
    found = ta.prune_windows(model, torch.randn(1, 3, size, size), "l2", 0.5, time_limit=5.0)
    assert found.masks
    assert found.copies is not None
    assert found.copies.chosen == 0
    assert found.importance > 0.4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"amount": 1.5}, "amount must be from 0 to 1"),
        ({"live": -1}, "live must be from 0 to 1"),
        ({"budget": "watts"}, "unknown budget 'watts'"),
        ({"side": "left"}, "unknown side 'left'"),
        ({"scores": "beauty"}, "unknown score 'beauty'"),
        ({"scores": {"nothing": {"input": [1.0]}}}, "no such module"),
        ({"scores": {"0": {"input": [1.0]}}}, "must be 3 numbers"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ta.prune_windows(built(Chain), inputs(), **arguments)


def test_demand_is_a_number() -> None:
    with pytest.raises(InputError, match="amount"):
        demanded(True)
