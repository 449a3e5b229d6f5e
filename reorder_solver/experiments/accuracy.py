"""Stage ``accuracy``: top-1 of masked networks, for every way to prune them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from reorder_solver.experiments.methods import Task, method
from reorder_solver.experiments.training import accuracy
from reorder_solver.torch_adapter.masks import masked
from reorder_solver.torch_adapter.models import calibrate
from reorder_solver.torch_adapter.pruning import Pruner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reorder_solver.experiments.rows import RowFile
    from reorder_solver.experiments.subjects import Subject
    from reorder_solver.torch_adapter.masks import Masks
    from reorder_solver.torch_adapter.scores import Scores


STATISTICS = ("kept", "renewed")
_CALIBRATION_IMAGES = 512


@dataclass(frozen=True, slots=True)
class Grid:
    """What is run of every network.

    Attributes
    ----------
    scores, sides, budgets, methods : tuple of str
    amounts : tuple of float
    statistics : tuple of {"kept", "renewed"}
        Those of batch norms: as training left them, or taken anew from training images once the
        masks are on, for every method alike. No weight changes.
    """

    scores: tuple[str, ...]
    amounts: tuple[float, ...]
    sides: tuple[str, ...] = ("input",)
    budgets: tuple[str, ...] = ("local", "global")
    methods: tuple[str, ...] = ("unconstrained", "constrained")
    statistics: tuple[str, ...] = STATISTICS

    def points(self) -> Iterator[dict[str, Any]]:
        """Every combination; scores, which take longest to compute, change last.

        Statistics, which change no mask, change first.
        """
        names = ("score", "side", "budget", "amount", "method", "statistics")
        every = product(
            self.scores, self.sides, self.budgets, self.amounts, self.methods, self.statistics
        )
        yield from (dict(zip(names, each, strict=True)) for each in every)


def run_accuracy(
    subject: Subject, grid: Grid, rows: RowFile, progress: Callable[[str], object]
) -> int:
    """Add what is missing of a network's accuracies.

    Parameters
    ----------
    subject : Subject
    grid : Grid
    rows : RowFile
    progress : callable
        Told what is being done.

    Returns
    -------
    int
        Rows added. The network is captured once for all of them.

    Raises
    ------
    InputError
        If a score or a method is unknown.
    """
    label = f"{subject.architecture} {subject.seed}"
    missing = [
        point
        for point in grid.points()
        if subject.suits(point["score"]) and configuration(subject, point) not in rows
    ]
    if not missing:
        return 0
    progress(f"{label}: capturing")
    inputs = subject.inputs(2)
    pruner = Pruner(subject.model, inputs)
    base = accuracy(subject.model, subject.data)
    seen, _ = next(iter(subject.data.batches("train", _CALIBRATION_IMAGES)))
    scores: dict[tuple[str, str], Any] = {}
    decided: tuple[Any, ...] = ()
    masks: Masks = {}
    for number, point in enumerate(missing):
        progress(f"{label}: {number} of {len(missing)}")
        key = point["score"], point["side"]
        if key not in scores:
            scores[key] = subject.scores(pruner, *key)
        asked = {name: point[name] for name in ("score", "amount", "side", "budget")}
        if decided != (point["method"], *asked.values()):
            decided = (point["method"], *asked.values())
            task = Task(subject.model, inputs, pruner, scores[key], **asked)
            masks = method(point["method"])(task)
        pruned = masked(subject.model, masks)
        if point["statistics"] == "renewed":
            calibrate(pruned, seen)
        top1 = accuracy(pruned, subject.data)
        result = {
            "top1": top1,
            "unpruned": base,
            "dropped": dropped_share(masks, scores[key], "input"),
        }
        rows.add(configuration(subject, point), result)
    return len(missing)


def configuration(subject: Subject, point: dict[str, Any]) -> dict[str, Any]:
    """What identifies a row."""
    return {
        "stage": "accuracy",
        "data": subject.data.name,
        "architecture": subject.architecture,
        "seed": subject.seed,
        "weights": subject.digest,
        **point,
    }


def dropped_share(masks: Masks, scores: Scores, side: str) -> float:
    """The share of scored channels on one side that is dropped; layers without a mask drop none."""
    total = sum(len(sides[side]) for sides in scores.values() if side in sides)
    lost = sum(int((~sides[side]).sum()) for sides in masks.values() if side in sides)
    return lost / total if total else 0.0
