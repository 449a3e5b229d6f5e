"""``calibrate``: sites, prices and the cache from the command line; no time is asserted."""

from __future__ import annotations

import csv
import io
import json

import pytest

from reorder_solver.core.prices import PriceList

SMALL = ("cli_models:residual", "--input-size", "8", "--budget", "0")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    """The user's cache stays out of it."""
    path = tmp_path / "user" / "timings.json"
    monkeypatch.setattr("reorder_solver.torch_adapter.prices.default_path", lambda: path)


def test_prices_of_every_access(run):
    """One site per access, at the batch asked for, with prices an access can carry."""
    document = json.loads(run("calibrate", *SMALL, "--batch", "3", "--format", "json").stdout)
    sites = {site["access"]: site for site in document["sites"]}
    assert list(sites) == ["stem", "first", "second", "head"]
    assert sites["first"]["operator"] == "conv2d 3x3 12 out"
    assert (sites["first"]["shape"], sites["first"]["channels"]) == ([3, 12, 8, 8], 6)
    assert (sites["head"]["operator"], sites["head"]["shape"]) == ("linear 4 out", [3, 12])
    for site in sites.values():
        assert {"gather", "cat"} <= set(site["prices"]) <= set(site["errors"])
        assert PriceList.from_mapping(site["prices"])
        assert set(site["errors"]) == {"gather", "cat", "cover", "split"}
        assert not site["from_cache"]
    assert "checks" not in document


def test_table_and_csv(run):
    """The first line counts; a row per access, with prices as formulas."""
    lines = run("calibrate", *SMALL).stdout.splitlines()
    assert lines[0].startswith(
        "cli_models:residual: 4 accesses at 4 kinds of site, 0 known before, "
    )
    assert [line.split()[0] for line in lines[3:7]] == ["stem", "first", "second", "head"]
    text = run("calibrate", *SMALL, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["access"] for row in rows] == ["stem", "first", "second", "head"]
    assert all("n" in row["gather"] or row["gather"].isdigit() for row in rows)
    assert all(row["split"] == "" or row["split"].endswith("(r-1)") for row in rows)
    assert all(row["from_cache"] == "true" for row in rows)


def test_cache_is_kept_and_told_apart(run, tmp_path):
    """The second call measures nothing; other threads, types and formats are measured anew."""
    cache = ("--cache", tmp_path / "mine.json", "--format", "json")

    def known(*arguments):
        document = json.loads(run("calibrate", *SMALL, *cache, *arguments).stdout)
        return {site["from_cache"] for site in document["sites"]}

    assert known() == {False}
    assert known() == {True}
    assert known("--threads", "2") == {False}
    assert known("--dtype", "float64") == {False}
    assert known("--channels-last") == {False, True}
    assert not (tmp_path / "user").exists()


def test_no_cache_writes_nothing(run, tmp_path):
    """Nothing is kept."""
    assert run("calibrate", *SMALL, "--no-cache").exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_check_compares(run):
    """Every access has fresh points of each mode, and the last line ranks them."""
    result = run("calibrate", *SMALL, "--check")
    ranked = "rank correlation of predicted and measured: gather "
    assert sum(line.startswith(ranked) for line in result.stdout.splitlines()) == 1
    assert result.stdout.splitlines()[-1].split()[0] == "optimal"
    document = json.loads(run("calibrate", *SMALL, "--check", "--format", "json").stdout)
    assert {row["access"] for row in document["checks"]} == {"stem", "first", "second", "head"}
    modes = {row["mode"] for row in document["checks"]}
    assert {"gather", "cat"} <= modes <= {"gather", "cat", "cover", "split"}
    assert list(document["rank_correlation"]) == ["gather", "cat", "cover", "split", "all"]
    for value in document["rank_correlation"].values():
        assert value is None or -1 <= value <= 1
    assert [row["export"] for row in document["exports"]] == ["naive", "upscale", "optimal"]
    assert all(row["predicted_ms"] >= 0 < row["whole_ms"] for row in document["exports"])


def test_whole_exports_are_timed_as_they_are_called(run):
    """One sample, or several in channels-last; not in a type that the model does not have."""
    for arguments in (["--batch", "1"], ["--batch", "3", "--channels-last"]):
        done = run("calibrate", *SMALL, "--check", "--format", "json", *arguments)
        assert done.exit_code == 0, done.stderr
        assert len(json.loads(done.stdout)["exports"]) == 3
    other = run("calibrate", *SMALL, "--check", "--format", "json", "--dtype", "float64")
    assert json.loads(other.stdout)["exports"] == []


def test_damaged_cache_is_one_line(run, tmp_path):
    """The run goes on, and the file is sound afterwards."""
    path = tmp_path / "mine.json"
    path.write_text("{", encoding="utf-8")
    result = run("calibrate", *SMALL, "--cache", path)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"reorder-solver: {path}: is no cache of timings; it is rebuilt"
    ]
    assert run("calibrate", *SMALL, "--cache", path).stderr == ""


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["torchvision:resnet1"], "no model 'resnet1'"),
        (["resnet18"], "must be 'torchvision:name'"),
        ([*SMALL, "--threads", "0"], "--threads"),
        ([*SMALL, "--batch", "0"], "--batch"),
        ([*SMALL, "--budget", "-1"], "--budget"),
        ([*SMALL, "--dtype", "int8"], "--dtype"),
        ([*SMALL, "--device", "toaster"], "no device to be timed: 'toaster'"),
        ([*SMALL, "--device", "cuda:77"], "cannot be timed"),
        ([*SMALL, "--cache", "a.json", "--no-cache"], "exclude each other"),
        ([*SMALL, "--format", "xml"], "--format"),
    ],
)
def test_bad_input_is_one_line(refused, arguments, phrase):
    """Whatever is wrong is said in one line."""
    assert phrase in refused("calibrate", *arguments)


def test_without_torch_ends_with_3(shell, tmp_path):
    """Without PyTorch the line says what to install."""
    (tmp_path / "torch.py").write_text(
        "raise ModuleNotFoundError(\"no torch\", name='torch')\n", encoding="utf-8"
    )
    done = shell("calibrate", "torchvision:resnet18")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
