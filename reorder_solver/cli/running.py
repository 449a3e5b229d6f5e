"""Running the solver for a command: verified results, baselines, and progress on a terminal."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from reorder_solver.cli.exits import printable
from reorder_solver.core.errors import InputError, UnsupportedError
from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.layout import Layout
from reorder_solver.core.result import StopReason
from reorder_solver.core.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reorder_solver.cli.options import SolveSettings
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.result import Progress, Result

#: What a result is compared with: a plain export and the paper's order.
BASELINES = ("identity", "upscale")


def solve_verified(
    instance: Instance,
    settings: SolveSettings,
    *,
    source: str = "",
    warm_start: Layout | None = None,
    callback: Callable[[Progress], None] | None = None,
) -> Result:
    """Solve `instance` and check the result independently; errors name `source`."""
    from reorder_solver.solve import solve

    try:
        result = solve(
            instance,
            objective=settings.objective,
            backend=settings.backend,
            time_limit=settings.time_limit,
            seed=settings.seed,
            threads=settings.threads,
            warm_start=warm_start,
            callback=callback,
        )
    except InputError as error:
        raise error.located(source) from None
    except UnsupportedError as error:
        raise UnsupportedError(f"{source}: {error}" if source else str(error)) from None
    verify(instance, result)
    return result


def baselines(instance: Instance, settings: SolveSettings) -> dict[str, Any]:
    """Cost, views, runs and seconds of the original order and of the paper's.

    None where the order breaks a required access, or the backend does not take the instance.
    A Ctrl-C meanwhile raises :class:`KeyboardInterrupt`.
    """
    plain = evaluate(instance, Layout.identity(instance), settings.objective)
    found: dict[str, Any] = {
        "identity_cost": plain.total,
        "identity_views": plain.views,
        "identity_runs": plain.runs,
        "upscale_cost": None,
        "upscale_views": None,
        "upscale_runs": None,
        "upscale_seconds": None,
    }
    return found | _upscale(instance, settings)


def _upscale(instance: Instance, settings: SolveSettings) -> dict[str, Any]:
    from dataclasses import replace

    try:
        result = solve_verified(instance, replace(settings, backend="upscale"))
    except UnsupportedError:
        return {}
    if result.stop_reason is StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    if result.layout is None:
        return {}
    return {
        "upscale_cost": result.cost,
        "upscale_views": result.views,
        "upscale_runs": result.runs,
        "upscale_seconds": round(result.times["total"], 6),
    }


class Monitor(Protocol):
    """Shows how far a command is."""

    def start(self, name: str) -> Callable[[Progress], None]:
        """Begin the next item; the returned function is told of improvements."""

    def done(self) -> None:
        """The item is finished."""


class _Silent:
    def start(self, name: str) -> Callable[[Progress], None]:
        return lambda progress: None

    def done(self) -> None:
        return None


def monitor(names: Sequence[str]) -> AbstractContextManager[Monitor]:
    """A progress bar over `names` on the error stream if that is a terminal, else nothing."""
    if not sys.stderr.isatty():
        return nullcontext(_Silent())
    return _Bar(len(names))


class _Bar:
    """One bar for all items, with the best cost and bound of the current one."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.progress import Progress as RichProgress

        several = (BarColumn(bar_width=20), MofNCompleteColumn()) if total > 1 else ()
        self._progress = RichProgress(
            SpinnerColumn(),
            *several,
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(file=sys.stderr, emoji=False),
            transient=True,
        )
        self._task = self._progress.add_task("", total=total)

    def __enter__(self) -> Monitor:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def start(self, name: str) -> Callable[[Progress], None]:
        shown = printable(name)
        self._progress.update(self._task, description=shown)

        def improved(progress: Progress) -> None:
            cost = "-" if progress.cost is None else f"{progress.cost:,}"
            bound = "-" if progress.lower_bound is None else f"{progress.lower_bound:,}"
            self._progress.update(self._task, description=f"{shown}  cost {cost}  bound {bound}")

        return improved

    def done(self) -> None:
        self._progress.advance(self._task)
