"""Window pruning: masks that keep the most of the scores and take no copy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reorder_solver.core.errors import BackendContractError, InputError
from reorder_solver.solve_windows import solve_windows
from reorder_solver.torch_adapter.scores import WITHIN_LAYERS, GivenScores, score_table, scorer
from reorder_solver.torch_adapter.window_check import CopyCounter
from reorder_solver.torch_adapter.window_problem import (
    ALIKE,
    WHOLE,
    Demand,
    formulate,
    over_means,
)
from reorder_solver.torch_adapter.window_survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from reorder_solver.core.window_result import WindowsResult
    from reorder_solver.core.windows import WindowsInstance
    from reorder_solver.torch_adapter.data_scores import Data, Loss
    from reorder_solver.torch_adapter.layer_weights import Side
    from reorder_solver.torch_adapter.masks import Kept
    from reorder_solver.torch_adapter.scores import Scores
    from reorder_solver.torch_adapter.window_check import Copies
    from reorder_solver.torch_adapter.window_problem import WindowProblem
    from reorder_solver.torch_adapter.window_survey import Choice, Key, LeftAlone, Survey

SIDES: dict[str, tuple[Side, ...]] = {
    "input": ("input",),
    "output": ("output",),
    "both": ("input", "output"),
}
BUDGETS = ("layer", "channels", "macs", "bytes")


@dataclass(frozen=True, slots=True, eq=False)
class WindowPruning:
    """What :func:`prune_windows` returns.

    Attributes
    ----------
    masks : dict
        As :func:`masked` and :func:`compact` take them.
    importance : float
        Share of the scores of all layers that choose which the masks keep.
    ceiling : float
        No masks of the same budgets that take no copy keep more, by the solver's bound.
    copies : Copies or None
        What an export with these masks copies; None if it was not checked.
    repairs : tuple of str
        What was tightened because the export copied something, in order.
    left : tuple of LeftAlone
        Layers that keep everything on a side, and why.
    result : WindowsResult
    instance : WindowsInstance
    """

    masks: dict[str, dict[str, Kept]]
    importance: float
    ceiling: float
    copies: Copies | None
    repairs: tuple[str, ...]
    left: tuple[LeftAlone, ...]
    result: WindowsResult
    instance: WindowsInstance

    def __str__(self) -> str:
        lines = [
            f"{self.importance:.1%} of the scores kept (at most {self.ceiling:.1%}), "
            f"{len(self.masks)} layers choose"
        ]
        if self.copies is not None:
            lines.append(f"{self.copies.chosen:,} bytes copied per sample to choose channels")
        lines += [f"tightened: {each}" for each in self.repairs]
        lines += [f"left alone: {each.layer} ({each.side}): {each.reason}" for each in self.left]
        return "\n".join(lines)


def prune_windows(
    model: nn.Module,
    example_inputs: Any,
    scores: str | Scores = "l2",
    amount: float = 0.5,
    *,
    side: str = "input",
    budget: str = "layer",
    live: float = 1.0,
    time_limit: float | None = 10.0,
    seed: int = 0,
    check: bool = True,
    data: Data | None = None,
    loss: Loss | None = None,
) -> WindowPruning:
    """Masks that keep the most of the scores while every layer still reads a view.

    Layers need not agree about the channels they share: the order of the channels and a window
    for each layer are chosen together.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    scores : str or mapping
        A score's name, or ``{module name: {"input": numbers, "output": numbers}}`` with one
        number per channel (feature) of that side, as :func:`channel_scores` returns it. Layers
        that are not named keep everything.
    amount : float
        Share to drop, from 0 to 1, rounded down to whole channels.
    side : {"input", "output", "both"}
        Whether layers choose among the channels they read, those they write, or both.
    budget : {"layer", "channels", "macs", "bytes"}
        ``layer``: every layer drops the same share, and where layers compete for the order of a
        tensor, they weigh what their scores weigh. Otherwise the share is taken of all layers
        together, of their channels, multiply-adds or bytes of weights, and each keeps a tenth of
        its channels at least. There the scores ``l1``, ``l2``, ``fpgm`` and ``hrank`` count over
        their layer's mean; scores that are given count as they are.
    live : float
        Share of the channels of each tensor that may be in any window. 1 for no limit; the share
        that layers keep means that those on one tensor all keep the same, as in constrained
        pruning. Fewer channels cost importance and save the layers before them work.
    time_limit : float or None
        Seconds for each solve.
    seed : int
        For the solver, and for scores that are drawn.
    check : bool
        Export with the masks and count what is copied. Should that be more than the model copies
        by itself, the windows of the tensors concerned are tightened, and solved again.
    data, loss
        For the scores ``hrank`` and ``taylor``, see :func:`channel_scores`.

    Returns
    -------
    WindowPruning

    Raises
    ------
    InputError
        If an argument is wrong.
    CaptureError
        If the model cannot be captured.

    Notes
    -----
    Convolutions in groups, layers called on several tensors, and what reads the model's input or
    the heads of an attention keep all channels; ``left`` lists them.
    """
    demand = demanded(amount, budget, live)
    if side not in SIDES:
        raise InputError(f"unknown side {side!r}; known: {', '.join(SIDES)}")
    pruner = WindowPruner(model, example_inputs, SIDES[side], time_limit=time_limit, seed=seed)
    if isinstance(scores, str):
        relative = budget != "layer" and scores in WITHIN_LAYERS
        scores = pruner.scores(scores, data=data, loss=loss)
        scores = over_means(scores) if relative else scores
    return pruner.prune(scores, demand, check=check)


def demanded(amount: float, budget: str = "layer", live: float = 1.0) -> Demand:
    """The demand in numbers and words, checked."""
    for name, number in (("amount", amount), ("live", live)):
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
            raise InputError(f"{name} must be from 0 to 1, got {number!r}")
    if budget not in BUDGETS:
        raise InputError(f"unknown budget {budget!r}; known: {', '.join(BUDGETS)}")
    if budget == "layer":
        return Demand(amount, live=live)
    return Demand(amount, budget, shared=True, live=live)


class WindowPruner:
    """A model, for any number of scores and demands.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
    sides : tuple of {"input", "output"}
    time_limit : float or None
        Seconds for each solve.
    seed : int

    Raises
    ------
    InputError, CaptureError
        As :func:`prune_windows`.
    """

    def __init__(
        self,
        model: nn.Module,
        example_inputs: Any,
        sides: tuple[Side, ...] = ("input",),
        *,
        time_limit: float | None = 10.0,
        seed: int = 0,
    ) -> None:
        self.survey: Survey = survey(model, example_inputs, sides)
        self._sides = sides
        self._counter = CopyCounter(model, example_inputs, time_limit, seed)
        self._time_limit = time_limit
        self._seed = seed
        self._treatments: dict[str, int] = {}
        self._repairs: list[str] = []

    def scores(self, score: str, *, data: Data | None = None, loss: Loss | None = None) -> Scores:
        """See :func:`channel_scores`."""
        layers = self.survey.layers
        function = scorer(layers, score, data=data, loss=loss, seed=self._seed)
        return score_table(layers, function, self._sides)

    def prune(
        self,
        scores: Scores,
        demand: Demand,
        *,
        check: bool = True,
        paid: frozenset[Key] = frozenset(),
    ) -> WindowPruning:
        """Solve; with `check`, until an export copies nothing, apart from what is paid for.

        What had to be tightened once stays so for whatever is asked for later.
        """
        given = GivenScores(self.survey.layers, scores)
        while True:
            found = self._solved(given, demand, paid)
            if not check:
                return found
            copies = self._counter.count(found.masks)
            found = replace(found, copies=copies)
            if not copies.chosen or paid or not found.masks or not self._tighten(copies):
                return found

    def problem(
        self, scores: Scores, demand: Demand, paid: frozenset[Key] = frozenset()
    ) -> WindowProblem:
        """The problem that a demand poses."""
        return self._formulated(GivenScores(self.survey.layers, scores), demand, paid)

    def _formulated(
        self, given: GivenScores, demand: Demand, paid: frozenset[Key]
    ) -> WindowProblem:
        return formulate(self.survey, given, demand, treatments=self._treatments, paid=paid)

    def _solved(self, given: GivenScores, demand: Demand, paid: frozenset[Key]) -> WindowPruning:
        problem = self._formulated(given, demand, paid)
        result = solve_windows(problem.instance, time_limit=self._time_limit, seed=self._seed)
        if result.layout is None:
            raise BackendContractError(f"no windows, status {result.status.value}")
        masks = problem.masks(result)
        total = sum(int(each.sum()) for each in problem.scores.values())
        bound = total if result.upper_bound is None else result.upper_bound
        return WindowPruning(
            masks,
            problem.retained(masks),
            min(1.0, bound / total) if total else 1.0,
            None,
            tuple(self._repairs),
            self.survey.left,
            result,
            problem.instance,
        )

    def _tighten(self, copies: Copies) -> bool:
        """Treat what the layers concerned read one step more strictly, or else everything.

        False if nothing can be: then what is still copied has another cause.
        """
        concerned = [each for each in self.survey.choices if each.layer in copies.layers]
        return self._tightened_any(concerned) or self._tightened_any(self.survey.choices)

    def _tightened_any(self, choices: Iterable[Choice]) -> bool:
        """Each stretch once, however many layers read it."""
        names = {each.id if each.free else each.pieces[0].stretch: each for each in choices}
        return any([self._tightened(each) for each in names.values()])

    def _tightened(self, each: Choice) -> bool:
        stretch, free = each.pieces[0].stretch, each.free
        name = each.id if free else stretch
        before = self._treatments.get(name, 0)
        if before == WHOLE:
            return False
        alike = not free and before < ALIKE and len(self.survey.readers(stretch)) > 1
        self._treatments[name] = ALIKE if alike else WHOLE
        words = "layers that read it keep the same" if alike else "kept whole"
        self._repairs.append(f"{name}: {words}")
        return True
