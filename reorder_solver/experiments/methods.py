"""Methods: from scores and an amount to masks.

A method that is not here is added by its name to :data:`METHODS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import InputError
from reorder_solver.torch_adapter.scores import WITHIN_LAYERS

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


METHODS: dict[str, Callable[[Task], Masks]] = {
    "unconstrained": unconstrained,
    "constrained": constrained,
    "constrained-by-mean": constrained_by_mean,
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
