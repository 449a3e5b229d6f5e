"""The instance that a model poses: ids, parts, bytes, pins, masks read off weights."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from adapter_nets import (
    ConcatAlike,
    ConcatIntoAdd,
    Dense,
    FlattenHead,
    Grouped,
    Inception,
    InputMixed,
    LayerScale,
    RawWeight,
    Residual,
    SameTwice,
    Shared,
    SpatialAttention,
    SqueezeExcite,
    Tokens,
    Unknown,
    Unread,
    WritesInPlace,
    build,
    conv,
    image,
)
from masks_and_layouts import layers_of
from torch import nn
from torch.nn.utils import parametrizations, prune

import reorder_solver as rs
from reorder_solver import torch_adapter as ta


def pinned(extraction: ta.Extraction) -> set[str]:
    return {pin.tensor for pin in extraction.pins}


def access(extraction: ta.Extraction, name: str) -> rs.Access:
    return next(one for one in extraction.instance.accesses if one.id == name)


def parts(extraction: ta.Extraction, name: str) -> list[tuple[str, list[int]]]:
    return [(part.tensor, part.channels.tolist()) for part in access(extraction, name).parts]


def kept(size: int, *channels: int) -> dict[str, np.ndarray]:
    mask = np.zeros(size, dtype=bool)
    mask[list(channels)] = True
    return {"input": mask}


def test_elementwise_operations_tie_a_residual_stream() -> None:
    """Stem and blocks write to one tensor; each reader wants its own channels of it."""
    model = build(Residual)
    masks = {"block.0.0": kept(8, 0, 3), "block.1.0": kept(8, 3, 5, 7), "head": kept(8, 1)}
    extraction = ta.extract(model, image(), masks)
    names = [tensor.id for tensor in extraction.instance.tensors]
    assert names == ["x", "stem", "block.0.0", "block.1.0", "head"]
    assert parts(extraction, "block.0.0") == [("stem", [0, 3])]
    assert parts(extraction, "block.1.0") == [("stem", [3, 5, 7])]
    assert parts(extraction, "head") == [("stem", [1])]
    assert parts(extraction, "block.0.3") == [("block.0.0", list(range(6)))]
    assert pinned(extraction) == {"x", "head"}


def test_bytes_are_those_of_one_channel_of_one_sample() -> None:
    """Four bytes times the spatial elements where it is read, whatever the batch and the type."""
    model = build(Residual)
    for batch in (1, 3):
        extraction = ta.extract(model, image(batch))
        assert access(extraction, "stem").bytes == 4 * 64
        assert access(extraction, "block.1.3").bytes == 4 * 64
        assert access(extraction, "head").bytes == 4
    extraction = ta.extract(copy.deepcopy(model).double(), image().double())
    assert access(extraction, "stem").bytes == 8 * 64


def test_concatenations_give_accesses_of_several_parts() -> None:
    """The last layer of a dense block reads all tensors, in order."""
    model = build(Dense)
    masks = {"head": kept(18, 0, 5, 6, 17), "layers.2": kept(14, 4, 6, 9, 10)}
    extraction = ta.extract(model, image(), masks)
    assert parts(extraction, "layers.2") == [
        ("stem", [4]),
        ("layers.0", [0, 3]),
        ("layers.1", [0]),
    ]
    assert parts(extraction, "head") == [
        ("stem", [0, 5]),
        ("layers.0", [0]),
        ("layers.1", []),
        ("layers.2", [3]),
    ]


def test_scales_and_depthwise_convolutions_tie() -> None:
    """Squeeze-and-excite writes to the tensor it scales."""
    extraction = ta.extract(build(SqueezeExcite), image())
    assert {tensor.id for tensor in extraction.instance.tensors} == {
        "x", "expand", "fc1", "project", "head",
    }  # fmt: skip
    assert parts(extraction, "project") == [("expand", list(range(8)))]
    assert access(extraction, "fc1").bytes == 4


def test_shared_modules_are_accessed_once_per_call() -> None:
    """Every call of a shared convolution is an access, and writes to a tensor of its own."""
    extraction = ta.extract(build(Shared), image(), {"both": kept(8, 2, 6)})
    ids = [one.id for one in extraction.instance.accesses]
    assert ids == ["left", "right", "both", "both#2", "alias", "head"]
    assert parts(extraction, "both") == [("left", [2, 6])]
    assert parts(extraction, "both#2") == [("right", [2, 6])]
    assert parts(extraction, "alias") == [("left", [2, 6])]
    assert parts(extraction, "head")[1] == ("both#2", list(range(6)))


def test_flatten_makes_blocks() -> None:
    """A channel is wanted if any of its features is kept, and weighs as much as all of them."""
    features = np.zeros(384, dtype=bool)
    features[[2 * 64 + 5, 2 * 64 + 9, 5 * 64]] = True
    extraction = ta.extract(build(FlattenHead), image(), {"fc": {"input": features}})
    assert parts(extraction, "fc") == [("features", [2, 5])]
    assert access(extraction, "fc").bytes == 4 * 64
    assert access(extraction, "fc").role is rs.Role.READ


def test_channels_may_be_on_the_last_axis() -> None:
    """Tokens: nothing but the ends is pinned, and a channel weighs as much as all its tokens."""
    extraction = ta.extract(build(Tokens), image())
    assert pinned(extraction) == {"x", "head"}
    assert parts(extraction, "up") == [("patch", list(range(8)))]
    assert access(extraction, "up").bytes == 4 * 64


def test_the_same_tensor_twice_in_one_access() -> None:
    """Different channels may be wanted of each copy."""
    extraction = ta.extract(build(SameTwice), image(), {"mix": kept(12, 0, 1, 8, 11)})
    assert parts(extraction, "mix") == [("stem", [0, 1]), ("stem", [2, 5])]


def test_concatenations_of_equal_structure_tie_piece_by_piece() -> None:
    """In a sum, the first pieces are one tensor and the second ones another."""
    extraction = ta.extract(build(ConcatAlike), image())
    assert pinned(extraction) == {"x", "head"}
    assert [part for part, _ in parts(extraction, "other")] == ["a", "b"]


@pytest.mark.parametrize(
    ("net", "tensor", "reason"),
    [
        (Unknown, "first", "aten.cumsum.default (cumsum): works along the channels"),
        (Unknown, "cumsum", "aten.cumsum.default (cumsum): works along the channels"),
        (Grouped, "first", "its groups stay in order"),
        (Grouped, "grouped", "its groups stay in order"),
        (WritesInPlace, "stem", "writes single features"),
        (FlattenHead, "again", "its channels meet each other in two orders"),
        (InputMixed, "x", "model input"),
        (LayerScale, "x", "model input"),
        (LayerScale, "head", "model output"),
    ],
)
def test_what_is_not_understood_is_pinned_and_named(
    net: type[nn.Module], tensor: str, reason: str
) -> None:
    """A pin says which operator, where, and why."""
    extraction = ta.extract(build(net), image())
    reasons = [pin.reason for pin in extraction.pins if pin.tensor == tensor]
    assert any(reason in one for one in reasons)


def test_compaction_goes_on_behind_an_unknown_operator() -> None:
    """Its result is one fixed tensor that the next layer may still read in part."""
    extraction = ta.extract(build(Unknown), image(), {"second": kept(8, 1, 2)})
    assert parts(extraction, "second") == [("cumsum", [1, 2])]
    assert not extraction.instance.tensor("second").fixed


def test_understood_operators_pin_nothing_inside() -> None:
    """Of these networks, only the model's input and output are fixed."""
    for net in (Dense, Inception, Shared, LayerScale, ConcatIntoAdd, SpatialAttention):
        reasons = {pin.reason for pin in ta.extract(build(net), image()).pins}
        assert reasons == {"model input", "model output"}


def test_masks_are_read_off_zero_weights() -> None:
    """Zero columns in the weights mean the same as a declared mask."""
    model = build(Residual)
    masks = {"block.0.0": kept(8, 0, 3), "head": kept(8, 1)}
    declared = ta.extract(model, image(), masks)
    read_off = ta.extract(ta.masked(model, masks), image())
    assert declared.instance == read_off.instance


def test_active_and_removed_pruning_is_read_off() -> None:
    """``torch.nn.utils.prune`` works before and after it is made permanent, also behind a call."""
    plain = build(Residual)
    active = copy.deepcopy(plain)
    for name in ("block.0.0", "block.1.0", "head"):
        prune.ln_structured(active.get_submodule(name), "weight", 0.5, n=2, dim=1)
    before = {name: value.clone() for name, value in active.state_dict().items()}
    active(image())
    extraction = ta.extract(active, image())
    after = active.state_dict()
    assert prune.is_pruned(active)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert access(extraction, "block.1.0").size == 4
    for name in ("block.0.0", "block.1.0", "head"):
        prune.remove(active.get_submodule(name), "weight")
    assert ta.extract(active, image()).instance == extraction.instance
    module = ta.apply(extraction, rs.Layout.identity(extraction.instance))
    assert ta.max_relative_error(active, module, image()) <= 1e-10


def test_other_parametrisations_are_made_permanent() -> None:
    """A weight that is computed from others is stored in the export."""
    model = build(Residual)
    parametrizations.weight_norm(model.head)
    extraction = ta.extract(model, image(), {"head": kept(8, 1, 4)})
    assert parts(extraction, "head") == [("stem", [1, 4])]
    module = ta.apply(extraction, rs.Layout.identity(extraction.instance))
    reference = ta.masked(model, {"head": kept(8, 1, 4)})
    assert ta.max_relative_error(reference, module, image()) <= 1e-10


def test_masks_of_modules_that_share_a_weight_act_together() -> None:
    """Zero is zero for both."""
    model = build(Shared)
    masks = {"both": kept(8, 1, 2, 3), "alias": kept(8, 2, 3, 4)}
    extraction = ta.extract(model, image(), masks)
    assert parts(extraction, "both") == [("left", [2, 3])]
    assert parts(extraction, "alias") == [("left", [2, 3])]


def test_a_reader_of_nothing_reads_one_channel() -> None:
    """If possible one that another layer wants anyway."""
    extraction = ta.extract(
        build(Residual), image(), {"head": kept(8), "block.0.0": kept(8, 4), "block.1.0": kept(8)}
    )
    assert parts(extraction, "head") == [("stem", [4])]
    assert parts(extraction, "block.1.0") == [("stem", [4])]
    extraction = ta.extract(build(SqueezeExcite), image(), {"head": kept(6)})
    assert parts(extraction, "head") == [("project", [0])]


def test_what_nobody_reads_poses_no_access_and_is_removed() -> None:
    """A branch whose channels are all masked behind a concatenation disappears from the export."""
    model = build(Unread)
    extraction = ta.extract(model, image(), {"head": kept(9, 5, 8)})
    assert [one.id for one in extraction.instance.accesses] == ["stem", "live", "head"]
    assert [channels for _, channels in parts(extraction, "head")] == [[], [1, 4]]
    module = ta.apply(extraction, rs.Layout.identity(extraction.instance))
    assert not any(name.startswith("dead") for name in module.state_dict())
    assert module.state_dict()["live.weight"].shape[0] == 2


def test_loose_parameters_name_their_access() -> None:
    """A functional call without a module is named after its weight."""
    extraction = ta.extract(build(RawWeight), image())
    assert [one.id for one in extraction.instance.accesses] == ["stem", "loose", "head"]


def test_extraction_is_reproducible_and_leaves_the_model_alone() -> None:
    """The same call gives the same instance; weights, mode and inputs stay as they were."""
    model = build(Inception).train()
    before = copy.deepcopy(model.state_dict())
    x = image()
    given = x.clone()
    masks = {name: {"input": np.arange(layer.weight.shape[1]) % 2 == 0}
             for name, layer in layers_of(model)}  # fmt: skip
    one, other = ta.extract(model, x, masks), ta.extract(model, x, masks)
    assert one.instance == other.instance
    assert rs.digest(one.instance) == rs.digest(other.instance)
    assert model.training
    assert torch.equal(x, given)
    assert vars(x).keys() == vars(given).keys()
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_common_prefixes_name_tensors_unless_two_would_share_one() -> None:
    """``stage`` for a stream written by several of its modules, else the first producer."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = conv(3, 6), conv(3, 6), conv(6, 6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.c(self.a(x) + self.b(x))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stage, self.head = Block(), conv(6, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.stage(x))

    names = [tensor.id for tensor in ta.extract(build(Net), image()).instance.tensors]
    assert names == ["x", "stage", "stage.c", "head"]


@pytest.mark.parametrize("inputs", [None, (), {}, "x", ([image()],), {"x": (image(),)}])
def test_unusable_inputs_are_input_errors(inputs: object) -> None:
    """The message says what is expected."""
    with pytest.raises(rs.InputError, match="example_inputs must"):
        ta.extract(build(Residual), inputs)


def test_a_model_that_cannot_be_captured_is_a_capture_error() -> None:
    """The message names the model and gives the first line of the reason."""

    class Branches(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(ta.CaptureError, match=r"torch\.export cannot capture Branches: .+"):
        ta.extract(Branches(), image())


def test_a_branch_on_the_batch_size_is_noted() -> None:
    """A graph holds one branch; the user is told for which batches."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = conv(3, 4), conv(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.b(self.a(x))
            return x if x.shape[0] <= 5 else x + 1

    assert "captured for 2 to 5" in ta.extract(build(Branches), image()).notes[0]
