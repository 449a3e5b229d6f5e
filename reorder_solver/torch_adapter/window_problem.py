"""Window problem: the scores of a model's channels as an instance, and its solution as masks."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from reorder_solver.core.instance import Role
from reorder_solver.core.windows import (
    Budget,
    ScoredAccess,
    ScoredPart,
    ScoredTensor,
    WindowsInstance,
)
from reorder_solver.torch_adapter.joint import channels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from reorder_solver.core.window_result import WindowsResult
    from reorder_solver.torch_adapter.masks import Kept
    from reorder_solver.torch_adapter.scores import GivenScores, Scores
    from reorder_solver.torch_adapter.window_stretches import Piece, Stretch
    from reorder_solver.torch_adapter.window_survey import Choice, Key, Survey

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]

#: What all scores add up to, within rounding.
MODEL_TOTAL = 1 << 40
#: What those of a layer add up to at least, where every layer has its own budget: rounding is to
#: leave the ranks of a layer whose scores are tiny beside those of others.
LAYER_TOTAL = 1 << 24

#: Treatments of the readers of a stretch, from the loosest to the tightest.
WINDOWS, ALIKE, WHOLE = range(3)


@dataclass(frozen=True, slots=True)
class Demand:
    """What windows are asked for.

    Attributes
    ----------
    amount : float
        Share of the channels, or of the unit of a global budget, that goes.
    unit : {"channels", "macs", "bytes"}
        Of a global budget.
    shared : bool
        True for one budget over all layers; False if every layer drops the same share.
    live : float
        Share of the channels of a tensor that stay at most; 1 for no limit. As many stay as the
        widest window needs.
    least : float
        With one budget over all layers: the share of its channels that each keeps at least.
    """

    amount: float
    unit: str = "channels"
    shared: bool = False
    live: float = 1.0
    least: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """A choice that an access stands for, and where its owners lie in that access."""

    choice: Choice
    piece: Piece


@dataclass(frozen=True, eq=False)
class WindowProblem:
    """An instance, and the way back.

    Attributes
    ----------
    instance : WindowsInstance
    choices : tuple of Choice
        Those that take part.
    scores : dict
        Integer scores per owner, by layer and side.
    """

    instance: WindowsInstance
    choices: tuple[Choice, ...]
    scores: dict[Key, IntArray]
    members: dict[str, list[_Member]] = field(repr=False)

    def kept(self, result: WindowsResult) -> dict[Key, Kept]:
        """The owners that each choice keeps; one at least."""
        found = {each.key: np.zeros(each.owners, dtype=np.bool_) for each in self.choices}
        for access, members in self.members.items():
            (channels,) = result.selected[access]
            for member in members:
                owners = member.piece.owners[np.isin(member.piece.channels, channels)]
                found[member.choice.key][owners] = True
        return found

    def masks(self, result: WindowsResult) -> dict[str, dict[str, Kept]]:
        """Masks as :func:`masked` takes them."""
        kept = self.kept(result)
        masks: dict[str, dict[str, Kept]] = {}
        for choice in self.choices:
            masks.setdefault(choice.layer, {})[choice.side] = choice.kept(kept[choice.key])
        return masks

    def retained(self, masks: Mapping[str, Mapping[str, Any]]) -> float:
        """Share of all scores that masks keep."""
        total = sum(int(each.sum()) for each in self.scores.values())
        found = 0
        for choice in self.choices:
            mask = np.asarray(masks.get(choice.layer, {}).get(choice.side, np.True_))
            features = np.broadcast_to(mask, choice.owner.shape)
            owners = np.bincount(choice.owner, features, choice.owners) > 0
            found += int(self.scores[choice.key][owners].sum())
        return found / total if total else 1.0


def formulate(
    survey: Survey,
    scores: GivenScores,
    demand: Demand,
    *,
    treatments: Mapping[str, int] | None = None,
    paid: frozenset[Key] = frozenset(),
) -> WindowProblem:
    """The problem to keep the most of the scores.

    Parameters
    ----------
    survey : Survey
    scores : GivenScores
        Layers without scores keep everything.
    demand : Demand
    treatments : mapping of str to int, optional
        Per stretch ``WINDOWS``, ``ALIKE`` (all its readers keep the same) or ``WHOLE``.
    paid : set of (layer, side)
        Choices that may keep anything, although that takes a copy.

    Notes
    -----
    Scores become integers: less the least of the layer if that is negative, then scaled, so that
    those of all layers add up to 2**40, and rounded to the nearest, 1 at least. Rounding changes
    no score by more than one unit. With local budgets, those of a layer add up to 2**24 at least.
    """
    return _Formulation(survey, scores, demand, treatments or {}, paid).problem()


def over_means(scores: Scores) -> dict[str, dict[str, FloatArray]]:
    """Scores over the mean of their layer and side, so that layers can share a budget."""
    return {
        name: {side: np.asarray(each) / (np.abs(each).mean() or 1.0) for side, each in own.items()}
        for name, own in scores.items()
    }


class _Formulation:
    def __init__(
        self,
        survey: Survey,
        scores: GivenScores,
        demand: Demand,
        treatments: Mapping[str, int],
        paid: frozenset[Key],
    ) -> None:
        self._survey = survey
        self._demand = demand
        self._paid = paid
        self._treatments = treatments
        self._whole = {name for name, each in treatments.items() if each == WHOLE}
        self._choices = tuple(
            each for each in survey.choices if each.key in scores and self._takes_part(each)
        )
        self._scores = self._integers(scores)
        self._accesses: list[ScoredAccess] = []
        self._members: dict[str, list[_Member]] = {}
        self._widest: dict[str, int] = defaultdict(int)

    def problem(self) -> WindowProblem:
        alike: dict[str, list[Choice]] = defaultdict(list)
        for choice in self._choices:
            if choice.free or choice.key in self._paid:
                self._free(choice)
            elif self._treatments.get(choice.pieces[0].stretch) == ALIKE:
                alike[choice.pieces[0].stretch].append(choice)
            else:
                self._add(choice.id, [choice], [choice.pieces[0]], None)
        for choices in alike.values():
            pieces = [each.pieces[0] for each in choices]
            self._add(choices[0].id, choices, pieces, None)
        instance = WindowsInstance(
            name=self._survey.name,
            tensors=self._tensors(),
            accesses=tuple(self._accesses),
            budgets=self._budgets(),
        )
        return WindowProblem(instance, self._choices, self._scores, self._members)

    def _takes_part(self, choice: Choice) -> bool:
        name = choice.id if choice.free else choice.pieces[0].stretch
        return name not in self._whole

    def _integers(self, scores: GivenScores) -> dict[Key, IntArray]:
        found: dict[Key, FloatArray] = {}
        peaks: dict[Key, float] = {}
        for choice in self._choices:
            module = self._survey.layers.modules[choice.layer]
            call = self._survey.layers.first_calls[choice.layer]
            numbers = scores(choice.layer, module, channels_of(call, choice.side), choice.side)
            peaks[choice.key] = float(np.abs(numbers).max(initial=0.0))
            # Over its own peak, no sum of a layer's scores is too large or too small for a float.
            own = numbers / (peaks[choice.key] or 1.0)
            found[choice.key] = own - min(0.0, float(own.min(initial=0.0)))
        peak = max(peaks.values(), default=0.0) or 1.0
        weights = {key: float(each.sum()) * (peaks[key] / peak) for key, each in found.items()}
        everything = sum(weights.values()) or 1.0
        rounded: dict[Key, IntArray] = {}
        for key, numbers in found.items():
            total = MODEL_TOTAL * (weights[key] / everything)
            if not self._demand.shared:
                total = max(total, LAYER_TOTAL)
            shares = numbers / (float(numbers.sum()) or 1.0)
            rounded[key] = np.maximum(1, np.rint(shares * total)).astype(np.int64)
        return rounded

    def _free(self, choice: Choice) -> None:
        several = len(choice.pieces) > 1
        for number, piece in enumerate(choice.pieces):
            access = f"{choice.id} [{number + 1}]" if several else choice.id
            self._add(access, [choice], [piece], (0, 0))

    def _add(
        self,
        access: str,
        choices: Sequence[Choice],
        pieces: Sequence[Piece],
        gather: tuple[int, int] | None,
    ) -> None:
        """One access for choices that keep the same channels of one stretch."""
        stretch = self._survey.stretches[pieces[0].stretch]
        numbers = np.zeros(stretch.channels, dtype=np.int64)
        for choice, piece in zip(choices, pieces, strict=True):
            numbers[piece.channels] += self._scores[choice.key][piece.owners]
        first = choices[0]
        keep, least = self._widths(first.owners)
        whole = len(first.pieces) == 1
        size = pieces[0].channels.size
        self._widest[stretch.id] = max(self._widest[stretch.id], min(keep, size) if whole else 0)
        self._accesses.append(
            ScoredAccess(
                access,
                (ScoredPart(stretch.id, numbers),),
                budget="all" if self._demand.shared else first.id,
                role=Role.READ if first.side == "input" else Role.WRITE,
                cost=sum(self._cost(each) for each in choices) if self._demand.shared else 1,
                minimum=least if whole else 0,
                maximum=min(size, keep) if not self._demand.shared else size,
                gather=gather,
            )
        )
        self._members[access] = [
            _Member(choice, piece) for choice, piece in zip(choices, pieces, strict=True)
        ]

    def _widths(self, owners: int) -> tuple[int, int]:
        """Most and least that a choice keeps."""
        if self._demand.shared:
            return math.ceil(owners * self._demand.least), max(
                1, math.ceil(owners * self._demand.least)
            )
        keep = max(1, owners - int(self._demand.amount * owners))
        return keep, keep

    def _cost(self, choice: Choice) -> int:
        if self._demand.unit == "macs":
            return max(1, choice.macs)
        return max(1, 4 * choice.entries) if self._demand.unit == "bytes" else 1

    def _budgets(self) -> tuple[Budget, ...]:
        if not self._demand.shared:
            widths = {each.budget: 0 for each in self._accesses}
            for choice in self._choices:
                if choice.id in widths:
                    widths[choice.id] = self._widths(choice.owners)[0]
            return tuple(Budget(name, width) for name, width in widths.items())
        total = sum(self._cost(each) * each.owners for each in self._choices)
        least = sum(each.cost * each.minimum for each in self._accesses)
        return (Budget("all", max(least, total - int(self._demand.amount * total))),)

    def _tensors(self) -> tuple[ScoredTensor, ...]:
        used = {part.tensor for access in self._accesses for part in access.parts}
        return tuple(
            ScoredTensor(each.id, each.channels, each.fixed, self._limit(each))
            for each in self._survey.stretches.values()
            if each.id in used
        )

    def _limit(self, stretch: Stretch) -> int | None:
        if self._demand.live >= 1 or stretch.held or stretch.id in self._whole:
            return None
        # A share such as 1 - 0.43 is a little more than 0.57.
        asked = math.ceil(self._demand.live * stretch.channels - 1e-9)
        limit = max(asked, self._widest[stretch.id])
        return limit if limit < stretch.channels else None
