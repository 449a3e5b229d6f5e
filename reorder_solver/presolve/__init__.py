"""From an instance to the small, independent problems that solvers see, and back."""

from reorder_solver.presolve.lift_proof import lift_proof
from reorder_solver.presolve.problem import (
    Compiled,
    Cost,
    Orders,
    Problem,
    ProblemAccess,
    compile_problem,
)
from reorder_solver.presolve.reduce import Component, Presolved, presolve
from reorder_solver.presolve.views import ViewSet

__all__ = [
    "Compiled",
    "Component",
    "Cost",
    "Orders",
    "Presolved",
    "Problem",
    "ProblemAccess",
    "ViewSet",
    "compile_problem",
    "lift_proof",
    "presolve",
]
