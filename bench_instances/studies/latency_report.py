"""What `export_latency.py` prints: a line per network and setting, and geometric means."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from study import Row, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: `optimal` in the memory format it is called in, whatever is faster.
KEPT = "kept"
#: `upscale` in the other memory format: the images are converted first, and the weights are, too.
CONVERTED = "converted"
#: Whichever of `upscale` and `converted` is faster for a network.
FASTER = "faster upscale"
EXPORTS = ("naive", "upscale", "optimal", "constrained", "oracle", KEPT, CONVERTED)
#: The masked network as it is, for comparison.
ORIGINAL = "original"
RIVALS = ("naive", "upscale", "oracle", KEPT, CONVERTED, ORIGINAL)
#: The ratios of each network.
_PAIRS = {rival: f"optimal/{rival}" for rival in RIVALS} | {"kept_upscale": f"{KEPT}/upscale"}
_COPIERS = (ORIGINAL, *EXPORTS)


def report(rows: Sequence[Row]) -> None:
    """The table, and geometric means per export, rival and setting."""
    columns = {"model": "model", "amount": "amount", "batch": "batch", "threads": "threads"}
    columns |= {"ms": "optimal ms"}
    columns |= {rival: pair.replace("/", " / ") for rival, pair in _PAIRS.items()}
    columns |= {"rounds": "rounds"}
    show("latency: ratios of medians (95 % interval)", columns, [_line(row) for row in rows])
    report_copies(rows)
    groups: dict[str, list[Row]] = {}
    for row in rows:
        name = f"amount {row['amount']}, batch {row['batch']}, threads {row['threads']}"
        groups.setdefault(name, []).append(row)
    everything = {**groups, "all": list(rows)} if len(groups) > 1 else groups
    pairs = [("upscale", "naive"), (KEPT, "upscale"), (CONVERTED, "upscale")]
    pairs += [("optimal", rival) for rival in (*RIVALS, FASTER)]
    means = [
        {"group": name, "rows": len(mine)}
        | {f"{one}/{rival}": geometric_mean(_values(mine, one, rival)) for one, rival in pairs}
        for name, mine in everything.items()
    ]
    headings = {"group": "geometric means", "rows": "rows"}
    show("", headings | {f"{one}/{rival}": f"{one} / {rival}" for one, rival in pairs}, means)


def report_copies(rows: Sequence[Row]) -> None:
    """What copies write, in megabytes, and relative to the original and to two rivals."""
    # Threads may change hidden copies; the first setting stands for all where they do not.
    kept: dict[str, Row] = {}
    for row in rows:
        facts = {name: row[name] for name in ("model", "amount", "batch")}
        copied = row["copied"]
        megabytes = {name: copied[name] / 1e6 if name in copied else None for name in _COPIERS}
        ratios = {f"optimal/{rival}": _share(copied, rival) for rival in RIVALS}
        kept.setdefault(json.dumps([facts, copied]), facts | megabytes | ratios)
    columns = {"model": "model", "amount": "amount", "batch": "batch"}
    columns |= {name: f"{name} MB" for name in _COPIERS}
    columns |= {f"optimal/{rival}": f"optimal / {rival}" for rival in RIVALS}
    show("bytes that copies write", columns, list(kept.values()))


def _share(copied: dict[str, int], rival: str) -> float | None:
    if "optimal" not in copied or not copied.get(rival):
        return None
    return copied["optimal"] / copied[rival]


def _line(row: Row) -> Row:
    found = {name: row[name] for name in ("model", "amount", "batch", "threads", "rounds")}
    found["ms"] = row["quartiles_ms"].get("optimal", [None] * 3)[1]
    for rival, pair in _PAIRS.items():
        ratio = row["ratios"].get(pair)
        found[rival] = "{:.3f} ({:.3f}-{:.3f})".format(*ratio) if ratio else None
    return found


def _values(rows: Iterable[Row], one: str, rival: str) -> list[float]:
    rivals = ("upscale", CONVERTED) if rival == FASTER else (rival,)
    found = ([row["ratios"].get(f"{one}/{each}") for each in rivals] for row in rows)
    return [max(ratio[0] for ratio in ratios) for ratios in found if all(ratios)]


def geometric_mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None
