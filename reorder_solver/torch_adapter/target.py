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


#: Slacks that are tried; see :func:`live_share`.
SLACKS = (1.0, 0.5, 0.25, 0.0)


def checked_target(target: Any) -> tuple[str, float, float | None]:
    """Kind and number of a target, and the live share if it is given.

    Raises
    ------
    InputError
        If it is not as :func:`compact` describes it.
    """
    given = dict(target) if isinstance(target, Mapping) else {"amount": target}
    live = given.pop("live", None)
    if len(given) != 1 or next(iter(given)) not in TARGETS:
        raise InputError(f"target must be a number, or name one of {', '.join(TARGETS)}")
    ((kind, number),) = given.items()
    try:
        demanded(number, live=1.0 if live is None else live)
    except InputError as error:
        raise InputError(error.rule.replace("amount", kind), source="target") from None
    return kind, float(number), None if live is None else float(live)


def live_share(amount: float, slack: float) -> float:
    """The share of the channels of a tensor that stay if `slack` of what readers drop may stay."""
    return 1 - amount * (1 - slack)


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
    Amounts of whole percents are searched by halving, as if what they achieve grew with them:
    for the live share that is given, or else for each of :data:`SLACKS`, from the loosest on.
    The less may live, the more an amount achieves; so no slack is tried beyond the amount of
    the one before. Of what meets the target, the most important is taken, or the one of least
    multiply-adds where the target is an importance.
    """
    kind, number, live = checked_target(target)
    pruner = WindowPruner(model, example_inputs, time_limit=time_limit, seed=seed)
    table = pruner.scores(scores) if isinstance(scores, str) else scores
    if kind == "amount":
        return pruner.prune(table, demanded(number, live=1.0 if live is None else live))
    report = export({})
    prices = measured_prices(model, example_inputs, report.before.macs)
    before = {"macs": report.before.macs, "latency": prices.predicted(report)}

    def met(found: WindowPruning) -> bool:
        if kind == "importance":
            return found.importance >= number
        after = export(found.masks)
        value = after.after.macs if kind == "macs" else prices.predicted(after)
        return value <= number * before[kind]

    best: list[WindowPruning] = []
    most = _MOST
    for slack in SLACKS if live is None else (1.0,):

        def pruned(percent: int, slack: float = slack) -> WindowPruning:
            amount = percent / 100
            share = live_share(amount, slack) if live is None else live
            return pruner.prune(table, demanded(amount, live=share))

        percent, found = _halved(pruned, met, most, upwards=kind == "importance")
        if found is not None:
            most = percent
            best.append(found)
    if not best:
        raise InputError(f"no amount up to {_MOST} % meets it", source="target")
    if kind == "importance" and len(best) > 1:
        return min(best, key=lambda each: export(each.masks).after.macs)
    return max(best, key=lambda each: each.importance)


def _halved(
    pruned: Callable[[int], WindowPruning],
    met: Callable[[WindowPruning], bool],
    most: int,
    *,
    upwards: bool,
) -> tuple[int, WindowPruning | None]:
    """The least percent that meets a target, or upwards the greatest, and what it gives."""
    best: tuple[int, WindowPruning | None] = (most, None)
    low, high = 0, most
    while low <= high:
        percent = (low + high) // 2
        found = pruned(percent)
        good = met(found)
        best = (percent, found) if good else best
        if good == upwards:
            low = percent + 1
        else:
            high = percent - 1
    return best
