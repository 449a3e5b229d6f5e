"""Tables and pictures of the latency stage: copies, ratios of times, fronts of top-1 over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reorder_solver.experiments.fronts import front_gains
from reorder_solver.experiments.markdown import markdown
from reorder_solver.experiments.summary import grouped
from reorder_solver.formats.files import write_bytes
from reorder_solver.plot.curves import Curve, curves_picture

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reorder_solver.experiments.summary import Row

_COMMON = (
    "data", "architecture", "seed", "weights", "score", "side", "budget", "amount", "rounds",
    "batch",
)  # fmt: skip
#: Whose front is to be above, and those below.
_AHEAD, _BEHIND = "zero-copy", ("constrained", "upscale", "optimal")
_SLACK = "zero-copy-slack-"


def flat_latency(row: Row) -> list[Row]:
    """One row per export and way of running it."""
    common = {key: row[key] for key in _COMMON}
    found: list[Row] = []
    for kind in ("eager", "compiled"):
        times = row.get(kind, {})
        if "failed" in times:
            continue
        for export, here in times.items():
            low, middle, high = here["ms"]
            least, ratio, most = here["of_naive"]
            found.append(
                {
                    **common,
                    "kind": kind,
                    "export": export,
                    "ms": middle,
                    "ms_low": low,
                    "ms_high": high,
                    "of_naive": ratio,
                    "of_naive_low": least,
                    "of_naive_high": most,
                    "of_unpruned": middle / times["unpruned"]["ms"][1],
                    **row["copies"].get(export, {}),
                }
            )
    return found


def copies_section(rows: Sequence[Row]) -> list[str]:
    """Accesses that copy, in the mean: what orders leave, and what constrained masks need."""
    lines: list[str] = []
    counted = [row for row in rows if "accesses" in row]
    for (side, budget), here in grouped(counted, lambda row: (row["side"], row["budget"])).items():
        exports = _exports(here)
        table = []
        for name, network in [*_by_network(here).items(), ("all", here)]:
            by_export = grouped(network, lambda row: row["export"])
            cells = (
                f"{np.mean([row['accesses'] for row in by_export[each]]):.1f}"
                if each in by_export
                else ""
                for each in exports
            )
            table.append([name, *cells])
        lines += [
            f"## Accesses that copy, {side} side, {budget} budget",
            "",
            "In the mean over everything that was timed. The oracle leaves out the copies that it "
            "needs, so that its outputs are wrong: it is a limit, no export.",
            "",
            *markdown(["network", *exports], table),
            "",
        ]
    return lines


def ratio_section(rows: Sequence[Row]) -> list[str]:
    """Times over those of the naive export."""
    lines: list[str] = []
    for (kind, batch, side, budget), here in grouped(
        rows, lambda row: (row["kind"], row["batch"], row["side"], row["budget"])
    ).items():
        exports = _exports(here)
        table = []
        for name, network in [*_by_network(here).items(), ("all", here)]:
            by_export = grouped(network, lambda row: row["export"])
            table.append([name, *(_ratio(by_export.get(each, [])) for each in exports)])
        lines += [
            f"## Latency over that of the naive export, {kind}, batch {batch}, {side} side, "
            f"{budget} budget",
            "",
            "Geometric mean (least to greatest) of ratios of medians.",
            "",
            *markdown(["network", *exports], table),
            "",
        ]
    return lines


def front_section(points: Sequence[Row]) -> list[str]:
    """By how much zero-copy pruning's front is above those of the others."""
    lines: list[str] = []
    for setting, here in grouped(points, _setting).items():
        slack = [each for each in _exports(here) if each.startswith(_SLACK)]
        families = {_AHEAD: [_AHEAD]} | (
            {f"{_AHEAD}, any slack": [_AHEAD, *slack]} if slack else {}
        )
        for name, exports in families.items():
            gains = {rival: front_gains(here, exports, rival) for rival in _BEHIND}
            if any(gains.values()):
                lines += _front_tables(name, setting, gains)
    return lines


def _front_tables(
    name: str, setting: tuple[str, str, str, str, int], gains: dict[str, list[Row]]
) -> list[str]:
    side, budget, statistics, kind, batch = setting
    lines = [
        f"## Front of {name} over measured latency, {kind}, batch {batch}, {side} side, "
        f"{budget} budget, statistics {statistics}",
        "",
        f"At the time of each point of another export: best top-1 of {name} in no more time, minus "
        "the best of the other, in points; the unpruned network belongs to every front. Mean (how "
        "often below, how often never as fast, of how many).",
        "",
    ]
    everything = [row for rows in gains.values() for row in rows]
    networks = list(dict.fromkeys(str(row["architecture"]) for row in everything))
    shares = sorted({float(row["amount"]) for row in everything})
    for what, heads in (("architecture", networks), ("amount", shares)):
        table = []
        for rival, rows in gains.items():
            cells = [_gain([row for row in rows if row[what] == head]) for head in heads]
            table.append([rival, *cells, _gain(rows)])
        lines += [*markdown(["points of", *map(str, heads), "all"], table), ""]
    return lines


def front_figures(points: Sequence[Row], folder: Path) -> list[Path]:
    """One picture per way of running: top-1 over time, means over seeds and scores."""
    written: list[Path] = []
    for setting, rows in grouped(points, _setting).items():
        panels: dict[str, dict[str, Curve]] = {}
        levels: dict[str, float] = {}
        for name, here in _by_network(rows).items():
            panels[name] = {
                export: _curve(each)
                for export, each in grouped(here, lambda row: row["export"]).items()
                if export in (_AHEAD, *_BEHIND) or export.startswith(_SLACK)
            }
            levels[name] = float(np.mean([row["unpruned"] for row in here]))
        written.append(folder / f"front-{'-'.join(str(each) for each in setting)}.png")
        picture = curves_picture(panels, "time over that of the unpruned", "top-1, %", levels)
        write_bytes(written[-1], picture)
    return written


def _curve(rows: Sequence[Row]) -> Curve:
    by_amount = dict(sorted(grouped(rows, lambda row: row["amount"]).items()))
    times = [float(np.mean([row["time"] for row in here])) for here in by_amount.values()]
    tops = [float(np.mean([row["top1"] for row in here])) for here in by_amount.values()]
    return Curve(times, tops, [0.0] * len(times))


def _setting(row: Row) -> tuple[str, str, str, str, int]:
    return row["side"], row["budget"], row["statistics"], row["kind"], row["batch"]


def _by_network(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return grouped(rows, lambda row: row["architecture"])


def _exports(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["export"] for row in rows))


def _gain(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    gains = [row["gain"] for row in rows if row["gain"] is not None]
    below = sum(1 for each in gains if each < 0)
    mean = f"{np.mean(gains):+.1f}" if gains else "-"
    return f"{mean} ({below}, {len(rows) - len(gains)}, {len(rows)})"


def _ratio(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    ratios = np.array([row["of_naive"] for row in rows])
    return f"{np.exp(np.log(ratios).mean()):.3f} ({ratios.min():.3f}-{ratios.max():.3f})"
