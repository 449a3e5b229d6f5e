"""The way back for proofs: from components' parts, in numbers, to the instance's ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reorder_solver.core.proof import ConstantPart, Proof, RunsPart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reorder_solver.core.proof import ComponentPart, InstancePart
    from reorder_solver.presolve.problem import Compiled
    from reorder_solver.presolve.reduce import Component, Presolved


def lift_proof(
    compiled: Compiled, reduced: Presolved, parts: Sequence[ComponentPart | None]
) -> Proof:
    """One proof from what there is of the components' proofs.

    Parameters
    ----------
    compiled : Compiled
    reduced : Presolved
        Of ``compiled.problem``.
    parts : sequence of ViewsPart, RunsPart, JunctionsPart or None
        One per component.

    Returns
    -------
    Proof
        An access stands for all that are equal to it, a channel for all of its class.
    """
    lifted: list[InstancePart] = [
        _lift(compiled, component, part)
        for component, part in zip(reduced.components, parts, strict=True)
        if part is not None
    ]
    if reduced.constant.primary:
        names = tuple(_access_id(compiled, number) for number in reduced.paying)
        lifted.append(ConstantPart(names, reduced.constant.primary))
    return Proof(tuple(lifted))


def _lift(compiled: Compiled, component: Component, part: ComponentPart) -> InstancePart:
    tensors = compiled.instance.tensors

    def access(number: int) -> str:
        return _access_id(compiled, component.problem.accesses[number].members[0])

    def tensor(number: int | str) -> str:
        return tensors[component.tensors[int(number)]].id

    def node(label: tuple[int, int]) -> tuple[str, int]:
        number, one_class = label
        first = component.members[number][one_class][0]
        return tensor(number), int(compiled.channels[component.tensors[number]][first])

    if isinstance(part, RunsPart):
        return part.relabel(access, tensor, node)
    return part.relabel(access)


def _access_id(compiled: Compiled, number: int) -> str:
    return compiled.instance.accesses[number].id
