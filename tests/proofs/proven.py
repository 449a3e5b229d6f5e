"""Results that are proven optimal, and what the ways to spoil them share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from plain_runs import is_proven

import reorder_solver as rs
from reorder_solver.core.proof import Proof

if TYPE_CHECKING:
    import numpy as np

    from reorder_solver.core.proof import InstancePart, RunsPart


@dataclass(frozen=True)
class Proven:
    """An instance, and a result that is proven optimal."""

    instance: rs.Instance
    result: rs.Result

    @property
    def parts(self) -> tuple[InstancePart, ...]:
        assert self.result.proof is not None
        return self.result.proof.parts

    def claiming(self, parts: list[InstancePart] | tuple[InstancePart, ...]) -> rs.Result:
        """A result of nothing but the bound that `parts` add up to."""
        proof = Proof(tuple(parts))
        return replace(
            self.result,
            proof=proof,
            lower_bound=proof.bound,
            status=rs.Status.NO_SOLUTION,
            cost=None,
            layout=None,
            accesses={},
            tie_break=0,
        )

    def with_part(self, number: int, part: InstancePart) -> rs.Result:
        """Claiming with one part replaced."""
        parts = list(self.parts)
        parts[number] = part
        return self.claiming(parts)

    def pick(self, rng: np.random.Generator, kind: type) -> tuple[int, Any] | None:
        """One of the parts of a kind, with its number."""
        found = [(number, part) for number, part in enumerate(self.parts) if isinstance(part, kind)]
        return found[int(rng.integers(len(found)))] if found else None

    def spoiled(self, number: int, part: RunsPart[str, Any]) -> rs.Result | None:
        """With a part whose numbers were changed: claiming just more than they prove."""
        step = 1
        for _ in range(90):
            if not is_proven(self.instance, self.result.objective, part):
                return self.with_part(number, part)
            part = replace(part, bound=part.bound + step)
            step *= 2
        return None

    def fit(self, names: tuple[str, ...]) -> bool:
        """Whether accesses can be views together with all that are required; by brute force."""
        accesses = [
            replace(each, required=each.required or each.id in names)
            for each in self.instance.accesses
        ]
        held = self.instance.replace(accesses=tuple(accesses))
        return rs.solve(held, "copies", backend="greedy").status is not rs.Status.INFEASIBLE


def any_of(rng: np.random.Generator, items: Any) -> Any:
    """One of the items."""
    return items[int(rng.integers(len(items)))]
