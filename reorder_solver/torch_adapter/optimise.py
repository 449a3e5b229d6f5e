"""Optimise: solve the problem a model poses, and see whether shared copies make it cheaper."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reorder_solver.core.prices import Objective
from reorder_solver.core.result import StopReason
from reorder_solver.solve import solve
from reorder_solver.torch_adapter.apply import apply
from reorder_solver.torch_adapter.format_contest import share_of_time
from reorder_solver.torch_adapter.image_format import other_format
from reorder_solver.torch_adapter.partial_sums import partial_operands
from reorder_solver.torch_adapter.pricing import (
    with_faster_kernels,
    with_prices,
    worthwhile_sums,
)
from reorder_solver.torch_adapter.share import shared_copies, written_bytes
from reorder_solver.torch_adapter.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from reorder_solver.core.result import Result
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.partial_sums import PartialOperand
    from reorder_solver.torch_adapter.transformed_plan import Transformations
    from reorder_solver.torch_adapter.usage import Usage


#: A network in another memory format that takes no less than this is not worth a conversion.
_FASTER = 0.97


@dataclass(frozen=True, slots=True)
class SolverSettings:
    """How to solve: what :func:`reorder_solver.solve.solve` or another solver is called with."""

    objective: str
    time_limit: float | None
    seed: int
    threads: int
    backend: str = "auto"
    solver: Callable[..., Result] = solve

    def bytes(self) -> SolverSettings:
        """The same for the objective ``bytes``."""
        return replace(self, objective=Objective.BYTES.value)

    def solve(self, extraction: Extraction, backend: str | None = None) -> Result:
        """Solve the extraction's instance."""
        return self.solver(
            extraction.instance,
            objective=self.objective,
            backend=backend or self.backend,
            time_limit=self.time_limit,
            seed=self.seed,
            threads=self.threads,
        )

    def without(self, seconds: float) -> SolverSettings | None:
        """The settings with less time; None if none is left."""
        if self.time_limit is None:
            return self
        left = self.time_limit - seconds
        return replace(self, time_limit=left) if left > 0 else None

    def after(self, result: Result) -> SolverSettings | None:
        """The settings for what follows a result; None if that must be nothing."""
        if result.stop_reason is StopReason.INTERRUPTED:
            return None
        return self.without(result.times["total"])

    def priced(self, extraction: Extraction, example_inputs: Any = None) -> Extraction:
        """The extraction with prices, if the objective needs them.

        The example inputs say how it is going to be called where the extraction does not.
        """
        if Objective.parse(self.objective) is not Objective.LATENCY:
            return extraction
        usage = extraction.usage or usage_of(example_inputs)
        return with_prices(extraction, usage)


@dataclass(frozen=True, slots=True, eq=False)
class _Solved:
    """A problem, its solution, and the settings for whatever follows; None for nothing."""

    extraction: Extraction
    result: Result
    left: SolverSettings | None


def best_transformed(
    plain: Extraction, allowed: Transformations, settings: SolverSettings, example_inputs: Any
) -> tuple[Extraction, Result]:
    """The cheapest way found to lay a model out with the transformations allowed.

    Shared copies are planned by bytes, for the layout with the fewest; they are kept if the
    problem with them has the cheaper solution. For the objective ``latency``, the network is then
    timed in the other memory format of images, and solved again for that one if it is faster. The
    time limit is for all solving together; after an interruption, the best so far is returned.
    """
    is_timed = Objective.parse(settings.objective) is Objective.LATENCY
    usage = usage_of(example_inputs, multiply=allowed.multiply, late=allowed.late and not is_timed)
    found = _solved(plain, allowed, settings, usage)
    if is_timed and allowed.memory_format:
        # What is solved by now is not lost.
        with suppress(KeyboardInterrupt):
            found = _in_faster_format(plain, allowed, found, example_inputs)
    return found.extraction, found.result


def _in_faster_format(
    plain: Extraction, allowed: Transformations, found: _Solved, example_inputs: Any
) -> _Solved:
    """The solution for images in the other memory format, if the network is faster with that.

    The same layout serves to decide. It is kept if solving again, for which little time may be
    left, finds one that is measured to be slower.
    """
    extraction, result = found.extraction, found.result
    assert extraction.usage is not None
    other = other_format(plain.captured, extraction.usage)
    if other is None or result.layout is None or result.stop_reason is StopReason.INTERRUPTED:
        return found
    best = replace(found, extraction=replace(extraction, usage=other))
    share = _share(best, found, example_inputs)
    if share > _FASTER:
        return found
    if found.left is not None:
        again = _solved(plain, allowed, found.left, replace(other, convolved=frozenset()))
        change = _share(again, best, example_inputs)
        if change * _FASTER <= 1:
            best, share = again, share * change
    note = (
        f"images are computed in {other.memory_format}, in {share:.2f} of the time measured; "
        "costs are those of this memory format"
    )
    notes = (*best.extraction.notes, note)
    return replace(best, extraction=replace(best.extraction, notes=notes))


def _share(one: _Solved, other: _Solved, example_inputs: Any) -> float:
    """The time that one export takes over that of another; infinite where that is not known."""
    if one.result.layout is None:
        return math.inf
    module, present = (apply(each.extraction, each.result) for each in (one, other))
    share = share_of_time(module, present, example_inputs)
    return math.inf if share is None else share


def _solved(
    plain: Extraction, allowed: Transformations, settings: SolverSettings, usage: Usage
) -> _Solved:
    """The cheapest way found for one way to be called."""
    is_timed = Objective.parse(settings.objective) is Objective.LATENCY
    if is_timed:
        usage = with_faster_kernels(plain, usage)
    sums = _sums(plain, usage, is_timed=is_timed) if allowed.sums else []
    extraction = settings.priced(plain.transformed(allowed, usage, sums))
    result = settings.solve(extraction)
    left = settings.after(result)
    if not allowed.share or not result.cost:
        return _Solved(extraction, result, left)
    fewest = result
    if left is not None and Objective.parse(settings.objective) is not Objective.BYTES:
        fewest = left.bytes().solve(extraction)
        left = left.after(fewest)
    if left is None or fewest.layout is None:
        return _Solved(extraction, result, left)
    begin = time.perf_counter()
    copies = shared_copies(
        extraction.plan,
        fewest.layout,
        time_limit=left.time_limit,
        seed=settings.seed,
        threads=settings.threads,
    )
    left = left.without(time.perf_counter() - begin)
    if left is None or not copies:
        return _Solved(extraction, result, left)
    shared = settings.priced(extraction.with_copies(copies, allowed))
    rival = left.solve(shared)
    left = left.after(rival)
    if _total(shared, rival, settings) < _total(extraction, result, settings):
        return _Solved(shared, rival, left)
    return _Solved(extraction, result, left)


def _sums(plain: Extraction, usage: Usage, *, is_timed: bool) -> list[PartialOperand]:
    """The operands that sums are not to have whole: where that saves time, or copies nothing."""
    if is_timed:
        return worthwhile_sums(plain, usage)
    return [one for one in partial_operands(plain.facts) if one.copies_nothing]


def _total(extraction: Extraction, result: Result, settings: SolverSettings) -> float:
    """The cost of a layout and of what concatenations write."""
    if result.cost is None:
        return math.inf
    written = written_bytes(extraction.plan)
    if Objective.parse(settings.objective) is Objective.LATENCY:
        return result.cost + extraction.joins.byte * written
    return result.cost + (written if settings.objective == Objective.BYTES.value else 0)
