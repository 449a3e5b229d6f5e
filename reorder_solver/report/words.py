"""How numbers, names and outcomes are written, the same in every kind of report."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from reorder_solver.bench.record import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.report.statistics import Interval

#: What is said of a run that is no answer of the solver.
OUTCOMES = {
    Outcome.SOLVED: "solved",
    Outcome.INFEASIBLE: "infeasible",
    Outcome.NO_SOLUTION: "no layout",
    Outcome.UNSUPPORTED: "refused",
    Outcome.TIMEOUT: "killed at the limit",
    Outcome.MEMORY: "out of memory",
    Outcome.CRASH: "crashed",
    Outcome.ERROR: "error",
}


def visible(text: str) -> str:
    """`text` with every character that shows nothing, or turns others around, as its escape."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode("ascii")
        for one in text
    )


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sorting key in which ``a2`` comes before ``a10``."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(0, int(part), part) if part[0].isdecimal() else (1, 0, part) for part in parts]


def count(number: int, one: str, many: str | None = None) -> str:
    """A number and what it counts."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def integer(value: float | None) -> str:
    """A whole number, a dash for none."""
    return "–" if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """A share as a percentage with three digits at most; a dash for none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    scaled = 100 * value
    if scaled == 0:
        return "0 %"
    if scaled < 0.01:
        return "<0.01 %"
    if scaled < 1:
        return f"{scaled:.2f} %"
    # Not all is not 100 %.
    return f"{scaled:.1f} %" if scaled < 99.95 or scaled == 100 else "99.9 %"


def duration(value: float | None) -> str:
    """Seconds with about three digits; a dash for none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    if value == 0:
        return "0 s"
    if value < 0.001:
        return "<1 ms"
    if value < 1:
        return f"{1000 * value:.3g} ms" if value < 0.9995 else "1 s"
    if value < 600:
        return f"{value:.3g} s" if value < 100 else f"{value:.0f} s"
    return f"{value / 60:,.0f} min"


def ratio(value: float) -> str:
    """A ratio with about three digits."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    return f"{value:.3f}" if value < 10 else f"{value:,.1f}"


def p_value(value: float) -> str:
    """A p-value: small ones only as small."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def size(number: float) -> str:
    """Bytes in a fitting unit."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} GiB"


def between(interval: Interval, form: object = percent) -> str:
    """An estimate and its interval."""
    assert callable(form)
    if math.isnan(interval.value):
        return "–"
    return f"{form(interval.value)} [{form(interval.low)}, {form(interval.high)}]"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names in a sentence; beyond `most` only their number."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
