"""Which accesses fit together, as an integer programme over what each of them saves.

An access that is no cheaper than its dearest price saves nothing; the others are *lively*. What
a set of accesses saves together, if all of them are lively, has a limit. So the most that all
accesses save has one, too: choose the lively ones and what each saves, within the limits known so
far. Every limit holds for every layout, and so does the value of the programme.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from formulations.engines import import_cp_model
from formulations.interruptible import solve_interruptibly

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from reorder_solver.core.limits import Deadline


@dataclass(frozen=True, slots=True)
class MostSaved:
    """A bound, and a choice.

    Attributes
    ----------
    most : int
        No layout saves more.
    lively : tuple of int or None
        A choice that saves much within the limits known, if one was found.
    is_best : bool
        None saves more.
    """

    most: int
    lively: tuple[int, ...] | None
    is_best: bool = False


class Savings:
    """The programme: limits are kept, and a model made of them whenever it is solved.

    Parameters
    ----------
    most : sequence of int
        Per item, the most that it saves.
    uneven : collection of int
        Items that often save less than their bases; see :meth:`budget`.
    """

    def __init__(self, most: Sequence[int], uneven: Collection[int] = ()) -> None:
        self._most, self._uneven = list(most), frozenset(uneven)
        self._never: list[tuple[int, ...]] = []
        self._limits: list[tuple[tuple[int, ...], int, int]] = []
        self._cliques: list[tuple[frozenset[int], int, int]] = []
        self._budgets: list[tuple[tuple[int, ...], tuple[int, ...], int]] = []
        self._hint: tuple[int, ...] = ()

    def forbid(self, few: tuple[int, ...]) -> None:
        """These are never all lively."""
        self._never.append(few)

    def limit(self, few: tuple[int, ...], most: int, otherwise: int) -> None:
        """They save at most so much if all of them are lively, and `otherwise` if not."""
        self._limits.append((few, most, otherwise))

    def limit_number(self, few: Sequence[int], count: int, most: int) -> None:
        """Up to `count` of them are lively, and they save at most so much together."""
        self._cliques.append((frozenset(few), count, most))

    def budget(self, few: Sequence[int], bases: Sequence[int], most: int) -> None:
        """What the lively ones of them save above their bases is so much at most."""
        self._budgets.append((tuple(few), tuple(bases), most))

    def _model(self, more_than: int) -> tuple[Any, list[Any], list[Any]]:
        model = import_cp_model().CpModel()
        lively = [model.new_bool_var("") for _ in self._most]
        saved = [model.new_int_var(0, each, "") for each in self._most]
        for variable, on, most in zip(saved, lively, self._most, strict=True):
            model.add(variable <= most * on)
        cliques = self._cliques
        for clique, count, most in cliques:
            model.add(sum(lively[each] for each in clique) <= count)
            model.add(sum(saved[each] for each in clique) <= most)
        for few in self._never:
            if not any(clique.issuperset(few) and count < len(few) for clique, count, _ in cliques):
                model.add_bool_or([~lively[each] for each in few])
        for few, most, otherwise in self._limits:
            if any(clique.issuperset(few) and top <= most for clique, _, top in cliques):
                continue
            total = sum(saved[each] for each in few)
            idle = sum(~lively[each] for each in few)
            if most < otherwise:
                model.add(total <= most + (otherwise - most) * idle)
            else:
                model.add(total <= otherwise)
        for few, bases, most in self._budgets:
            above = []
            for each, base in zip(few, bases, strict=True):
                least = saved[each] - base * lively[each]
                if each in self._uneven:
                    # It may save less than its base: that makes no room for the others.
                    above.append(model.new_int_var(0, most, ""))
                    model.add(above[-1] >= least)
                else:
                    above.append(least)
            model.add(sum(above) <= most)
        model.add(sum(saved) >= more_than)
        # What is missed of the most there is: where no bound is known, 0 is one.
        model.minimize(sum(self._most) - sum(saved))
        for number, on in enumerate(lively):
            model.add_hint(on, number in self._hint)
        return model, lively, saved

    def solve(
        self, deadline: Deadline, *, more_than: int = 0, threads: int, seed: int
    ) -> MostSaved:
        """Solve, as well as time allows.

        What saves no more than `more_than` is of no interest.
        """
        cp: Any = import_cp_model()
        solver = cp.CpSolver()
        model, _, saved = self._model(more_than)
        solver.parameters.num_workers = threads
        solver.parameters.random_seed = seed % (1 << 31)
        if deadline.remaining < 1e9:
            solver.parameters.max_time_in_seconds = max(0.01, deadline.remaining)
        status = solve_interruptibly(solver, model)
        if status == cp.INFEASIBLE:
            return MostSaved(more_than, None, is_best=True)
        # What is missed are whole numbers well below 2^53: so is the bound.
        most = sum(self._most)
        if status in (cp.OPTIMAL, cp.FEASIBLE, cp.UNKNOWN):
            most -= max(0, round(solver.best_objective_bound))
        if status not in (cp.OPTIMAL, cp.FEASIBLE):
            return MostSaved(most, None)
        chosen = tuple(n for n, each in enumerate(saved) if solver.value(each))
        self._hint = chosen
        return MostSaved(most, chosen, is_best=status == cp.OPTIMAL)
