"""Target: windows for an amount, or for what they are to achieve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.prediction import measured_prices
from reorder_solver.torch_adapter.window_pruning import WindowPruner, demanded

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from reorder_solver.torch_adapter.masks import Masks
    from reorder_solver.torch_adapter.report import Report
    from reorder_solver.torch_adapter.scores import Scores
    from reorder_solver.torch_adapter.window_pruning import WindowPruning

TARGETS = ("amount", "macs", "latency", "importance")
#: Amounts that are tried, in percent.
_MOST = 95


def checked_target(target: Any) -> tuple[str, float, float]:
    """Kind and number of a target, and the live share.

    Raises
    ------
    InputError
        If it is not as :func:`compact` describes it.
    """
    given = dict(target) if isinstance(target, Mapping) else {"amount": target}
    live = given.pop("live", 1.0)
    if len(given) != 1 or next(iter(given)) not in TARGETS:
        raise InputError(f"target must be a number, or name one of {', '.join(TARGETS)}")
    ((kind, number),) = given.items()
    try:
        demanded(number, live=live)
    except InputError as error:
        raise InputError(error.rule.replace("amount", kind), source="target") from None
    return kind, float(number), float(live)


def windows_for(
    model: nn.Module,
    example_inputs: Any,
    scores: str | Scores,
    target: Any,
    export: Callable[[Masks], Report],
    *,
    time_limit: float | None,
    seed: int,
) -> WindowPruning:
    """Zero-copy masks for a target; see :func:`compact`.

    Parameters
    ----------
    export : callable
        From masks to the report of an export.

    Notes
    -----
    Amounts of whole percents are searched by halving, as if what they achieve grew with them.
    """
    kind, number, live = checked_target(target)
    pruner = WindowPruner(model, example_inputs, time_limit=time_limit, seed=seed)
    table = pruner.scores(scores) if isinstance(scores, str) else scores
    if kind == "amount":
        return pruner.prune(table, demanded(number, live=live))
    report = export({})
    prices = measured_prices(model, example_inputs, report.before.macs)
    before = {"macs": report.before.macs, "latency": prices.predicted(report)}

    def met(found: WindowPruning) -> bool:
        if kind == "importance":
            return found.importance >= number
        after = export(found.masks)
        value = after.after.macs if kind == "macs" else prices.predicted(after)
        return value <= number * before[kind]

    best: WindowPruning | None = None
    low, high = 0, _MOST
    while low <= high:
        percent = (low + high) // 2
        found = pruner.prune(table, demanded(percent / 100, live=live))
        good = met(found)
        best = found if good else best
        if good == (kind == "importance"):
            low = percent + 1
        else:
            high = percent - 1
    if best is None:
        raise InputError(f"no amount up to {_MOST} % meets it", source="target")
    return best
