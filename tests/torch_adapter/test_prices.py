"""Prices: sites, what is timed at them, and the fit; never a time itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import adapter_nets
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from timed_sites import CONV, SITES, shifted

import reorder_solver as rs
from reorder_solver import torch_adapter as ta
from reorder_solver.core.prices import Mode, PriceList
from reorder_solver.torch_adapter.prices import (
    AccessSite,
    Point,
    Sample,
    TimingCache,
    calibration,
    fit_prices,
    measure,
    price_sites,
    sites_of,
)
from reorder_solver.torch_adapter.prices.measure import points_to_check, points_to_fit
from reorder_solver.torch_adapter.prices.site import MEMORY_FORMATS
from reorder_solver.torch_adapter.prices.variants import Workbench, view_of
from reorder_solver.torch_adapter.usage import Usage


def shares_memory(found: torch.Tensor, bench: Workbench) -> bool:
    """Whether something is a look at the value of a workbench."""
    return found.untyped_storage().data_ptr() == bench._value.untyped_storage().data_ptr()


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_fit_is_exact_on_exact_times(site: AccessSite) -> None:
    """Integer prices are found again from the times that they make."""
    truth = PriceList((1200, 31), (900, 29, 2150), (870,), (41_000,))
    found = fit_prices(shifted(truth, points_to_fit(site)))
    for mode, coefficients in found.prices.to_mapping().items():
        assert coefficients == truth.to_mapping()[mode]
    assert max(found.errors.values()) == 0
    expected = {"gather", "cat"} | ({"cover", "split"} if site.has_operator else set())
    assert set(found.prices.to_mapping()) == expected


def test_fit_with_noise_stays_close() -> None:
    """Small noise moves prices little; the error tells its size."""
    truth = PriceList((20_000, 310), (9000, 290, 2150), (8700,), (41_000,))
    rng = np.random.default_rng(4)
    samples = [
        Sample(each.point, each.ns * rng.normal(1, 0.02))
        for each in shifted(truth, points_to_fit(replace(CONV, shape=(2, 256, 6, 6), channels=96)))
    ]
    found = fit_prices(samples)
    for each in samples:
        assert calibration.predicted(found.prices, each.point) == pytest.approx(each.ns, rel=0.1)
    assert all(0 <= error < 0.1 for error in found.errors.values())


def test_fit_never_goes_below_zero() -> None:
    """Times below those of a view give prices of zero, or none where noise must be the reason."""
    samples = [Sample(point, -50.0) for point in points_to_fit(CONV)]
    found = fit_prices(samples)
    assert found.prices == PriceList(gather=(0, 0), cat=(0, 0, 0))
    assert found.errors == dict.fromkeys((Mode.GATHER, Mode.CAT, Mode.COVER, Mode.SPLIT), 1.0)


def test_small_slopes_are_rounded_as_a_whole() -> None:
    """With less than a nanosecond per channel, the constant term makes up for the rounding."""
    points = [Point(Mode.GATHER, n, n, n) for n in (400, 500)]
    found = fit_prices([Sample(point, 0.4 * point.channels) for point in points])
    assert found.prices.gather is not None
    for point in points:
        assert calibration.predicted(found.prices, point) == pytest.approx(180, abs=21)


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_every_way_serves_the_access(site: AccessSite) -> None:
    """Every task yields a result of the shape that the operator gives; splits add up."""
    bench = Workbench(site)
    points = [*points_to_fit(site), *points_to_check(site), view_of(site.stored), view_of(1)]
    with torch.inference_mode():
        for point in points:
            width = point.span if point.mode is Mode.COVER else point.channels
            expected = bench.serving(view_of(width))()
            found = bench.serving(point)()
            assert found.dtype == getattr(torch, site.dtype)
            assert found.shape == expected.shape
            # All values are ones and all weights alike, so any selection gives the same.
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
            if point.mode in (Mode.VIEW, Mode.GATHER, Mode.CAT):
                arranged = bench.copying(point)()
                assert arranged.shape[site.axis] == point.channels * site.block
        with pytest.raises(ValueError, match="split copies nothing"):
            bench.copying(Point(Mode.SPLIT, 4, 2, 4))


@pytest.mark.parametrize(
    ("changes", "copies"),
    [
        ({}, True),
        ({"shape": (1, 16, 6, 6)}, False),
        ({"memory_format": "channels_last", "shape": (1, 16, 6, 6)}, True),
    ],
)
def test_a_view_that_the_operator_copies_is_timed_with_its_copy(
    changes: dict[str, Any], copies: bool
) -> None:
    """A batch of slices is copied within the convolution; one slice is not."""
    site = replace(CONV, **changes)
    bench = Workbench(site)
    arranged = bench.copying(view_of(8))()
    form = MEMORY_FORMATS[site.memory_format]
    assert arranged.is_contiguous(memory_format=form) == (copies or site.shape[0] == 1)
    assert (arranged._base is None) == copies
    gathered = bench.copying(Point(Mode.GATHER, 8, 8, 8))()
    assert not shares_memory(gathered, bench)
    assert gathered.is_contiguous(memory_format=form), "no second copy"


@pytest.mark.parametrize("changes", [{}, {"memory_format": "channels_last"}])
def test_a_slice_that_is_multiplied_is_not_copied(changes: dict[str, Any]) -> None:
    """And the result is the convolution's."""
    site = replace(CONV, kernel=(1, 1), stride=(1, 1), padding=(0, 0), **changes)
    convolved, bench = Workbench(site), Workbench(replace(site, multiplied=True))
    assert shares_memory(bench.copying(view_of(8))(), bench)
    for point in (view_of(8), Point(Mode.SPLIT, 8, 3, 8), Point(Mode.COVER, 8, 2, 12)):
        found, expected = bench.serving(point)(), convolved.serving(point)()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_sites_of_an_extraction() -> None:
    """Operators, shapes at the batch asked for, and wanted channels are read off the graph."""
    model, inputs = adapter_nets.Residual(), torch.randn(2, 3, 8, 8)
    extraction = ta.extract(model, inputs, ta.prune_inputs(model, inputs))
    found = sites_of(extraction, Usage(5, "channels_last", threads=2))
    assert list(found) == [access.id for access in extraction.instance.accesses]
    last = {"memory_format": "channels_last", "threads": 2}
    assert found["stem"] == AccessSite(
        "conv2d", (5, 3, 8, 8), 1, 3, 8, (3, 3), (1, 1), (1, 1), (1, 1), **last
    )
    assert found["block.1.0"] == AccessSite(
        "conv2d", (5, 8, 8, 8), 1, 4, 6, (1, 1), (1, 1), (0, 0), (1, 1), **last, multiplied=True
    )
    whole = sites_of(extraction, Usage(5, "channels_last", multiply=False))
    assert not any(site.multiplied for site in whole.values())
    one = sites_of(extraction, Usage())
    assert not any(site.multiplied for site in one.values()), "a slice of one sample is not copied"
    assert found["head"] == AccessSite("linear", (5, 8), 1, 4, 5, threads=2)


def test_blocks_and_paddings_of_an_extraction() -> None:
    """A flatten makes blocks; paddings by name become numbers."""
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding="same", dilation=2),
        torch.nn.Conv2d(6, 6, 3, padding="valid"),
        torch.nn.Flatten(),
        torch.nn.Linear(6 * 16, 4),
    )
    found = sites_of(ta.extract(model, torch.randn(2, 3, 6, 6)), Usage())
    assert (found["0"].padding, found["0"].dilation) == ((2, 2), (2, 2))
    assert found["1"].padding == (0, 0)
    assert (found["3"].shape, found["3"].block, found["3"].stored) == ((1, 96), 16, 6)


def test_near_sites_share_their_timings() -> None:
    """Wanted channels are rounded up to an eighth of those stored, never to more or none."""
    site = replace(CONV, shape=(1, 256, 4, 4))
    assert replace(site, channels=97).rounded() == replace(site, channels=128).rounded()
    assert replace(site, channels=129).rounded() != site.rounded()
    for stored in range(1, 40):
        for channels in range(1, stored + 1):
            one = replace(CONV, shape=(1, stored, 4, 4), channels=channels).rounded()
            assert 1 <= one.channels <= stored
            assert one.channels >= channels
            assert one.rounded() == one


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"operator": "conv4d"}, "unknown operator; known: conv1d"),
        ({"axis": 4}, "axis must lie in"),
        ({"axis": 2}, "the channel axis of conv2d is 1"),
        ({"shape": (0, 16, 6, 6)}, "axis must lie in a shape of numbers from 1"),
        ({"shape": (2, 16, 6)}, "a convolution has a batch axis"),
        ({"kernel": (3,)}, "a number per spatial axis"),
        ({"out_channels": 0}, "out_channels must be at least 1"),
        ({"channels": 17}, "channels must be from 1 to those stored"),
        ({"channels": 0}, "channels must be from 1 to those stored"),
        ({"block": 3}, "whole blocks"),
        ({"memory_format": "diagonal"}, "memory_format must be one of"),
        ({"dtype": "int64"}, "unknown dtype"),
        ({"dtype": "nn"}, "unknown dtype"),
        ({"device": "meta"}, "no device to be timed"),
        ({"device": "toaster"}, "no device to be timed"),
        ({"threads": 0}, "threads must be at least 1"),
    ],
)
def test_bad_sites(changes: dict[str, Any], phrase: str) -> None:
    """Each is one clear line that names the site."""
    with pytest.raises(rs.InputError, match=phrase):
        replace(CONV, **changes)


def test_what_cannot_be_timed_is_said() -> None:
    """A device that is not there, and a kernel that does not fit, are input errors."""
    for site in (replace(CONV, device="cuda:77"), replace(CONV, dilation=(9, 9))):
        with pytest.raises(rs.InputError, match=r"site conv2d .*cannot be timed"):
            measure(site, points_to_fit(site), budget_s=0.0)


def test_real_measurements() -> None:
    """Timed for real: every point gets a finite number, splits are not free, threads are put back.

    The prices have the modes that the operator allows.
    """
    threads = torch.get_num_threads()
    for site in (CONV, SITES["linear"], SITES["copy"], replace(CONV, channels=1)):
        points = points_to_fit(site)
        found = measure(site, points, budget_s=0.0)
        assert [each.point for each in found] == points
        assert all(np.isfinite(each.ns) for each in found)
        assert all(each.ns > 0 for each in found if each.point.mode is Mode.SPLIT)
    assert torch.get_num_threads() == threads
    (prices,) = price_sites([CONV], 0.0, TimingCache(None))
    assert {"gather", "cat"} <= set(prices.to_mapping()) <= {"gather", "cat", "cover", "split"}


def test_bad_budget() -> None:
    """A budget is a number of seconds from 0."""
    for budget in (-1.0, float("nan")):
        with pytest.raises(rs.InputError, match="budget"):
            price_sites([CONV], budget, TimingCache(None))


def test_reduced_weights_are_those_of_the_format() -> None:
    """Weights lie as an exported model's would: contiguous in the site's format."""
    last = Workbench(SITES["conv2d last"])
    assert last._weight(8).is_contiguous(memory_format=torch.channels_last)
    assert Workbench(CONV)._weight(8).is_contiguous()
    value = torch.ones(2, 8, 6, 6)
    weight = last._weight(8)
    expected = F.conv2d(value, weight.contiguous(), stride=2, padding=1)
    torch.testing.assert_close(F.conv2d(value, weight, stride=2, padding=1), expected)
