"""Run the CBC that comes with PuLP: as a killable child, its claims read with suspicion.

PuLP's own ``solve`` neither kills the child when interrupted nor tells "optimal" from "stopped at
the time limit" reliably, so PuLP only writes the problem here and says where CBC is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from formulations.engines import import_pulp

# Dense cuts computed in floating point can cut off an optimum by rounding. On covering problems
# they cost more time than they save.
_FLOAT_CUTS = (
    "gomoryCuts",
    "twoMirCuts",
    "mixedIntegerRoundingCuts",
    "reduceAndSplitCuts",
    "liftAndProjectCuts",
)
_TOLERANCE = "1e-9"
# CBC prints its bounds rounded, to three decimals or six digits.
_ABSOLUTE_ERROR = 1e-2
_RELATIVE_ERROR = 1e-5
_BOUNDS = (
    re.compile(r"^Continuous objective value is (\S+) - ", re.MULTILINE),
    re.compile(r"^Lower bound:\s+(\S+)\s*$", re.MULTILINE),
)
# "Optimal solution found (within gap tolerance)" must not match.
_FINISHED = re.compile(r"^Result - Optimal solution found\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CbcOutcome:
    """What CBC reported of a minimisation.

    Parameters
    ----------
    values : dict of str to float
        Values of the variables that are not zero, empty if there are none.
    has_solution : bool
        Whether `values` is an integer solution by CBC's word.
    is_optimal : bool
        Whether CBC says it is optimal, and said so clearly before the time limit.
    bound : float or None
        CBC's last lower bound before it was stopped, less a margin for rounding.
    """

    values: dict[str, float] = field(default_factory=dict)
    has_solution: bool = False
    is_optimal: bool = False
    bound: float | None = None


def cbc_path() -> str:
    """Return the path of the CBC that PuLP ships, or else of the one installed.

    Raises
    ------
    RuntimeError
        If there is neither.
    """
    pulp = import_pulp()
    bundled = getattr(getattr(pulp, "PULP_CBC_CMD", None), "pulp_cbc_path", "")
    if bundled and os.access(bundled, os.X_OK):
        return str(bundled)
    installed = shutil.which("cbc")
    if installed is None:
        raise RuntimeError("PuLP ships no CBC for this machine, and no cbc program is installed")
    return installed


def run_cbc(
    problem: Any, *, time_limit: float | None = None, seed: int = 0, threads: int = 1
) -> CbcOutcome:
    """Minimise a PuLP problem of integer variables with CBC, gap tolerances at zero.

    The child process has ended and its files are gone when this returns or raises, also on
    KeyboardInterrupt. A child that ignores its time limit is killed.

    Parameters
    ----------
    problem : pulp.LpProblem
        Its numbers must survive being written with twelve digits.
    time_limit : float, optional
        Wall-clock seconds from now on.
    seed, threads : int
        Of CBC; the same seed on one thread gives the same answer.

    Returns
    -------
    CbcOutcome
        Without a solution if CBC failed, or was killed.
    """
    start = time.monotonic()
    executable = cbc_path()
    with tempfile.TemporaryDirectory(prefix="cbc-", ignore_cleanup_errors=True) as folder:
        model, answer, log = (Path(folder, name) for name in ("in.mps", "out.sol", "out.log"))
        problem.writeMPS(str(model))
        left = None if time_limit is None else time_limit - (time.monotonic() - start)
        if left is not None and left <= 0:
            return CbcOutcome()
        # CBC looks at the clock now and then only; a margin leaves it time to report.
        seconds = None if left is None else 0.9 * left
        options = _options(seconds, seed, threads)
        command = [executable, str(model), *options, "-solve", "-solution", str(answer)]
        began = time.monotonic()
        ended = _run(command, log, None if left is None else left + max(0.3, 0.05 * left))
        in_time = seconds is None or time.monotonic() - began < 0.9 * seconds
        return _read(answer if ended else None, log, in_time)


def _options(seconds: float | None, seed: int, threads: int) -> list[str]:
    number = str(seed % 2**31)
    options = ["-ratioGap", "0", "-allowableGap", "0"]
    options += ["-primalTolerance", _TOLERANCE, "-dualTolerance", _TOLERANCE]
    options += ["-randomSeed", number, "-randomCbcSeed", number]
    for cut in _FLOAT_CUTS:
        options += [f"-{cut}", "off"]
    if threads > 1:
        options += ["-threads", str(threads)]
    if seconds is not None:
        options += ["-sec", f"{seconds:.3f}", "-timeMode", "elapsed"]
    return options


def _run(command: list[str], log: Path, timeout: float | None) -> bool:
    """Run a command to its end; False if it failed or had to be killed."""
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            creationflags=flags,
        )
        try:
            return child.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()


def _read(answer: Path | None, log: Path, in_time: bool) -> CbcOutcome:
    """Read the solution file and the log; anything unexpected counts as no solution."""
    report = log.read_text(encoding="utf-8", errors="replace")
    bound = _bound(report)
    if answer is None or not answer.exists():
        return CbcOutcome(bound=bound)
    heading, *lines = answer.read_text(errors="replace", encoding="utf-8").splitlines() or [""]
    optimal = heading.startswith("Optimal - objective value")
    stopped = re.match(r"Stopped on \w+ - objective value", heading) is not None
    values: dict[str, float] = {}
    try:
        for line in lines:
            _, name, value = line.replace("**", " ").split()[:3]
            values[name] = float(value)
    except ValueError:
        return CbcOutcome(bound=bound)
    return CbcOutcome(
        values=values,
        has_solution=optimal or stopped,
        is_optimal=optimal and in_time and _FINISHED.search(report) is not None,
        bound=bound,
    )


def _bound(report: str) -> float | None:
    """Return the best lower bound in a log, less what printing may have added to it."""
    printed: list[float] = []
    for pattern in _BOUNDS:
        for text in pattern.findall(report):
            try:
                number = float(text)
            except ValueError:
                continue
            if isfinite(number) and abs(number) < 1e15:
                printed.append(number - _ABSOLUTE_ERROR - _RELATIVE_ERROR * abs(number))
    return max(printed, default=None)
