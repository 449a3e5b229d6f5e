"""Checking a whole proof: its parts one by one, and that they may be added up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.errors import VerificationError, shown
from reorder_solver.core.proof import ConstantPart, JunctionsPart, RunsPart, ViewsPart
from reorder_solver.core.verify import verify
from reorder_solver.proofs.constant import check_constant
from reorder_solver.proofs.groups import Groups
from reorder_solver.proofs.junctions import check_junctions
from reorder_solver.proofs.runs import check_runs
from reorder_solver.proofs.views import check_views

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.proof import InstancePart
    from reorder_solver.core.result import Result

_KINDS = {
    ConstantPart: "constant",
    ViewsPart: "views",
    RunsPart: "runs",
    JunctionsPart: "junctions",
}


def check_proof(instance: Instance, result: Result) -> None:
    """Prove ``result.lower_bound`` again, from the instance and the proof that `result` carries.

    Parameters
    ----------
    instance : Instance
    result : Result
        With a proof. Its layout, facts and cost are checked as well
        (:func:`reorder_solver.verify`).

    Raises
    ------
    VerificationError
        If there is no proof, or it does not prove what the result claims; the message names the
        part and the rule.

    Notes
    -----
    The parts of a proof speak of different accesses, and no price is negative: so the bounds of
    the parts add up. What each part has to show is in ``docs/proofs.md``. The time goes into the
    triples of accesses (``k**3``) of cardinality constraints, and into the edges (``n**2`` times
    the leaves of the tree) of a bound on runs.
    """
    verify(instance, result)
    if result.proof is None:
        raise VerificationError("the result carries no proof")
    parts = result.proof.parts
    for number, part in enumerate(parts, start=1):
        if type(part.bound) is not int or part.bound < 0:
            raise VerificationError(f"{_place(number, part)}: the bound is no number from 0 up")
    claimed = sum(part.bound for part in parts)
    if claimed != result.lower_bound:
        raise VerificationError(
            f"the parts of the proof add up to {shown(claimed)}, "
            f"but the lower bound is {shown(result.lower_bound)}"
        )
    groups = Groups(instance, result.objective)
    # CBC for what CP-SAT may have claimed, and the other way round.
    prefers_cpsat = result.backend == "exact-pulp"
    taken: set[int] = set()
    for number, part in enumerate(parts, start=1):
        try:
            if isinstance(part, ConstantPart):
                check_constant(part, groups, taken)
            elif isinstance(part, ViewsPart):
                check_views(part, groups, taken, prefers_cpsat=prefers_cpsat)
            elif isinstance(part, JunctionsPart):
                check_junctions(part, groups, taken)
            else:
                check_runs(part, groups, taken)
        except VerificationError as error:
            raise VerificationError(f"{_place(number, part)}: {error}") from None


def _place(number: int, part: InstancePart) -> str:
    return f"proof part {number} ({_KINDS[type(part)]})"
