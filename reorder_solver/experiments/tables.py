"""Tables and figures of the rows: Markdown, CSV and PNG."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.experiments.fronts import points
from reorder_solver.experiments.latency_tables import (
    copies_section,
    flat_latency,
    front_figures,
    front_section,
    ratio_section,
)
from reorder_solver.experiments.markdown import markdown
from reorder_solver.experiments.summary import curve, gain, grouped, paired
from reorder_solver.formats.files import write_bytes
from reorder_solver.plot.curves import Curve, curves_picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reorder_solver.experiments.summary import Row

#: Compared with ``unconstrained``; a method that is to be ahead comes first.
_PAIRS = (
    ("unconstrained", "constrained"),
    ("unconstrained", "constrained-by-mean"),
    ("unconstrained", "zero-copy"),
    ("zero-copy", "constrained"),
)
_WAY = ("constrained", "zero-copy", "unconstrained")
_PAPER = (
    "Wan et al. 2023 (arXiv:2307.08771) report +2.1 points in the mean over their networks and "
    "amounts, and exports up to 52.8 % faster than naive ones."
)


def write_tables(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write everything that the rows allow.

    Parameters
    ----------
    rows : sequence of dict
        As :meth:`~reorder_solver.experiments.rows.RowFile.flat` gives them.
    folder : Path
        Made where missing.

    Returns
    -------
    list of Path
        ``report.md``, ``accuracy.csv``, ``gains.csv``, ``latency.csv`` and one picture per
        side, budget and kind of statistics, as far as there are rows for them.

    Raises
    ------
    InputError
        If a file cannot be written.
    MissingPackageError
        If matplotlib is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    accuracy = [row for row in rows if row["stage"] == "accuracy"]
    latency = [flat for row in rows if row["stage"] == "latency" for flat in flat_latency(row)]
    pairs = {pair: paired(accuracy, *pair) for pair in _PAIRS}
    gains = [
        {**row, "ahead_method": names[0], "behind_method": names[1]}
        for names, found in pairs.items()
        for row in found
    ]
    written: list[Path] = []
    for name, table in (("accuracy", accuracy), ("gains", gains), ("latency", latency)):
        if table:
            written.append(folder / f"{name}.csv")
            write_bytes(written[-1], _csv(table))
    written += _figures(accuracy, folder)
    written += front_figures(points(accuracy, latency), folder)
    written.append(folder / "report.md")
    write_bytes(written[-1], report(accuracy, latency).encode())
    return written


def report(accuracy: Sequence[Row], latency: Sequence[Row]) -> str:
    """The tables as Markdown."""
    lines = ["# Pruning trained networks", "", _PAPER, ""]
    lines += _networks(accuracy)
    for ahead, behind in _PAIRS:
        pairs = paired(accuracy, ahead, behind)
        for (side, budget, statistics), found in grouped(pairs, _setting).items():
            title = f"{ahead} minus {behind}, {side} side, {budget} budget, statistics {statistics}"
            lines += _gain_section(found, title)
    lines += _way_section(accuracy)
    lines += copies_section(latency)
    lines += ratio_section(latency)
    lines += front_section(points(accuracy, latency))
    return "\n".join(lines) + "\n"


def _networks(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    table: list[list[str]] = []
    for (data, name), here in grouped(rows, lambda row: (row["data"], row["architecture"])).items():
        by_seed = {row["seed"]: 100 * row["unpruned"] for row in here}
        numbers = list(by_seed.values())
        table.append([name, data, _spread(numbers), str(len(numbers))])
    return ["## Networks", "", *markdown(["network", "data", "top-1, %", "seeds"], table), ""]


def _gain_section(pairs: list[Row], title: str) -> list[str]:
    """By network and by score, each against the amount; and where the gain is none."""
    amounts = sorted({pair["amount"] for pair in pairs})
    whole = gain(pairs)
    lines = [
        f"## Top-1, {title}",
        "",
        f"Mean **{whole.mean:+.1f}** points (deviation over seeds {whole.deviation:.1f}), from "
        f"{whole.low:+.1f} to {whole.high:+.1f}; behind in {whole.behind} of {whole.count} "
        "comparisons.",
        *_while_useful(pairs),
        "",
    ]
    for what in ("architecture", "score"):
        table = []
        for name, here in grouped(pairs, lambda pair, key=what: pair[key]).items():  # type: ignore[misc]
            cells = grouped(here, lambda pair: pair["amount"])
            row = [f"{gain(cells[each]).mean:+.1f}" if each in cells else "" for each in amounts]
            over = gain(here)
            table.append(
                [
                    name,
                    *row,
                    f"{over.mean:+.1f} ± {over.deviation:.1f}",
                    f"{over.behind}/{over.count}",
                ]
            )
        heads = [what, *(f"{each:g}" for each in amounts), "mean", "behind"]
        lines += [*markdown(heads, table), ""]
    losing = [
        (gain(here).mean, *key)
        for key, here in grouped(pairs, lambda pair: (pair["architecture"], pair["score"])).items()
        if gain(here).mean < 0
    ]
    if losing:
        named = "; ".join(f"{name}, {score} ({mean:+.1f})" for mean, name, score in sorted(losing))
        lines += [f"Behind in the mean over amounts and seeds: {named}.", ""]
    return lines


def _way_section(accuracy: Sequence[Row]) -> list[str]:
    """How far zero-copy pruning goes from constrained to unconstrained, in means over the same."""
    lines: list[str] = []
    rows = [row for row in accuracy if row["method"] in _WAY]
    for setting, here in grouped(rows, _setting).items():
        table: list[list[str]] = []
        by_network = grouped(_common(here), lambda row: row["architecture"])
        for name, network in [*by_network.items(), ("all", _common(here))]:
            top1 = grouped(network, lambda row: row["method"])
            if set(top1) != set(_WAY):
                continue
            low, middle, high = (
                100 * float(np.mean([row["top1"] for row in top1[method]])) for method in _WAY
            )
            way = f"{(middle - low) / (high - low):.0%}" if high > low else "-"
            table.append([name, f"{low:.1f}", f"{middle:.1f}", f"{high:.1f}", way])
        if table:
            side, budget, statistics = setting
            title = f"{side} side, {budget} budget, statistics {statistics}"
            lines += [
                f"## From constrained (0 %) to unconstrained (100 %), {title}",
                "",
                *markdown(["network", *_WAY, "zero-copy is at"], table),
                "",
            ]
    return lines


def _while_useful(pairs: list[Row]) -> list[str]:
    """The gain where at least one of the two is still of use."""
    useful = [each for each in pairs if 2 * max(each["ahead"], each["behind"]) >= each["unpruned"]]
    if not useful:
        return []
    found = gain(useful)
    return [
        f"Where the better of the two keeps at least half of the unpruned top-1: {found.mean:+.1f} "
        f"points, behind in {found.behind} of {found.count}."
    ]


def _figures(accuracy: Sequence[Row], folder: Path) -> list[Path]:
    written: list[Path] = []
    for setting, rows in grouped(accuracy, _setting).items():
        panels: dict[str, dict[str, Curve]] = {}
        levels: dict[str, float] = {}
        for name, here in grouped(rows, lambda row: row["architecture"]).items():
            by_method = grouped(_common(here), lambda row: row["method"])
            panels[name] = {
                method: Curve(*curve([{**row, "y": 100 * row["top1"]} for row in each], "y"))
                for method, each in by_method.items()
            }
            if not panels[name]:
                del panels[name]
                continue
            levels[name] = float(np.mean([100 * row["unpruned"] for row in here]))
        if not panels:
            continue
        written.append(folder / f"accuracy-{'-'.join(setting)}.png")
        picture = curves_picture(panels, "share of channels dropped", "top-1, %", levels)
        write_bytes(written[-1], picture)
    return written


def _common(rows: Sequence[Row]) -> list[Row]:
    """The rows whose score, amount and seed every method has: curves are of the same things."""
    methods = {row["method"] for row in rows}
    point = ("architecture", "score", "amount", "seed", "weights")
    by_point = grouped(rows, lambda row: tuple(row[key] for key in point))
    return [
        row
        for here in by_point.values()
        if {each["method"] for each in here} == methods
        for row in here
    ]


def _setting(row: Row) -> tuple[str, str, str]:
    return row["side"], row["budget"], row["statistics"]


def _spread(numbers: Sequence[float]) -> str:
    deviation = np.std(numbers, ddof=1) if len(numbers) > 1 else 0.0
    return f"{np.mean(numbers):.1f} ± {deviation:.1f}"


def _csv(rows: Sequence[dict[str, Any]]) -> bytes:
    stream = io.StringIO()
    heads = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(stream, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()
