"""Which accesses of a problem cost something, and the rows, seams and spans they bring along."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from reorder_solver.backends.search.coefficients import Terms, coefficients

if TYPE_CHECKING:
    from reorder_solver.backends.search.arrays import Ints
    from reorder_solver.presolve import Problem


class Row(NamedTuple):
    """What one access wants of one tensor.

    Attributes
    ----------
    tensor : int
    wanted : ndarray of int64
        Classes.
    weight : int
        Price of a run, as far as it is always the same.
    special : int
        Number among the rows of special accesses; else -1.
    """

    tensor: int
    wanted: Ints
    weight: int
    special: int


@dataclass(frozen=True, slots=True)
class Special:
    """An access whose cost is not a constant times (runs - 1).

    Attributes
    ----------
    terms : Terms
    required : bool
    tie : int
        Price of a run that the weights of its rows do not hold already.
    spread : int
        How far its last wanted part lies behind the first, in positions.
    rows : tuple of Row
    seams : tuple of int
        Which of these meet the next one where their tensors meet.
    """

    terms: Terms
    required: bool
    tie: int
    spread: int
    rows: tuple[Row, ...]
    seams: tuple[int, ...]

    @property
    def spanned(self) -> bool:
        """Whether the span matters."""
        return any(modes.cover is not None for modes in self.terms.lists)

    @property
    def only_view(self) -> bool:
        """Whether it has one row, and runs beyond the first cost the same however many."""
        return len(self.rows) == 1 and all(modes.flat for modes in self.terms.lists)


@dataclass(slots=True)
class Draft:
    """What the accesses of a problem add up to, before it is turned into arrays.

    Attributes
    ----------
    rows : list of Row
        Of all accesses.
    special : list of Special
    free_runs : int
        Sum over the accesses of the weight of their rows; first runs are free.
    exact : bool
        Whether sums of these prices compare like the costs; else they only guide.
    unit : int
        They do if divided by this.
    """

    rows: list[Row] = field(default_factory=list)
    special: list[Special] = field(default_factory=list)
    free_runs: int = 0
    exact: bool = True
    unit: int = 1


def draft(problem: Problem) -> Draft:
    """Collect the priced accesses of `problem`."""
    scaled = coefficients(problem)
    made = Draft(exact=scaled.exact, unit=scaled.unit)
    special_rows = 0
    for terms in scaled.terms:
        special_rows = _add(made, problem, terms, special_rows)
    return made


def _add(made: Draft, problem: Problem, terms: Terms, first: int) -> int:
    """Take in one access; `first` is the number of special rows before, returned is that after."""
    access = problem.accesses[terms.access]
    parts = [part for part in access.parts if problem.sizes[part[0]].size]
    begins = list(accumulate((int(problem.sizes[tensor].sum()) for tensor, _ in parts), initial=0))
    wanted = [place for place, part in enumerate(parts) if part[1].size]
    if not wanted:
        return first
    seams = [at for at in range(len(wanted) - 1) if wanted[at + 1] == wanted[at] + 1]
    special = bool(seams) or access.required or not terms.linear
    weight = 0 if seams else terms.tie if special else terms.run_price
    rows = tuple(
        Row(*parts[place], weight, first + number if special else -1)
        for number, place in enumerate(wanted)
    )
    made.free_runs += weight
    if special or weight:
        made.rows.extend(rows)
    if not special:
        return first
    tie = terms.tie if seams else 0
    spread = begins[wanted[-1]] - begins[wanted[0]]
    made.special.append(Special(terms, access.required, tie, spread, rows, tuple(seams)))
    return first + len(rows)
