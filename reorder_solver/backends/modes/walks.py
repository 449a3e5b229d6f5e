"""What some accesses to several tensors cost together: a walk from tensor to tensor.

Some of them pay for their runs and some for their span. Tensors that follow each other in many
accesses are put in a row. A run that goes on from the last class of a tensor to the first of the
next is seen there; everything else is paid tensor by tensor. So the cheapest orders are found one
tensor after the other, with what the way up to there costs for every signature that it may end in.
Where an access goes on to a tensor elsewhere, its runs on either side are let go for nothing. That
is a relaxation; otherwise the walk is exact.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from reorder_solver.backends.dynamic.anatomy import Piece
from reorder_solver.backends.modes.stages import Settled, Stage
from reorder_solver.core.limits import Deadline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.backends.dynamic.anatomy import Anatomy
    from reorder_solver.presolve import Orders

IntArray = npt.NDArray[np.int64]

#: Tensors as they were searched, kept for other sets of accesses.
_MOST_KEPT = 20_000


class Priced(NamedTuple):
    """An access, and what a run beyond the first, or a position that it spans, costs."""

    access: int
    price: int


class Chart:
    """Tensors in rows, and what accesses want of them.

    Parameters
    ----------
    anatomy : Anatomy
    """

    def __init__(self, anatomy: Anatomy) -> None:
        self.problem = anatomy.problem
        self._met: list[dict[int, Piece]] = [{} for _ in self.problem.sizes]
        self._follow: set[tuple[int, int, int]] = set()
        for access, shape in enumerate(anatomy.shapes):
            if shape is None:
                continue
            meetings = Counter(piece.tensor for piece in shape.pieces)
            for piece in shape.pieces:
                # What meets a tensor twice is let go there.
                if meetings[piece.tensor] == 1:
                    self._met[piece.tensor][access] = piece
            self._follow.update(
                (access, left.tensor, right.tensor) for left, right in pairwise(shape.pieces)
            )
        self._free = frozenset(anatomy.free)
        self.rows = _rows(anatomy)
        neighbours = {pair for row in self.rows for pair in pairwise(row)}
        #: Every access follows the rows, and meets no tensor twice.
        self.is_followed = all((left, right) in neighbours for _, left, right in self._follow) and (
            all(
                access in self._met[piece.tensor]
                for access, shape in enumerate(anatomy.shapes)
                if shape is not None
                for piece in shape.pieces
            )
        )
        self._stages: dict[object, Stage | Settled] = {}

    def here(self, tensor: int, accesses: Sequence[Priced], *, spans: bool) -> list[Priced]:
        """Those of the accesses that pay anything in a tensor that depends on its order."""
        met = self._met[tensor]
        found = [each for each in accesses if each.access in met]
        if spans:
            return [each for each in found if met[each.access].fixed_gap is None]
        return found

    def stage(
        self, tensor: int, runners: Sequence[Priced], covers: Sequence[Priced]
    ) -> Stage | Settled:
        """One tensor under these accesses, which all meet it."""
        key = (tensor, tuple(runners), tuple(covers))
        if key not in self._stages:
            if len(self._stages) >= _MOST_KEPT:
                self._stages.clear()
            met, sizes = self._met[tensor], self.problem.sizes[tensor]
            paid = [(met[each.access], each.price) for each in runners]
            spanned = [(met[each.access], each.price) for each in covers]
            is_free = tensor in self._free
            self._stages[key] = (
                Stage(sizes, paid, spanned) if is_free else Settled(sizes.size, paid)
            )
        return self._stages[key]

    def takes(self, tensor: int, covers: Sequence[Priced]) -> bool:
        """Whether a stage with these covers can be bounded."""
        met = self._met[tensor]
        return Stage.takes([(met[each.access], each.price) for each in covers])

    def enter(
        self,
        before: int | None,
        runners_before: Sequence[Priced],
        tensor: int | None,
        runners: Sequence[Priced],
    ) -> IntArray:
        """Twice what runs cost that begin or end between two tensors, by their signatures.

        None stands for what lies outside of a row.
        """
        lefts = {each: bit for bit, each in enumerate(runners_before)}
        rights = {each: bit for bit, each in enumerate(runners)}
        left = np.arange(1 << len(lefts))[:, None]
        right = np.arange(1 << len(rights))[None, :]
        total = np.zeros((left.size, right.size), dtype=np.int64)
        for each in {**lefts, **rights}:
            ends = 0 if each not in lefts else left >> lefts[each] & 1
            begins = 0 if each not in rights else right >> rights[each] & 1
            if before is not None and (each.access, before, tensor) in self._follow:
                if each in lefts and each in rights:
                    total += each.price * (ends ^ begins)
                continue
            if before is not None and each in lefts and not self._met[before][each.access].after:
                total += each.price * ends
            if tensor is not None and each in rights and not self._met[tensor][each.access].before:
                total += each.price * begins
        return total


def _rows(anatomy: Anatomy) -> list[list[int]]:
    """Tensors in rows: those that follow each other in most accesses, neighbours in none of two."""
    counts: Counter[tuple[int, int]] = Counter()
    for shape in anatomy.shapes:
        if shape is not None:
            counts.update((left.tensor, right.tensor) for left, right in pairwise(shape.pieces))
    after: dict[int, int] = {}
    first = {tensor: tensor for tensor, sizes in enumerate(anatomy.problem.sizes) if sizes.size}
    for (left, right), _ in counts.most_common():
        if left not in after and right not in after.values() and first[left] != right:
            head = first[left]
            after[left] = right
            at: int | None = right
            while at is not None:
                first[at] = head
                at = after.get(at)
    rows = []
    for tensor, head in first.items():
        if head == tensor:
            rows.append([tensor])
            while rows[-1][-1] in after:
                rows[-1].append(after[rows[-1][-1]])
    return rows


class _Step(NamedTuple):
    tensor: int
    stage: Stage | Settled
    enter: IntArray


class Walk:
    """One choice of accesses that pay for their runs, and of others that pay for their span.

    Parameters
    ----------
    chart : Chart
    runners, covers : sequence of Priced
        Of different accesses and positive prices.

    Attributes
    ----------
    is_exact : bool
        Some orders cost what :meth:`least` said.
    """

    def __init__(self, chart: Chart, runners: Sequence[Priced], covers: Sequence[Priced]) -> None:
        self._chart = chart
        self.is_exact, self._is_whole = False, chart.is_followed
        self._rows: list[list[_Step]] = []
        self._leave: list[IntArray] = []
        #: Per row what the way costs before every tensor and at the end, by its last signature.
        self._took: list[list[IntArray]] = []
        for row in chart.rows:
            steps: list[_Step] = []
            before: int | None = None
            last: list[Priced] = []
            for tensor in row:
                here = chart.here(tensor, runners, spans=False)
                open_here = chart.here(tensor, covers, spans=True)
                while not chart.takes(tensor, open_here):
                    # A bound for fewer accesses is one for all.
                    open_here, self._is_whole = open_here[:-1], False
                stage = chart.stage(tensor, here, open_here)
                steps.append(_Step(tensor, stage, chart.enter(before, last, tensor, here)))
                before, last = tensor, here
            self._rows.append(steps)
            self._leave.append(chart.enter(before, last, None, ())[:, 0])

    def least(self, enough: int, deadline: Deadline) -> int:
        """A lower bound on what is paid for runs, first ones included, and for what is spanned.

        No more than `enough` is asked for.
        """
        self._took, self.is_exact = [], self._is_whole
        left = sum(step.stage.least() for steps in self._rows for step in steps)
        done = 0
        for steps, leave in zip(self._rows, self._leave, strict=True):
            costs: list[IntArray] = [np.zeros(1, dtype=np.int64)]
            for step in steps:
                least = done + int(costs[-1].min()) + left
                if least >= 2 * enough or deadline.expired:
                    self._took, self.is_exact = [], False
                    return -(-least // 2)
                left -= step.stage.least()
                passed = step.stage.passed(step.enter, costs[-1], deadline)
                costs.append(passed.costs)
                self.is_exact &= passed.is_exact
            self._took.append(costs)
            done += int((costs[-1] + leave).min())
        return -(-done // 2)

    def orders(self, deadline: Deadline) -> Orders | None:
        """Orders that cost what :meth:`least` says, if there are any; other tensors keep theirs."""
        if not self._took:
            return None
        found = list(self._chart.problem.identity())
        for steps, leave, costs in zip(self._rows, self._leave, self._took, strict=True):
            last = int(np.argmin(costs[-1] + leave))
            for step, before, after in zip(
                reversed(steps), reversed(costs[:-1]), reversed(costs[1:]), strict=True
            ):
                way = step.stage.way(step.enter, before, last, int(after[last]), deadline)
                if way is None:
                    return None
                last, order = way
                found[step.tensor] = np.array(order, dtype=np.int64)
        return tuple(found)


def use_kernels() -> None:
    """Walk through a tensor with and without openings, so that every kernel is compiled."""
    piece = Piece(0, 1, False, False, 1, None, None, False, False)
    enter = np.zeros((1, 2), dtype=np.int64)
    for covers in ([], [(piece, 1)]):
        stage = Stage(np.ones(2, dtype=np.int64), [(piece, 1)], covers)
        stage.passed(enter, np.zeros(1, dtype=np.int64), Deadline(None))
