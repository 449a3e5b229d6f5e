"""What runs in a peer's child process: plain arrays in, orders and bounds told as they are found.

Each function gets its arguments from the backend of its name, ``end`` (seconds since the epoch or
None) and ``tell``. It tells ``tour`` (a cycle of nodes) or ``successors`` (per tensor), ``bound``
(proven by the engine's word, in its own units), and ``finished`` when it came to its own end.
"""

from __future__ import annotations

import time
from math import ceil, inf
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from reorder_solver.peers.columns import IntArray
    from reorder_solver.peers.plain_model import PlainModel

#: Runs of LKH, as by its own default.
_LKH_RUNS = 10
#: Solutions after which the routing search ends where there is no time limit.
_ROUTING_SOLUTIONS = 1000
#: Up to so many nodes they end at once, and so does the routing search with a limit.
FEW_NODES = 12
#: HiGHS takes bounds in floats; so much may be wrong, absolutely and of the bound.
_FLOAT_ERROR = 1e-5


class Tell(Protocol):
    """Hands words on to the parent process."""

    def __call__(self, **word: Any) -> None:
        """Tell one word."""


def _left(end: float | None) -> float:
    return inf if end is None else max(0.01, end - time.time())


def fast_tsp(*, distances: IntArray, threads: int, end: float | None, tell: Tell) -> None:
    """One call for all the time there is; until it converges, where there is no limit."""
    import fast_tsp as module

    tour = module.find_tour(
        distances.astype(np.int32), duration_seconds=_left(end), max_threads=threads
    )
    tell(tour=[int(node) for node in tour], finished=end is None or len(distances) <= 20)


def elkai(*, distances: IntArray, end: float | None, tell: Tell) -> None:
    """One run of LKH, then as many as it makes by default."""
    import elkai as module

    rows = distances.tolist()
    if len(rows) < 3:
        tell(tour=list(range(len(rows))), finished=True)
        return
    matrix = module.DistanceMatrix(rows)
    for runs in (1, _LKH_RUNS):
        tour = matrix.solve_tsp(runs=runs)
        # It comes back to where it began.
        tell(tour=[int(node) for node in tour[:-1]], finished=runs == _LKH_RUNS)


def routing(*, distances: IntArray, end: float | None, tell: Tell) -> None:
    """Guided local search from the cheapest arcs."""
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2

    nodes = len(distances)
    manager = pywrapcp.RoutingIndexManager(nodes, 1, nodes - 1)
    model = pywrapcp.RoutingModel(manager)
    model.SetArcCostEvaluatorOfAllVehicles(model.RegisterTransitMatrix(distances.tolist()))
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    first, search = (
        routing_enums_pb2.FirstSolutionStrategy,
        routing_enums_pb2.LocalSearchMetaheuristic,
    )
    parameters.first_solution_strategy = first.PATH_CHEAPEST_ARC
    parameters.local_search_metaheuristic = search.GUIDED_LOCAL_SEARCH
    if end is not None:
        parameters.time_limit.FromMilliseconds(ceil(1000 * _left(end)))
    counted = end is None or nodes <= FEW_NODES
    if counted:
        parameters.solution_limit = _ROUTING_SOLUTIONS
    best = inf

    def improved() -> None:
        nonlocal best
        if model.CostVar().Max() < best:
            best = model.CostVar().Max()
            tell(tour=_routing_tour(manager, model))

    model.AddAtSolutionCallback(improved)
    model.SolveWithParameters(parameters)
    tell(finished=counted)


def _routing_tour(manager: Any, model: Any) -> list[int]:
    """The route of the only vehicle, read off the variables of the solution at hand."""
    place, tour = model.Start(0), []
    while not model.IsEnd(place):
        tour.append(manager.IndexToNode(place))
        place = model.NextVar(place).Value()
    return tour


def cp_sat(*, model: PlainModel, seed: int, threads: int, end: float | None, tell: Tell) -> None:
    """The plain model in CP-SAT with its own parameters: a circuit through each tensor."""
    from ortools.sat.python import cp_model

    program = cp_model.CpModel()
    arcs = [program.new_bool_var("") for _ in range(model.arcs)]
    for first, nodes in zip(model.first, model.nodes, strict=True):
        pairs = enumerate(model.pairs(nodes), start=first)
        if nodes > 1:
            program.add_circuit([(tail, head, arcs[at]) for at, (tail, head) in pairs])
    objective = []
    for row in model.rows:
        runs = cp_model.LinearExpr.sum([arcs[arc] for arc in row.arcs])
        if row.mode == "runs":
            objective.append(row.price * runs)
        elif row.mode == "view":
            program.add(runs <= 1)
        else:
            copied = program.new_bool_var("")
            program.add(runs <= 1 + (row.most - 1) * copied)
            objective.append(row.price * copied)
    program.minimize(sum(objective))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = threads
    solver.parameters.random_seed = seed % 2**31
    solver.parameters.absolute_gap_limit = solver.parameters.relative_gap_limit = 0.0
    if end is not None:
        solver.parameters.max_time_in_seconds = _left(end)

    class Listener(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            chosen = [self.boolean_value(arc) for arc in arcs]
            tell(successors=model.successors(np.array(chosen, dtype=np.bool_)))

    status = solver.solve(program, Listener())
    if status == cp_model.MODEL_INVALID:
        raise RuntimeError(f"CP-SAT refused the model: {program.validate()}")
    if status == cp_model.INFEASIBLE:
        raise RuntimeError("CP-SAT found no circuit, but there is one")
    # The bound of the response is an integer, that of the solver a float.
    bound = int(solver.response_proto.inner_objective_lower_bound) - model.first_runs
    tell(bound=max(0, bound), finished=status == cp_model.OPTIMAL)


def highs(*, model: PlainModel, end: float | None, tell: Tell) -> None:
    """The plain model in HiGHS: circuits by the inequalities of Miller, Tucker and Zemlin."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    from reorder_solver.peers.plain_model import mixed_integer_programme

    if not model.arcs:
        tell(successors=model.successors(np.zeros(0, dtype=np.bool_)), bound=0, finished=True)
        return
    programme = mixed_integer_programme(model)
    # A gap that looks like nothing in floats may still be one.
    options: dict[str, Any] = {"mip_rel_gap": 0.0}
    if end is not None:
        options["time_limit"] = _left(end)
    found = milp(
        programme.costs,
        integrality=programme.integral,
        bounds=Bounds(0.0, programme.upper),
        constraints=LinearConstraint(programme.matrix, programme.low, programme.high),
        options=options,
    )
    if found.x is not None:
        tell(successors=model.successors(found.x[: model.arcs] > 0.5))
    bound = found.mip_dual_bound
    if bound is not None and np.isfinite(bound):
        careful = bound - _FLOAT_ERROR * (1.0 + abs(bound)) - model.first_runs
        tell(bound=max(0, ceil(careful)))
    tell(finished=found.status == 0)
