"""``reorder-solver calibrate``: what gathers, copies and views cost on this machine."""

from __future__ import annotations

import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reorder_solver.cli.exits import complain
from reorder_solver.cli.models import ModelSettings, model_options, prepare, quiet
from reorder_solver.cli.options import seed_option, table_format
from reorder_solver.cli.output import (
    Column,
    Row,
    counted,
    milliseconds,
    number,
    percent,
    print_csv,
    print_json,
    print_line,
    print_table,
    seconds,
)
from reorder_solver.cli.running import monitor
from reorder_solver.core.errors import InputError
from reorder_solver.core.prices import PRICE_ARITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reorder_solver.cli.models import Prepared
    from reorder_solver.torch_adapter.prices import (
        AccessSite,
        Calibration,
        Comparison,
        TimingCache,
    )
    from reorder_solver.torch_adapter.usage import Usage

_COLUMNS = (
    Column("access", "access", style="bold"),
    Column("operator", "reads with"),
    Column("shape", "value"),
    number("channels", "wanted"),
    *(Column(mode, mode, right=True) for mode in PRICE_ARITY),
    number("error", "fit error", percent),
)
_CHECK_COLUMNS = (
    Column("access", "access", style="bold"),
    Column("mode", "mode"),
    number("channels", "channels"),
    number("runs", "runs"),
    number("span", "span"),
    number("predicted", "predicted ns"),
    number("measured", "measured ns"),
)
_EXPORT_COLUMNS = (
    Column("export", "export", style="bold"),
    number("whole_ms", "whole ms", milliseconds),
    number("predicted_ms", "predicted ms", milliseconds),
    number("measured_ms", "measured ms", milliseconds),
)
#: What each coefficient of a price is multiplied with.
_TERMS = {"gather": ("", "n"), "cat": ("", "n", "r"), "cover": ("(s-n)",), "split": ("(r-1)",)}


@click.command()
@click.argument("model", metavar="MODEL")
@model_options(default_size=224)
@seed_option
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="PyTorch's threads within operators.",
)
@click.option("--channels-last", is_flag=True, help="Time values in this memory format.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64", "float16", "bfloat16"]),
    help="Type of the values; else that of the model.",
)
@click.option("--device", metavar="NAME", help="Such as cuda; else where the model is.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0.0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for measurements; every kind of site is measured a few times however short it is.",
)
@click.option(
    "--cache",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where times are looked up and kept; else a file in the user's cache folder.",
)
@click.option("--no-cache", is_flag=True, help="Measure everything, and keep nothing.")
@click.option(
    "--check",
    is_flag=True,
    help="Compare with fresh measurements at other sizes, and with the times of whole exports.",
)
@table_format
def command(
    model: str,
    pruning: ModelSettings,
    seed: int,
    threads: int,
    channels_last: bool,
    dtype: str | None,
    device: str | None,
    budget: float,
    cache: Path | None,
    no_cache: bool,
    check: bool,
    form: str,
) -> int:
    """Time the ways to serve each access of MODEL, and fit prices in nanoseconds.

    MODEL is as for 'export'. An access that wants n channels, in r runs over a span of s positions,
    may be served by a view (which the prices are relative to), a gather, a concatenation of
    slices, one slice that covers them all, or one partial operation per run. Times are kept for
    the next run on the same hardware with the same PyTorch.
    """
    if no_cache and cache is not None:
        raise InputError("--cache and --no-cache exclude each other")
    with monitor([model]) as shown:
        prepared = prepare(model, pruning, seed, shown.start)
        from reorder_solver.torch_adapter import prices
        from reorder_solver.torch_adapter.usage import Usage

        memory_format = "channels_last" if channels_last else "contiguous"
        usage = Usage(pruning.batch, memory_format, threads=threads)
        settings = {"seed": seed, "budget_s": budget}
        found = prices.sites_of(prepared.extraction, usage)
        sites = {
            name: replace(site, dtype=dtype or site.dtype, device=device or site.device)
            for name, site in found.items()
        }
        with _warnings_as_lines(prices.TimingCacheWarning):
            place = None if no_cache else cache or prices.default_path()
            kept = prices.TimingCache(place)
            begin = time.perf_counter()
            calibrated = prices.calibrate_sites(
                list(sites.values()), budget, kept, _said(shown.start, "timing")
            )
            spent = round(time.perf_counter() - begin, 3)
            compared, exports = None, []
            if check:
                compared = prices.check_sites(calibrated, budget, _said(shown.start, "checking"))
                if dtype is None and device is None:
                    shown.start("timing exports")
                    exports = _whole(prepared, usage, kept, settings)
    rows = [_row(name, each) for name, each in zip(sites, calibrated, strict=True)]
    checks = _check_rows(list(sites), compared or [])
    correlations = _correlations(checks) if check else None
    if form == "csv":
        print_csv(checks if check else [_flat(row) for row in rows])
    elif form == "json":
        document = {"model": model, "seconds": spent, "sites": rows}
        print_json(
            document
            | (
                {"checks": checks, "rank_correlation": correlations, "exports": exports}
                if check
                else {}
            )
        )
    else:
        _print(model, rows, calibrated, spent)
        if correlations is not None:
            _print_checks(checks, correlations)
            _print_exports(exports)
    return 0


def _whole(
    prepared: Prepared, usage: Usage, cache: TimingCache, settings: Mapping[str, Any]
) -> list[Row]:
    """What copies take in whole exports, predicted and measured."""
    from reorder_solver.torch_adapter.sanity import compare_exports
    from reorder_solver.torch_adapter.usage import as_called

    inputs = as_called(prepared.inputs, usage)
    with quiet():
        found = compare_exports(prepared.extraction, inputs, usage, cache=cache, **settings)
    return [asdict(one) for one in found]


def _row(name: str, calibration: Calibration) -> Row:
    site = calibration.site
    return {
        "access": name,
        "operator": _operator(site),
        "shape": list(site.shape),
        "channels": site.channels,
        "dtype": site.dtype,
        "memory_format": site.memory_format,
        "device": site.device,
        "threads": site.threads,
        "prices": {mode: list(found) for mode, found in calibration.prices.to_mapping().items()},
        "errors": {mode.value: error for mode, error in calibration.fit.errors.items()},
        "from_cache": calibration.from_cache,
    }


def _operator(site: AccessSite) -> str:
    parts = [site.operator, f"{site.out_channels} out"]
    if site.kernel:
        parts.insert(1, "x".join(map(str, site.kernel)))
        if max(site.stride) > 1:
            parts.append(f"stride {max(site.stride)}")
    return " ".join(parts)


def _flat(row: Row) -> Row:
    """A row without lists, for CSV and tables."""
    prices = {mode: _formula(mode, found) for mode, found in row["prices"].items()}
    plain = {key: value for key, value in row.items() if key not in ("prices", "errors", "shape")}
    shape = "x".join(map(str, row["shape"]))
    error = max(row["errors"].values(), default=None)
    return plain | {"shape": shape, "error": error} | dict.fromkeys(PRICE_ARITY) | prices


def _formula(mode: str, coefficients: Sequence[int]) -> str:
    """A price as a sum: ``1200 + 31n``."""
    pairs = zip(coefficients, _TERMS[mode], strict=True)
    return " + ".join(f"{factor}{term}" for factor, term in pairs if factor) or "0"


def _check_rows(names: Sequence[str], compared: Sequence[Sequence[Comparison]]) -> list[Row]:
    return [
        {
            "access": name,
            "mode": each.point.mode.value,
            "channels": each.point.channels,
            "runs": each.point.runs,
            "span": each.point.span,
            "predicted": each.predicted,
            "measured": round(each.measured),
        }
        for name, found in zip(names, compared, strict=False)
        for each in found
    ]


def _correlations(rows: Sequence[Row]) -> dict[str, float | None]:
    """Spearman's rank correlation of predicted and measured, per mode and over all.

    Accesses that share a site share its measurements, which count once.
    """
    from scipy.stats import spearmanr

    keys = [column.key for column in _CHECK_COLUMNS if column.key != "access"]
    rows = list({tuple(row[key] for key in keys): row for row in rows}.values())

    found: dict[str, float | None] = {}
    for mode in (*PRICE_ARITY, "all"):
        mine = [row for row in rows if mode in ("all", row["mode"])]
        predicted = [row["predicted"] for row in mine]
        measured = [row["measured"] for row in mine]
        # Where one side does not vary there is nothing to rank.
        varied = min(len(set(predicted)), len(set(measured))) > 1
        found[mode] = float(spearmanr(predicted, measured).statistic) if varied else None
    return found


def _print(
    model: str,
    rows: Sequence[Row],
    calibrated: Sequence[Calibration],
    spent: float,
) -> None:
    kinds = {each.site.rounded(): each.from_cache for each in calibrated}
    print_line(
        f"{model}: {counted(len(rows), 'access', 'accesses')} at {counted(len(kinds), 'kind')} of "
        f"site, {sum(kinds.values())} known before, {seconds(spent)}; prices in ns beyond a view"
    )
    print_table([_flat(row) for row in rows], _COLUMNS)


def _print_exports(exports: Sequence[Row]) -> None:
    if exports:
        print_line("")
        print_line("copies in whole exports: by prices, and beyond the time with free copies")
        print_table(exports, _EXPORT_COLUMNS)


def _print_checks(checks: Sequence[Row], correlations: dict[str, float | None]) -> None:
    print_line("")
    print_line("fresh measurements at other sizes")
    print_table(checks, _CHECK_COLUMNS)
    parts = [
        f"{mode} {'-' if value is None else format(value, '.2f')}"
        for mode, value in correlations.items()
    ]
    print_line(f"rank correlation of predicted and measured: {', '.join(parts)}")


def _said(start: Callable[[str], object], what: str) -> Callable[[int, int], object]:
    """Progress as a line: ``timing: site 3 of 24``."""
    return lambda done, count: start(f"{what}: site {done + 1} of {count}")


@contextmanager
def _warnings_as_lines(category: type[Warning]) -> Iterator[None]:
    """Warnings of this category as lines of this program; others are dropped."""
    with quiet(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", category)
        yield
    said: dict[str, Any] = dict.fromkeys(str(each.message) for each in caught)
    for message in said:
        complain(message)
