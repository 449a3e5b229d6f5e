"""Sanity: what prices predict that the copies of whole exports take, beside what they do take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.layout import Layout
from reorder_solver.core.prices import Objective, PriceList
from reorder_solver.solve import solve
from reorder_solver.torch_adapter.apply import apply
from reorder_solver.torch_adapter.latency import compare_latency
from reorder_solver.torch_adapter.pricing import with_prices
from reorder_solver.torch_adapter.transformed_plan import Transformations

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.result import Result
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.prices import TimingCache
    from reorder_solver.torch_adapter.usage import Usage

_FREE = " without copies"


@dataclass(frozen=True, slots=True)
class ExportComparison:
    """An export, and what its copies take by prices and by the clock.

    Attributes
    ----------
    export : str
    whole_ms : float
        Median time of the export.
    predicted_ms : float
        The cost of its layout: the sum of the prices of its accesses.
    measured_ms : float
        Median of what it takes longer than the same export with each copy replaced by a slice of
        the right size.
    """

    export: str
    whole_ms: float
    predicted_ms: float
    measured_ms: float


def compare_exports(
    plain: Extraction,
    inputs: Any,
    usage: Usage,
    *,
    rounds: int = 20,
    budget_s: float = 60.0,
    cache: TimingCache | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> list[ExportComparison]:
    """Compare predicted with measured times for the exports naive, upscale and optimal.

    Parameters
    ----------
    plain : Extraction
        Without transformations.
    inputs : tensor, tuple of tensors, or mapping of str to tensor
        Of the batch size and memory format of `usage`.
    usage : Usage
    rounds : int
        Of timing all exports in turn.
    budget_s : float
        Seconds for measuring prices that the cache does not have.
    cache : TimingCache, optional
        As for :func:`with_prices`.
    time_limit : float
        Seconds for each layout.
    seed : int

    Notes
    -----
    All three are written with the kernels that the prices are of, those of `optimal`: what
    :func:`compact` returns for `naive` and `upscale` chooses channels with ``index_select``.
    What concatenations of the model write is in no price, since no layout changes it, and a copy
    at its place in a network may find its input in a faster cache than it does by itself.
    """

    def priced(extraction: Extraction) -> Extraction:
        return with_prices(extraction, usage, budget_s=budget_s, cache=cache)

    whole = priced(plain)
    gathered = whole.instance.replace(
        accesses=tuple(
            replace(one, prices=PriceList(gather=one.prices.gather) if one.prices else None)
            for one in whole.instance.accesses
        )
    )
    problem = priced(plain.transformed(Transformations(multiply=usage.multiply), usage))
    identity = Layout.identity(plain.instance)
    upscale = solve(plain.instance, "bytes", "upscale", time_limit=time_limit, seed=seed).layout
    best = solve(problem.instance, "latency", time_limit=time_limit, seed=seed)
    assert upscale is not None
    assert best.layout is not None
    cases: dict[str, tuple[Extraction, Layout | Result, Layout, Instance]] = {
        "naive": (whole, identity, identity, gathered),
        "upscale": (whole, upscale, upscale, gathered),
        "optimal": (problem, best, best.layout, problem.instance),
    }
    form = torch.channels_last if usage.is_last else torch.contiguous_format
    modules = {
        f"{name}{ending}": apply(extraction, choice, free_copies=bool(ending)).to(
            memory_format=form
        )
        for name, (extraction, choice, *_) in cases.items()
        for ending in ("", _FREE)
    }
    # Copies are a small part of the whole: time spent waiting for other programs would hide them.
    is_steady = usage.threads == 1 and plain.device.type == "cpu"
    clock = "cpu" if is_steady else "wall"
    table = compare_latency(modules, inputs, rounds, usage.threads, clock=clock)
    times = dict(zip(table.names, table.samples.T, strict=True))
    found = []
    for name, (_, _, layout, instance) in cases.items():
        cost = evaluate(instance, layout, Objective.LATENCY).total
        assert cost is not None, "the adapter makes no required accesses"
        longer = times[name] - times[f"{name}{_FREE}"]
        middle = (float(np.median(each)) / 1e6 for each in (times[name], longer))
        whole_ms, measured_ms = middle
        found.append(ExportComparison(name, whole_ms, cost / 1e6, measured_ms))
    return found
