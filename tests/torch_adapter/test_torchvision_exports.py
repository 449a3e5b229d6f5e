"""Exports of torchvision networks equal the masked models, and wrong ones are told apart."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from adapter_nets import TOLERANCE
from masks_and_layouts import layouts

import reorder_solver as rs
from reorder_solver import torch_adapter as ta

QUICK = ["resnet18", "squeezenet1_1"]
ZOO = [
    "alexnet",
    "vgg11_bn",
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "densenet121",
    "googlenet",
    "efficientnet_b0",
    "squeezenet1_1",
]

#: Channels that the original order copies with 25 % of the inputs dropped by their L2 norm. The
#: published heuristic's code counts the same, apart from the classifier: it leaves linear layers
#: alone, so that 384 channels of resnet18, 1536 of resnet50 and 768 of densenet121 are not there.
NAIVE_COPIES = {
    "alexnet": 0,
    "vgg11_bn": 0,
    "resnet18": 1440 + 384,
    "resnet50": 11232 + 1536,
    "mobilenet_v2": 876,
    "densenet121": 24984 + 768,
    "googlenet": 13968,
    "efficientnet_b0": 14544,
    "squeezenet1_1": 480,
}


def images(batch: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


@cache
def network(name: str) -> torch.nn.Module:
    torch.set_num_threads(1)
    return ta.calibrate(ta.load_model(f"torchvision:{name}"), images(4, seed=7))


@cache
def pruned(name: str, amount: float) -> tuple[ta.Extraction, torch.nn.Module]:
    """The extraction and what its exports must equal."""
    masks = ta.prune_inputs(network(name), images(1), "l2", amount)
    return ta.extract(network(name), images(1), masks), ta.masked(network(name), masks)


def check_exports(name: str, amount: float, count: int) -> None:
    extraction, reference = pruned(name, amount)
    assert not extraction.notes
    assert {pin.reason for pin in extraction.pins} == {"model input", "model output"}
    for layout in layouts(extraction.instance, seed=int(100 * amount), count=count):
        module = ta.apply(extraction, layout)
        for batch in (1, 3):
            assert ta.max_relative_error(reference, module, images(batch)) <= TOLERANCE


def naive_copies(name: str) -> int:
    instance = pruned(name, 0.25)[0].instance
    facts = rs.evaluate(instance, rs.Layout.identity(instance)).accesses
    return sum(one.channels for one in facts.values() if one.mode is not rs.Mode.VIEW)


def check_control(name: str, layers: int) -> None:
    """Swap two channels of one layer after its layout was chosen: it must show.

    Not any two: the last layers that write to a sum also write channels that only earlier layers
    read.
    """
    extraction, reference = pruned(name, 0.25)
    wrong = ta.apply(extraction, layouts(extraction.instance)[1])
    weights = [key for key, value in wrong.named_parameters() if value.ndim >= 2]
    for key in np.random.default_rng(0).choice(weights, layers, replace=False):
        rows = wrong.get_parameter(str(key))
        assert any(swap_shows(reference, wrong, rows, first) for first in range(0, 8, 2)), key
    assert ta.max_relative_error(reference, wrong, images(2)) <= TOLERANCE


def swap_shows(
    reference: torch.nn.Module, wrong: torch.nn.Module, rows: torch.Tensor, first: int
) -> bool:
    pair = slice(first, first + 2)
    with torch.no_grad():
        rows[pair] = rows[pair].flip(0)
        error = ta.max_relative_error(reference, wrong, images(2))
        rows[pair] = rows[pair].flip(0)
    return error > 1e-7


@pytest.mark.parametrize("name", QUICK)
def test_quick_networks(name: str) -> None:
    """A residual and a concatenating network, in the original and in a random order."""
    check_exports(name, 0.25, count=1)


def test_quick_naive_copies() -> None:
    """As many copied channels as the published heuristic's code counts, plus the classifier's."""
    assert naive_copies("resnet18") == NAIVE_COPIES["resnet18"]


def test_quick_control() -> None:
    """A wrong export of a residual network is caught."""
    check_control("resnet18", layers=2)


@pytest.mark.zoo
@pytest.mark.parametrize("amount", [0.25, 0.5])
@pytest.mark.parametrize("name", ZOO)
def test_zoo(name: str, amount: float) -> None:
    """Nine networks, two amounts, original and random orders, two batch sizes."""
    check_exports(name, amount, count=2)


@pytest.mark.zoo
@pytest.mark.parametrize("name", ZOO)
def test_zoo_naive_copies(name: str) -> None:
    """As many copied channels as the published heuristic's code counts, plus the classifier's."""
    assert naive_copies(name) == NAIVE_COPIES[name]


@pytest.mark.zoo
@pytest.mark.parametrize("name", ZOO)
def test_zoo_control(name: str) -> None:
    """A wrong export of any of them is caught, so their outputs do depend on their inputs."""
    check_control(name, layers=4)


@pytest.mark.zoo
@pytest.mark.parametrize("amount", [0.25, 0.5])
@pytest.mark.parametrize("export", ["upscale", "optimal"])
@pytest.mark.parametrize("name", ZOO)
def test_zoo_solved(name: str, export: str, amount: float) -> None:
    """The solvers' layouts too, and none copies more bytes than the original order."""
    model = network(name)
    masks = ta.prune_inputs(model, images(1), "l2", amount)
    out = ta.compact(model, images(1), masks, export=export, time_limit=10.0)
    reference = ta.masked(model, masks)
    assert ta.max_relative_error(reference, out.module, images(3)) <= TOLERANCE
    if export == "optimal":
        assert out.report.copied["this"] <= min(out.report.copied.values())
