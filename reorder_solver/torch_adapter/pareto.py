"""Pareto: importance against predicted latency, over amounts, live shares and paid copies."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.errors import InputError
from reorder_solver.formats.files import write_bytes
from reorder_solver.torch_adapter.compact import compact
from reorder_solver.torch_adapter.extract import extract
from reorder_solver.torch_adapter.prediction import measured_prices
from reorder_solver.torch_adapter.pruning import Pruner
from reorder_solver.torch_adapter.window_pruning import SIDES, WindowPruner, demanded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from reorder_solver.torch_adapter.masks import Kept
    from reorder_solver.torch_adapter.prediction import LatencyPrices
    from reorder_solver.torch_adapter.scores import Scores
    from reorder_solver.torch_adapter.window_problem import Demand
    from reorder_solver.torch_adapter.window_survey import Key

Pruned = dict[str, dict[str, "Kept"]]


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One way to prune a network.

    Attributes
    ----------
    method : {"constrained", "zero-copy", "paid", "unconstrained"}
    amount, live, paid : float
        Share of the channels dropped by each layer, of those of each tensor that may stay, and
        of the layers that pay for a copy.
    importance : float
        Share of the scores kept.
    latency : float
        Predicted, nanoseconds per sample.
    macs, copied : int
        Multiply-adds and bytes copied per sample to choose channels.
    masks : dict
    """

    method: str
    amount: float
    live: float
    paid: float
    importance: float
    latency: float
    macs: int
    copied: int
    masks: Pruned = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data without the masks."""
        return {name: getattr(self, name) for name in _COLUMNS}


_COLUMNS = ("method", "amount", "live", "paid", "importance", "latency", "macs", "copied")


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """What :func:`pareto` found.

    Attributes
    ----------
    points : tuple of Point
        Those that no other is better than in both, fastest first.
    tried : tuple of Point
    prices : LatencyPrices
    """

    points: tuple[Point, ...]
    tried: tuple[Point, ...]
    prices: LatencyPrices

    def pick(
        self,
        *,
        importance: float | None = None,
        latency: float | None = None,
        macs: float | None = None,
    ) -> Point:
        """The fastest point of at least an importance, or the most important within a limit.

        Parameters
        ----------
        importance : float, optional
            Share of the scores.
        latency : float, optional
            Nanoseconds per sample.
        macs : float, optional
            Multiply-adds per sample.

        Raises
        ------
        InputError
            Unless there is one target, and a point that meets it.
        """
        targets = [importance, latency, macs]
        if sum(each is not None for each in targets) != 1:
            raise InputError("give one target: importance, latency or macs")
        if importance is not None:
            able = [each for each in self.points if each.importance >= importance]
            return min(able, key=lambda each: each.latency) if able else _nothing()
        if latency is not None:
            able = [each for each in self.points if each.latency <= latency]
        else:
            able = [each for each in self.tried if macs is not None and each.macs <= macs]
        return max(able, key=lambda each: each.importance) if able else _nothing()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return {
            "points": [each.to_dict() for each in self.points],
            "tried": [each.to_dict() for each in self.tried],
        }

    def save(self, path: Path | str) -> None:
        """Write the points to a file: .json, .csv, or a picture (.svg, .png, .pdf).

        Raises
        ------
        InputError
            If the suffix is another one, or the file cannot be written.
        MissingPackageError
            If matplotlib is needed and missing.
        """
        form = Path(path).suffix.removeprefix(".").lower()
        if form == "json":
            content = json.dumps(self.to_dict(), indent=2).encode()
        elif form == "csv":
            text = io.StringIO()
            writer = csv.DictWriter(text, _COLUMNS)
            writer.writeheader()
            writer.writerows(each.to_dict() for each in self.points)
            content = text.getvalue().encode()
        elif form in ("svg", "png", "pdf"):
            from reorder_solver.plot.front_figure import front_picture

            groups: dict[str, list[tuple[float, float]]] = {}
            for each in self.tried:
                groups.setdefault(each.method, []).append((each.latency / 1e6, each.importance))
            front = [(each.latency / 1e6, each.importance) for each in self.points]
            content = front_picture(groups, front, form)
        else:
            raise InputError("name a file .json, .csv, .svg, .png or .pdf", source=str(path))
        write_bytes(path, content)


def pareto(
    model: nn.Module,
    example_inputs: Any,
    scores: str | Scores = "l2",
    *,
    amounts: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    lives: Sequence[float] = (1.0, 0.75, 0.5),
    paid: Sequence[float] = (0.0, 0.5),
    side: str = "input",
    prices: LatencyPrices | None = None,
    time_limit: float | None = 5.0,
    seed: int = 0,
) -> Front:
    """Sweep over ways to prune a network, from constrained to unconstrained.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    scores : str or mapping
        See :func:`prune_windows`.
    amounts : sequence of float
        Shares of its channels that each layer drops.
    lives : sequence of float
        Shares of the channels of each tensor that stay at most.
    paid : sequence of float
        Shares of the layers that choose freely and pay for a copy: those that lose most by their
        window, over what the copy costs.
    side : {"input", "output", "both"}
    prices : LatencyPrices, optional
        Measured on this machine by default.
    time_limit : float or None
        Seconds for each solve.
    seed : int

    Returns
    -------
    Front
        Constrained and unconstrained pruning of each amount are among what is tried, so no
        point of theirs is ahead of the front.

    Raises
    ------
    InputError, CaptureError
        As :func:`prune_windows`.
    """
    demands = [(each, live, demanded(each, "layer", live)) for each in amounts for live in lives]
    for share in paid:
        demanded(share)
    if side not in SIDES:
        raise InputError(f"unknown side {side!r}; known: {', '.join(SIDES)}")
    pruner = WindowPruner(model, example_inputs, SIDES[side], time_limit=time_limit, seed=seed)
    table = pruner.scores(scores) if isinstance(scores, str) else scores
    whole = compact(model, example_inputs, {}, time_limit=time_limit, seed=seed, check=False)
    if prices is None:
        prices = measured_prices(model, example_inputs, whole.report.before.macs)
    sizes = {one.id: one.bytes for one in extract(model, example_inputs, {}).instance.accesses}
    sweep = _Sweep(pruner, table, sizes, prices)
    tried = []
    for (method, amount, live, share), masks in sweep.masks(demands, amounts, paid, side):
        out = compact(model, example_inputs, masks, time_limit=time_limit, seed=seed, check=False)
        report = out.report
        tried.append(
            Point(
                method,
                amount,
                live,
                share,
                pruner.problem(table, demanded(amount)).retained(masks),
                prices.predicted(report),
                report.after.macs,
                report.after.selected,
                masks,
            )
        )
    return Front(_nondominated(tried), tuple(tried), prices)


class _Sweep:
    def __init__(
        self, pruner: WindowPruner, scores: Scores, sizes: dict[str, int], prices: LatencyPrices
    ) -> None:
        self._pruner = pruner
        self._scores = scores
        self._sizes = sizes
        self._prices = prices

    def masks(
        self,
        demands: Sequence[tuple[float, float, Demand]],
        amounts: Sequence[float],
        paid: Sequence[float],
        side: str,
    ) -> Iterator[tuple[tuple[str, float, float, float], Pruned]]:
        plain = Pruner(None, None, self._pruner.survey.layers)
        for amount in amounts:
            joint = plain.masks(self._scores, amount, side="joint")
            yield ("constrained", amount, 1 - amount, 0.0), joint
            yield ("unconstrained", amount, 1.0, 1.0), plain.masks(self._scores, amount, side=side)
        for amount, live, demand in demands:
            found = self._pruner.prune(self._scores, demand)
            yield ("zero-copy", amount, live, 0.0), found.masks
            worth = self._worth(found.masks, demand)
            for share in paid:
                chosen = frozenset(worth[: int(share * len(worth) + 0.5)])
                if chosen:
                    masks = self._pruner.prune(self._scores, demand, check=False, paid=chosen).masks
                    yield ("paid", amount, live, share), masks

    def _worth(self, masks: Pruned, demand: Demand) -> list[Key]:
        """Layers that lose by their windows, those first whose copies are worth most."""
        problem = self._pruner.problem(self._scores, demand)
        found: list[tuple[float, Key]] = []
        for choice in problem.choices:
            if choice.free:
                continue
            scores = problem.scores[choice.key]
            kept = np.bincount(choice.owner, masks[choice.layer][choice.side], choice.owners) > 0
            count = int(kept.sum())
            loss = int(np.sort(scores)[::-1][:count].sum()) - int(scores[kept].sum())
            size = self._sizes.get(choice.layer, 0) * count
            if loss > 0:
                price = self._prices.copy + self._prices.byte * size
                found.append((-loss / max(price, 1.0), choice.key))
        return [key for _, key in sorted(found)]


def _nondominated(points: Sequence[Point]) -> tuple[Point, ...]:
    """Each more important than every faster one."""
    front: list[Point] = []
    for each in sorted(points, key=lambda point: (point.latency, -point.importance)):
        if not front or each.importance > front[-1].importance:
            front.append(each)
    return tuple(front)


def _nothing() -> Point:
    raise InputError("no point of the front meets the target")
