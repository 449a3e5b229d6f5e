"""Calibrating sites: each kind measured once, kept in the cache of timings, and checked."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from timed_sites import CONV, SITES, shifted

from reorder_solver.core.prices import PriceList
from reorder_solver.torch_adapter.prices import (
    AccessSite,
    Point,
    Sample,
    TimingCache,
    TimingCacheWarning,
    calibrate_sites,
    calibration,
    check_sites,
    default_path,
    price_sites,
)
from reorder_solver.torch_adapter.prices.cache import VERSION

if TYPE_CHECKING:
    from pathlib import Path


class Measured:
    """Stands in for the clock: times that certain prices make."""

    truth = PriceList((120, 3), (90, 3, 20), (87,), (410,))

    def __init__(self) -> None:
        self.sites: list[AccessSite] = []

    def __call__(self, site: AccessSite, points: list[Point], *, budget_s: float) -> list[Sample]:
        self.sites.append(site)
        return shifted(self.truth, points)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    stand_in = Measured()
    monkeypatch.setattr(calibration, "measure", stand_in)
    return stand_in


def test_each_kind_of_site_is_measured_once(measured: Measured, tmp_path: Path) -> None:
    """Equal and near sites share; what a file knows is not measured again."""
    near = replace(CONV, channels=7)
    sites = [CONV, near, SITES["linear"], CONV]
    path = tmp_path / "folder" / "timings.json"
    first = calibrate_sites(sites, cache=TimingCache(path))
    assert [each.site for each in first] == sites
    assert measured.sites == [CONV, SITES["linear"]]
    assert not any(each.from_cache for each in first)
    again = calibrate_sites([near, SITES["copy"]], cache=TimingCache(path))
    assert measured.sites[2:] == [SITES["copy"]]
    assert [each.from_cache for each in again] == [True, False]
    assert again[0].prices == first[0].prices == measured.truth
    assert again[0].samples == first[0].samples


@pytest.mark.parametrize(
    "changes",
    [
        {"threads": 2},
        {"dtype": "float64"},
        {"memory_format": "channels_last"},
        {"shape": (4, 16, 6, 6)},
        {"out_channels": 6},
        {"stride": (1, 1)},
    ],
)
def test_another_site_is_another_entry(measured: Measured, changes: dict[str, Any]) -> None:
    """Whatever a time depends on is in the key."""
    cache = TimingCache(None)
    price_sites([CONV], cache=cache)
    price_sites([replace(CONV, **changes)], cache=cache)
    assert len(measured.sites) == 2


@pytest.mark.parametrize("where", ["torch.__version__", "hardware"])
def test_another_machine_is_another_entry(
    measured: Measured, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Times from another PyTorch or processor are not taken for ours."""
    cache = TimingCache(None)
    price_sites([CONV], cache=cache)
    if where == "hardware":
        monkeypatch.setattr(
            "reorder_solver.torch_adapter.prices.cache.hardware", lambda _: "another"
        )
    else:
        monkeypatch.setattr(where, "99.0")
    price_sites([CONV], cache=cache)
    assert len(measured.sites) == 2


def written(timings: str, version: int = VERSION) -> bytes:
    """A file of timings as it is stored."""
    return f'{{"format": "access-timings", "version": {version}, "timings": {timings}}}'.encode()


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"", "is no cache of timings"),
        (b"\xff\x00", "is no cache of timings"),
        (written("{}")[:-20], "is no cache of timings"),
        (b"[1, 2]", "is no cache of timings"),
        (b'{"format": "channel-ordering", "version": 1}', "is no cache of timings"),
        (written("{}", version=0), f"version 0, not {VERSION}"),
        (written("[]"), "is no cache"),
        (written('{"a": [[1]]}'), "is no cache"),
        (written('{"a": [["cat", 1.5, 2, 3, 4]]}'), "is no cache"),
        (b"[" * 100_000, "is no cache"),
    ],
)
def test_damaged_file_is_one_warning_and_rebuilt(
    measured: Measured, content: bytes, phrase: str, tmp_path: Path
) -> None:
    """The warning names the file; the next run finds a sound one."""
    path = tmp_path / "timings.json"
    path.write_bytes(content)
    with pytest.warns(TimingCacheWarning, match=phrase) as caught:
        cache = TimingCache(path)
    assert len(caught) == 1
    assert str(caught[0].message).startswith(f"{path}: ")
    with warnings.catch_warnings():
        # It has been said that the file is rebuilt.
        warnings.simplefilter("error")
        price_sites([CONV], cache=cache)
        price_sites([CONV], cache=TimingCache(path))
    assert len(measured.sites) == 1


def test_processes_add_to_one_file(measured: Measured, tmp_path: Path) -> None:
    """What another has added since is kept, and no other file is left."""
    path = tmp_path / "timings.json"
    one, other = TimingCache(path), TimingCache(path)
    price_sites([CONV], cache=one)
    price_sites([SITES["linear"]], cache=other)
    price_sites([CONV, SITES["linear"]], cache=TimingCache(path))
    assert len(measured.sites) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["timings.json"]
    assert json.loads(path.read_text(encoding="utf-8"))["version"] == VERSION


def test_folder_that_cannot_be_written_is_one_warning(measured: Measured, tmp_path: Path) -> None:
    """The prices are returned all the same."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    cache = TimingCache(tmp_path / "file" / "timings.json")
    with pytest.warns(TimingCacheWarning, match="cannot be kept") as caught:
        (found,) = price_sites([CONV], cache=cache)
    assert len(caught) == 1
    assert found == measured.truth


def test_interrupted_measurements_are_kept(
    measured: Measured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was measured before Ctrl-C is in the file."""

    def interrupted(site: AccessSite, *arguments: Any, **settings: Any) -> list[Sample]:
        if measured.sites:
            raise KeyboardInterrupt
        return measured(site, *arguments, **settings)

    monkeypatch.setattr(calibration, "measure", interrupted)
    path = tmp_path / "timings.json"
    with pytest.raises(KeyboardInterrupt):
        price_sites([CONV, SITES["linear"]], cache=TimingCache(path))
    assert TimingCache(path).get(CONV) is not None


def test_default_cache_is_in_the_users_folder(
    measured: Measured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is used when no other is named."""
    target = tmp_path / "timings.json"
    monkeypatch.setattr(calibration, "default_path", lambda: target)
    price_sites([CONV])
    assert target.exists()
    assert default_path().name == "timings.json"
    assert default_path().parent.name.startswith("reorder-solver")


def test_check_compares_other_points(measured: Measured) -> None:
    """The points differ from those fitted, and exact prices predict them exactly."""
    calibrated = calibrate_sites([CONV, SITES["copy"], CONV], cache=TimingCache(None))
    compared = check_sites(calibrated)
    assert compared[0] is compared[2]
    for each, found in zip(calibrated, compared, strict=True):
        assert {one.point for one in found}.isdisjoint(sample.point for sample in each.samples)
        assert all(one.predicted == one.measured for one in found)
    assert {one.point.mode.value for one in compared[0]} == {"gather", "cat", "cover", "split"}
    assert {one.point.mode.value for one in compared[1]} == {"gather", "cat"}
