"""Instances as mathematical programmes in files, so that any other solver can be pointed at them.

============ ================= ==================== =============================================
file         objective         model                value of a solution
============ ================= ==================== =============================================
TSPLIB       runs, one tensor  tour                 cost = unit * length / 2 + offset
LP, MPS      runs, one tensor  betweenness          cost = unit * value + offset
LP, MPS      copies, bytes     covering             cost = value + offset
============ ================= ==================== =============================================
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from formulations import betweenness, hitting_set
from formulations.block_minimisation import COST_LIMIT, BlockMinimisation
from reorder_solver.backends.blocks import block_minimisation, refusal
from reorder_solver.core.errors import InputError, UnsupportedError
from reorder_solver.core.prices import Objective
from reorder_solver.core.proof import ViewsPart
from reorder_solver.core.result import Status
from reorder_solver.formats.tsplib import tsplib_text
from reorder_solver.presolve import compile_problem, presolve
from reorder_solver.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from reorder_solver.core.instance import Instance
    from reorder_solver.presolve import Compiled, Component

#: Kinds of files.
KINDS = ("tsplib", "lp", "mps")
#: A matrix of all distances is made.
MOST_NODES = 6000
#: The betweenness model has their third power of rows.
MOST_BETWEEN = 64


@dataclass(frozen=True, slots=True)
class Programme:
    """A programme as the content of a file, and how to read its solutions.

    Attributes
    ----------
    model : str
        ``tour``, ``betweenness`` or ``covering``.
    data : bytes
        The file.
    columns : tuple of (tuple of int or str)
        What stands behind each node or variable, in their order: the channels of one tensor that
        the same accesses want, or the accesses that want the same. After the nodes of a tour
        comes one more, where the order begins and ends.
    unit, halves, offset : int
        A solution of `value` is a layout of cost ``unit * value / halves + offset``: that of all
        accesses to the tensor, or of the instance.
    is_complete : bool
        False if the optimum may be below that of the instance, which then is only bounded.
    """

    model: str
    data: bytes
    columns: tuple[tuple[int | str, ...], ...]
    unit: int
    halves: int
    offset: int
    is_complete: bool = True

    def cost(self, value: int) -> int:
        """Cost of the layout behind a solution of `value`.

        Raises
        ------
        ValueError
            If no solution has such a value.
        """
        if self.unit * value % self.halves:
            raise ValueError(f"{value} is not the length of a tour")
        return self.unit * value // self.halves + self.offset


def tour_programme(instance: Instance, tensor: str | None = None) -> Programme:
    """The Hamming tour of a tensor's channel classes and one column of zeros (Kou 1977), TSPLIB.

    Parameters
    ----------
    instance : Instance
    tensor : str, optional
        Its id; may be left out where only one tensor has an order to choose.

    Raises
    ------
    InputError
        If there is no such tensor, or nothing to choose.
    UnsupportedError
        If the runs of the tensor are no tour: it is fixed, an access is required or has several
        parts; or if it is too large.
    """
    model, columns = _blocks(instance, tensor, MOST_NODES)
    comment = f"{model.columns} channel classes and one column of zeros; runs are half the length"
    data = tsplib_text(instance.name, comment, model.distances())
    return Programme("tour", data, columns, model.unit, 2, -model.lowest)


def runs_programme(instance: Instance, kind: str, tensor: str | None = None) -> Programme:
    """The betweenness model of a tensor's runs, as an LP or MPS file.

    Parameters
    ----------
    instance : Instance
    kind : str
        ``lp`` or ``mps``.
    tensor : str, optional
        As for :func:`tour_programme`.

    Raises
    ------
    InputError, UnsupportedError
        As for :func:`tour_programme`.
    """
    model, columns = _blocks(instance, tensor, MOST_BETWEEN)
    write = betweenness.write_lp if kind == "lp" else betweenness.write_mps
    data = _written(lambda path: write(model, path))
    return Programme("betweenness", data, columns, model.unit, 1, -model.lowest)


def views_programme(
    instance: Instance,
    kind: str,
    objective: Objective = Objective.BYTES,
    time_limit: float | None = 10.0,
    seed: int = 0,
) -> Programme:
    """The covering model of which accesses pay, as an LP or MPS file.

    There are too many no-goods to list. Those are written that the backend ``exact`` needed to
    prove the optimum, so the file has the same optimum; within `time_limit`, else it is a
    relaxation.

    Parameters
    ----------
    instance : Instance
    kind : str
        ``lp`` or ``mps``.
    objective : Objective
        ``copies`` or ``bytes``.
    time_limit : float or None
        Wall seconds for the solve.
    seed : int

    Raises
    ------
    InputError
        If a cost has too many digits for the file.
    UnsupportedError
        If the objective is another, or required accesses cannot all be views.
    """
    result = solve(instance, objective, "exact", time_limit=time_limit, seed=seed)
    if result.proof is None:
        raise UnsupportedError("the required accesses cannot all be views; there is no programme")
    reduced = presolve(compile_problem(instance, objective).problem)
    groups: list[tuple[str, ...]] = []
    weights: list[int] = []
    for access in (each for part in reduced.components for each in part.problem.accesses):
        # Under these objectives all that are no views cost the same, whatever their runs.
        price = access.cost(2, access.channels).primary
        if price and not access.required:
            groups.append(tuple(instance.accesses[number].id for number in access.members))
            weights.append(price)
    place = {group[0]: number for number, group in enumerate(groups)}
    constraints = tuple(
        (tuple(place[each] for each in members), demand)
        for part in result.proof.parts
        if isinstance(part, ViewsPart)
        for members, demand in part.constraints
    )
    covering = hitting_set.Covering(tuple(weights), constraints)
    write = hitting_set.write_lp if kind == "lp" else hitting_set.write_mps
    data = _written(lambda path: write(covering, path))
    proven = result.status is Status.OPTIMAL
    return Programme("covering", data, tuple(groups), 1, 1, reduced.constant.primary, proven)


def _blocks(
    instance: Instance, tensor: str | None, most: int
) -> tuple[BlockMinimisation, tuple[tuple[int, ...], ...]]:
    """The runs of a tensor as a matrix, and the channels behind its columns."""
    compiled = compile_problem(instance, Objective.RUNS)
    component = _component(compiled, presolve(compiled.problem).components, tensor)
    reason = refusal(component.problem)
    if reason is None and component.problem.classes > most:
        reason = f"{component.problem.classes} channel classes; this model is written up to {most}"
    if reason is not None:
        raise UnsupportedError(f"tensor {_names(compiled, component)[0]!r}: {reason}")
    model = block_minimisation(component.problem)
    if model.largest > COST_LIMIT:
        raise UnsupportedError("the weights are too large for exact sums in 64 bits")
    channels = compiled.channels[component.tensors[0]]
    columns = tuple(tuple(channels[each].tolist()) for each in component.members[0])
    return model, columns


def _component(
    compiled: Compiled, components: tuple[Component, ...], tensor: str | None
) -> Component:
    names = [_names(compiled, component) for component in components]
    if tensor is None:
        if len(components) == 1:
            return components[0]
        if not components:
            raise InputError("no access depends on the order of channels")
        some = ", ".join(repr(each[0]) for each in names[:5])
        more = ", ..." if len(names) > 5 else ""
        raise InputError(f"several tensors have an order to choose; name one: {some}{more}")
    if tensor not in {each.id for each in compiled.instance.tensors}:
        raise InputError(f"there is no tensor {tensor!r}")
    for component, own in zip(components, names, strict=True):
        if tensor in own:
            return component
    raise InputError(f"no access depends on the order of tensor {tensor!r}")


def _names(compiled: Compiled, component: Component) -> list[str]:
    return [compiled.instance.tensors[number].id for number in component.tensors]


def _written(write: Callable[[Path], None]) -> bytes:
    """What `write` writes to a file."""
    with tempfile.TemporaryDirectory(prefix="programme-") as folder:
        path = Path(folder, "programme")
        try:
            write(path)
        except ValueError as error:
            raise InputError(str(error)) from None
        return path.read_bytes()
