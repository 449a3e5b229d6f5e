"""Pricing: what the accesses of a model cost on this machine, for the objective ``latency``."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from reorder_solver.core.instance import Role
from reorder_solver.core.prices import PriceList
from reorder_solver.torch_adapter.joining import JoinCosts
from reorder_solver.torch_adapter.mixing import Mix
from reorder_solver.torch_adapter.operations import ChannelWise, Concatenation
from reorder_solver.torch_adapter.partial_sums import partial_operands
from reorder_solver.torch_adapter.prices import (
    calibrate_sites,
    sites_of,
    slower_products,
    slower_sums,
)
from reorder_solver.torch_adapter.sizes import elements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.partial_sums import PartialOperand
    from reorder_solver.torch_adapter.plan import PlannedAccess
    from reorder_solver.torch_adapter.prices import TimingCache
    from reorder_solver.torch_adapter.program import Operation, Value
    from reorder_solver.torch_adapter.usage import Usage

#: Calls whose median time is that of one.
_CALLS = 501


def with_prices(
    extraction: Extraction,
    usage: Usage,
    *,
    budget_s: float = 60.0,
    cache: TimingCache | None = None,
) -> Extraction:
    """The same problem with a price, in nanoseconds, for each way to serve each access.

    Parameters
    ----------
    extraction : Extraction
    usage : Usage
        How the export is going to be called; it is written for that.
    budget_s : float
        Seconds for measurements.
    cache : TimingCache, optional
        Where times are looked up and kept.

    Notes
    -----
    Reads are timed at their real size. A concatenation pays for each slice beyond the first per
    operand, or for bringing the operand into order before. Where channels may leave a value, the
    alternative to a copy is to keep them: then the layers that write the value make them too.
    """
    batch = usage.batch
    sites = sites_of(extraction, usage)
    measured = {
        access_id: calibration.prices
        for access_id, calibration in zip(
            sites, calibrate_sites(list(sites.values()), budget_s, cache), strict=True
        )
    }
    planned = extraction.plan.planned
    call = _call_ns()
    work = _Work(extraction, planned, measured, batch)
    prices = {
        access_id: _prices(planned[access_id], measured[access_id], call, work)
        for access_id in measured
    }
    accesses = tuple(
        replace(access, prices=prices[access.id]) for access in extraction.instance.accesses
    )
    costs = _join_costs(planned, measured, batch, call)
    instance = extraction.instance.replace(accesses=accesses)
    return replace(extraction, instance=instance, joins=costs, usage=usage)


def with_faster_kernels(
    extraction: Extraction,
    usage: Usage,
    *,
    budget_s: float = 20.0,
    cache: TimingCache | None = None,
) -> Usage:
    """The usage without those products that save no time over the convolutions they stand for.

    Parameters
    ----------
    extraction : Extraction
    usage : Usage
    budget_s : float
        Seconds for measurements.
    cache : TimingCache, optional
        Where times are looked up and kept.
    """
    sites = sites_of(extraction, usage)
    planned = extraction.plan.planned
    layers = {
        planned[access_id].operation: site for access_id, site in sites.items() if site.multiplied
    }
    slower = slower_products(list(layers.values()), budget_s, cache)
    convolved = {
        layer.node
        for layer, is_slower in zip(layers, slower, strict=True)
        if is_slower and isinstance(layer, Mix)
    }
    return replace(usage, convolved=frozenset(convolved))


def worthwhile_sums(
    extraction: Extraction,
    usage: Usage,
    *,
    budget_s: float = 20.0,
    cache: TimingCache | None = None,
) -> list[PartialOperand]:
    """The operands that sums had better not have whole, since that saves time.

    Parameters
    ----------
    extraction : Extraction
        With an access for each read of a layer.
    usage : Usage
    budget_s : float
        Seconds for measurements.
    cache : TimingCache, optional
        Where times are looked up and kept.
    """
    found = partial_operands(extraction.facts)
    if not found:
        return []
    sites = sites_of(extraction, usage)
    by_layer = {
        planned.layer.node: sites[access_id]
        for access_id, planned in extraction.plan.planned.items()
        if planned.layer is not None
    }
    timed = [
        (one, replace(by_layer[one.layer], out_channels=one.rows))
        for one in found
        if one.kept and by_layer[one.layer].has_operator
    ]
    slower = slower_sums([(site, one.kept) for one, site in timed], budget_s, cache)
    saving = [one for (one, _), is_slower in zip(timed, slower, strict=True) if not is_slower]
    return [one for one in found if not one.kept] + saving


class _Work:
    """What a channel more costs the layers that write a value."""

    def __init__(
        self,
        extraction: Extraction,
        planned: Mapping[str, PlannedAccess],
        measured: Mapping[str, PriceList],
        batch: int,
    ) -> None:
        self._facts = extraction.facts
        self._samples = extraction.captured.batch / batch
        found = []
        for access_id, one in planned.items():
            cover = measured[access_id].cover
            if isinstance(one.operation, Mix) and cover:
                output = one.operation.output
                assert output is not None
                rows = output.flow.width
                found.append(cover[0] / max(1.0, self._macs(one.operation) * rows))
        #: Per multiply-add, from what reading a channel more costs.
        self._ns = float(np.median(found)) if found else 0.0

    def _macs(self, operation: Mix) -> float:
        """Multiply-adds of one row and one column of the weight."""
        output = operation.output
        assert output is not None
        rows, columns = output.flow.width, operation.source.flow.width
        kernel = self._facts.attribute(operation.weights.name).numel() / (rows * columns)
        return kernel * elements(output.example) / rows / self._samples

    def of_writers(self, operation: Operation | None) -> int:
        """Nanoseconds for one channel more in every layer that an operation adds up."""
        if not isinstance(operation, ChannelWise):
            return 0
        total = 0.0
        for operand in operation.operands:
            value: Value = operand.value
            # Between the layer and the sum there is mostly a normalisation.
            while isinstance(value.operation, ChannelWise) and len(value.operation.operands) == 1:
                value = value.operation.operands[0].value
            if isinstance(value.operation, Mix):
                layer = value.operation
                ((_, wanted),) = layer.needs(self._facts.live(layer.output), self._facts)
                total += self._macs(layer) * float(layer.source.flow.sizes[wanted].sum())
        return int(total * self._ns)


def _prices(planned: PlannedAccess, measured: PriceList, call: float, work: _Work) -> PriceList:
    if isinstance(planned.operation, Concatenation):
        split = None if measured.cat is None else (measured.cat[2],)
        gather = measured.gather if planned.role is Role.READ else None
        return PriceList(split=split, gather=gather)
    if planned.role is Role.PASS and planned.bytes == 0:
        assert measured.gather is not None
        base, each = measured.gather
        kept = 2 * each + work.of_writers(planned.operation)
        return PriceList(gather=(base + int(call), each), cover=(kept,))
    if planned.copied:
        return PriceList(gather=measured.gather)
    return measured


def _join_costs(
    planned: Mapping[str, PlannedAccess],
    measured: Mapping[str, PriceList],
    batch: int,
    call: float,
) -> JoinCosts:
    """The medians over all selections that no layer reads."""
    slices, gathers, each = [], [], []
    for access_id, one in planned.items():
        prices = measured[access_id]
        if prices.cat is None or prices.gather is None:
            continue
        slices.append(prices.cat[2])
        gathers.append(prices.gather[0])
        if one.bytes:
            each.append(prices.gather[1] / (one.bytes * batch))
    if not slices:
        return JoinCosts()
    byte = float(np.median(each)) if each else 0.1
    gather = float(np.median(gathers)) + call
    return JoinCosts(float(np.median(slices)), gather, max(byte, 1e-6))


def _call_ns() -> float:
    """Time of a call that computes nothing: prices are relative to a view, which is one."""
    value = torch.zeros(1, 2, 1, 1)
    times = []
    for _ in range(_CALLS):
        begin = time.perf_counter_ns()
        torch.narrow(value, 1, 0, 1)
        times.append(time.perf_counter_ns() - begin)
    return float(np.median(times))
