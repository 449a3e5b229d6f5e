"""How much many accesses save at most, from what a few of them save together.

An integer programme chooses the lively items and what each of them saves, within limits known for
sets of them; see :mod:`.savings`. Sets of what it chooses are looked at, by quick means first, and
it is solved again. Every limit holds for every layout, so the value of the programme does as well.
"""

from __future__ import annotations

from itertools import combinations, islice
from math import inf, isinf
from typing import TYPE_CHECKING, Protocol

from reorder_solver.backends.modes.savings import Savings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from reorder_solver.backends.modes.items import Item
    from reorder_solver.backends.modes.oracles import Few
    from reorder_solver.core.limits import Deadline

#: Between two solutions of the programme: seconds, and sets for each of those who are asked.
_ROUND_SECONDS = 0.3
_PER_ROUND = 150
#: Share of the time for one solution of the programme.
_SOLVE_SHARE = 0.3
#: Of what is asked before the programme is solved at all: share of the time, and sets for each
#: of those who are asked.
_PREPARE_SHARE = 0.1
_PREPARED_SETS = 300
#: Cliques are made of sets of up to so many items, and have up to so many.
_CLIQUE_OF = 4
_CLIQUE_LENGTH = 16
#: Sets gone through in search of new ones.
_MOST_SETS = 20_000


class Oracle(Protocol):
    """Knows limits of sets of items.

    Attributes
    ----------
    is_quick : bool
        Takes a millisecond or so for small sets, which come first.
    """

    is_quick: bool

    def sets(self, lively: Few) -> Iterator[Few]:
        """Sets to be looked at if all of `lively` are chosen."""

    def ask(self, few: Few, deadline: Deadline, /) -> int:
        """What `few` save at most if all are lively; negative if they never are."""


class LivelySets:
    """Limits on what sets of items save, made as the programme asks for them.

    Parameters
    ----------
    items : sequence of Item
    oracles : sequence of Oracle
        The quick ones first: the next is asked when there is nothing left to ask of those before.
    """

    def __init__(self, items: Sequence[Item], oracles: Sequence[Oracle]) -> None:
        self._items = items
        self._most = [item.most for item in items]
        self._oracles = oracles
        self._savings = Savings(self._most, [n for n, each in enumerate(items) if not each.spans])
        #: Per set, what it saves at most, however many of it are lively.
        self._any: dict[Few, int] = {}
        self._asked: list[set[Few]] = [set() for _ in oracles]
        self._never: set[Few] = set()
        self._in_cliques: set[Few] = set()
        self._cliques: list[list[frozenset[int]]] = [[] for _ in range(_CLIQUE_OF + 1)]
        for number, item in enumerate(items):
            for other in range(number):
                if items[other].access == item.access:
                    self._forbid((other, number))
                    self._any[other, number] = max(self._most[other], item.most)

    def run(
        self,
        enough: Callable[[], int],
        deadline: Deadline,
        report: Callable[[int], None],
        *,
        threads: int,
        seed: int,
    ) -> bool:
        """Lower what all accesses save at most, until it is `enough` (True) or no more is known."""
        self._prepare(deadline)
        lowest, lively = sum(self._most), tuple(range(len(self._most)))
        is_last = False
        while not deadline.expired:
            begin, known = deadline.elapsed, enough()
            share = deadline if is_last else deadline.share(_SOLVE_SHARE)
            solved = self._savings.solve(share, more_than=known, threads=threads, seed=seed)
            lowest = min(lowest, solved.most)
            report(lowest)
            if lowest <= known:
                return True
            # Without a new choice, there may be more to ask about the last one.
            lively = solved.lively or lively
            seconds = max(_ROUND_SECONDS, deadline.elapsed - begin)
            if isinf(deadline.remaining):
                # The same answer whatever the machine.
                seconds = inf
            if not self._learn(lively, deadline, seconds):
                if is_last or solved.is_best:
                    return False
                is_last = True
        return False

    def _prepare(self, deadline: Deadline) -> None:
        """Ask the quick ones about all small sets first."""
        share = deadline.share(_PREPARE_SHARE)
        everything = tuple(range(len(self._most)))
        for oracle, asked in zip(self._oracles, self._asked, strict=True):
            if not oracle.is_quick:
                break
            for few in islice(oracle.sets(everything), _PREPARED_SETS):
                if share.expired:
                    return
                if few not in asked and not self._are_never(few):
                    asked.add(few)
                    self._take(few, oracle.ask(few, share))
        self._grow_cliques(deadline)

    def _learn(self, lively: Few, deadline: Deadline, seconds: float) -> bool:
        """Ask about sets of the items chosen; whether anything new was asked."""
        begin, count = deadline.elapsed, 0
        for oracle, asked in zip(self._oracles, self._asked, strict=True):
            new = (few for few in islice(oracle.sets(lively), _MOST_SETS) if few not in asked)
            for few in islice(new, _PER_ROUND):
                if count and (deadline.expired or deadline.elapsed - begin > seconds):
                    break
                asked.add(few)
                count += 1
                self._take(few, oracle.ask(few, deadline))
        self._grow_cliques(deadline)
        return count > 0

    def limit_accesses(self, accesses: Sequence[int], most: int) -> None:
        """These accesses save at most so much together."""
        self.limit(tuple(n for n, item in enumerate(self._items) if item.access in accesses), most)

    def limit(self, few: Few, most: int) -> None:
        """These items save at most so much together, however many of them are lively."""
        if sum(self._most[each] for each in few) > most:
            self._savings.limit(few, most, most)

    def budget(self, few: Few, bases: Sequence[int], most: int) -> None:
        """What the lively ones of them save above their bases is so much at most."""
        self._savings.budget(few, bases, most)

    def _take(self, few: Few, lively: int) -> None:
        """Tell the programme what `few` save at most if all are lively."""
        parts = [few[:at] + few[at + 1 :] for at in range(len(few))]
        fewer = max(map(self._at_most, parts))
        apart = min(
            self._at_most(part) + self._at_most((each,))
            for part, each in zip(parts, few, strict=True)
        )
        any_of = min(self._at_most(few), max(fewer, lively))
        self._any[few] = any_of
        if lively < len(few):
            # Each of them saves something.
            self._forbid(few)
            if any_of < apart:
                self._savings.limit(few, any_of, any_of)
        elif lively < apart:
            self._savings.limit(few, min(lively, any_of), any_of)

    def _forbid(self, few: Few) -> None:
        self._never.add(few)
        self._savings.forbid(few)

    def _are_never(self, few: Few) -> bool:
        if len(few) > _CLIQUE_OF + 1:
            return False
        return any(
            each in self._never
            for size in range(1, len(few) + 1)
            for each in combinations(few, size)
        )

    def _grow_cliques(self, deadline: Deadline) -> None:
        """Sets of items of which no `k` are lively together: fewer than `k` of them are.

        Such a set says more than all its subsets of `k` do one by one.
        """
        for few in sorted(self._never - self._in_cliques):
            if deadline.expired:
                return
            self._in_cliques.add(few)
            size = len(few)
            if not 1 < size <= _CLIQUE_OF or any(
                clique.issuperset(few) for clique in self._cliques[size]
            ):
                continue
            clique = list(few)
            for each in range(len(self._most)):
                if (
                    len(clique) < _CLIQUE_LENGTH
                    and each not in few
                    and all(
                        self._are_never(tuple(sorted((*others, each))))
                        for others in combinations(clique, size - 1)
                    )
                ):
                    clique.append(each)
            if len(clique) > size:
                self._cliques[size].append(frozenset(clique))
                most = max(self._at_most(tuple(sorted(o))) for o in combinations(clique, size - 1))
                self._savings.limit_number(clique, size - 1, most)

    def _at_most(self, few: Few) -> int:
        known = self._any.get(few)
        return sum(self._most[each] for each in few) if known is None else known
