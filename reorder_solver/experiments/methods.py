"""Methods: from scores and an amount to masks.

A method that is not here is added by its name to :data:`METHODS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.scores import WITHIN_LAYERS
from reorder_solver.torch_adapter.target import live_share
from reorder_solver.torch_adapter.window_problem import over_means
from reorder_solver.torch_adapter.window_pruning import SIDES, WindowPruner, demanded

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from reorder_solver.torch_adapter.masks import Masks
    from reorder_solver.torch_adapter.pruning import Pruner
    from reorder_solver.torch_adapter.scores import Scores


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What a method has to decide.

    Attributes
    ----------
    model : torch.nn.Module
        In evaluation mode; not to be changed.
    inputs : tensor
        Example inputs.
    pruner : Pruner
        Of this model, so that no method need capture it again.
    scores : mapping
        See :func:`~reorder_solver.torch_adapter.channel_scores`.
    score : str
        Their name.
    amount : float
        Share of the channels to drop.
    side : {"input", "output"}
        Where layers choose.
    budget : {"local", "global"}
    """

    model: nn.Module
    inputs: Any
    pruner: Pruner
    scores: Scores
    score: str
    amount: float
    side: str
    budget: str


def unconstrained(task: Task) -> Masks:
    """Every layer drops the lowest of its own channels."""
    return task.pruner.masks(
        task.scores,
        task.amount,
        side=task.side,
        budget=task.budget,
        relative=task.budget == "global" and task.score in WITHIN_LAYERS,
    )


def constrained(task: Task) -> Masks:
    """All readers of a tensor drop the channels with the lowest sum of their scores."""
    return task.pruner.masks(
        task.scores,
        task.amount,
        side="joint",
        budget=task.budget,
        relative=task.budget == "global" and task.score in WITHIN_LAYERS,
    )


def constrained_by_mean(task: Task) -> Masks:
    """As :func:`constrained`, each reader's scores over their mean: no reader outvotes another."""
    return task.pruner.masks(
        task.scores, task.amount, side="joint", budget=task.budget, relative=True
    )


@dataclass(frozen=True, slots=True)
class ZeroCopy:
    """Windows that take no copy.

    Parameters
    ----------
    live : float
        Share of the channels of each tensor that may be in any window; see
        :func:`~reorder_solver.torch_adapter.prune_windows`.
    slack : float
        Instead: share of what layers drop that may stay for others all the same. 0 makes all
        layers on a tensor keep the same.
    time_limit : float
        Seconds for each solve.
    """

    live: float = 1.0
    slack: float = 1.0
    time_limit: float = 5.0

    def __call__(self, task: Task) -> Masks:
        """The masks; that an export with them copies nothing is checked with the exports."""
        found = _WINDOWS.get(task.pruner)
        if found is None or task.side not in found:
            found = _WINDOWS.setdefault(task.pruner, {})
            found[task.side] = WindowPruner(
                task.model, task.inputs, SIDES[task.side], time_limit=self.time_limit
            )
        shared = task.budget == "global"
        scores = task.scores
        if shared and task.score in WITHIN_LAYERS:
            scores = over_means(scores)
        live = min(self.live, live_share(task.amount, self.slack))
        demand = demanded(task.amount, "channels" if shared else "layer", live)
        return found[task.side].prune(scores, demand, check=False).masks


_WINDOWS: WeakKeyDictionary[Pruner, dict[str, WindowPruner]] = WeakKeyDictionary()

METHODS: dict[str, Callable[[Task], Masks]] = {
    "unconstrained": unconstrained,
    "constrained": constrained,
    "constrained-by-mean": constrained_by_mean,
    "zero-copy": ZeroCopy(),
    "zero-copy-live-0.75": ZeroCopy(0.75),
    "zero-copy-live-0.5": ZeroCopy(0.5),
    "zero-copy-slack-0.5": ZeroCopy(slack=0.5),
    "zero-copy-slack-0.25": ZeroCopy(slack=0.25),
    "zero-copy-slack-0": ZeroCopy(slack=0.0),
}


def method(name: str) -> Callable[[Task], Masks]:
    """A method by name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}; known: {', '.join(METHODS)}")
    return METHODS[name]
