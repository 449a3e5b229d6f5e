"""From a model's name to compared exports: what ``export`` and ``demo`` share."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from reorder_solver.cli.exits import one_line
from reorder_solver.cli.output import (
    Column,
    Row,
    counted,
    number,
    percent,
    print_line,
    print_table,
    seconds,
)
from reorder_solver.cli.running import solve_verified
from reorder_solver.core.errors import InputError, ReorderSolverError, VerificationError
from reorder_solver.core.evaluate import evaluate
from reorder_solver.core.layout import Layout
from reorder_solver.core.prices import Objective
from reorder_solver.core.result import StopReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reorder_solver.cli.options import Decorated, SolveSettings
    from reorder_solver.core.instance import Instance
    from reorder_solver.core.result import Progress, Result
    from reorder_solver.torch_adapter import Extraction
    from reorder_solver.torch_adapter.apply import Rewritten
    from reorder_solver.torch_adapter.optimise import SolverSettings

#: The exports that are compared, worst first, and the backend behind each; None for the one asked
#: for, which may also move copies.
EXPORTS: dict[str, str | None] = {"naive": "identity", "upscale": "upscale", "optimal": None}

_COLUMNS = (
    Column("export", "export", style="bold"),
    number("bytes", "bytes copied"),
    number("ratio", "of naive", percent),
    Column("views", "views", right=True),
    number("runs", "runs"),
    number("cost", "cost"),
    number("lower_bound", "bound"),
    number("seconds", "time", seconds),
    Column("status", "status"),
    number("error", "error", lambda value: f"{value:.1e}" if isinstance(value, float) else "-"),
)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which model, on which inputs, pruned how."""

    score: str
    amount: float
    input_size: tuple[int, ...]
    batch: int


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A pruned model and the problem it poses."""

    spec: str
    model: Any
    inputs: Any
    masks: Any
    extraction: Extraction
    batch: int

    @property
    def calls(self) -> Any:
        """Inputs as the export will be called with, of the batch size asked for."""
        return self.inputs[: self.batch]

    @property
    def instance(self) -> Instance:
        """The problem."""
        return self.extraction.instance


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """An export: its problem and the layout chosen."""

    extraction: Extraction
    result: Result


def _input_size(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(each) for each in value.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1 or max(sizes) > 1 << 20:
        raise click.BadParameter("must be one number or C,H,W, each at least 1")
    return (3, sizes[0], sizes[0]) if len(sizes) == 1 else sizes


def model_options(default_size: int) -> Callable[[Decorated], Decorated]:
    """``--score --amount --input-size --batch``, as the argument `pruning`."""
    import functools

    options = (
        click.option(
            "--score",
            type=click.Choice(["l1", "l2", "lamp", "fpgm", "random"]),
            default="l2",
            show_default=True,
            help="What every layer ranks its input channels by.",
        ),
        click.option(
            "--amount",
            type=click.FloatRange(0.0, 1.0),
            default=0.5,
            show_default=True,
            help="Share that every layer drops; 0 to take the zeros of the weights as they are.",
        ),
        click.option(
            "--input-size",
            callback=_input_size,
            default=str(default_size),
            show_default=True,
            metavar="N|C,H,W",
            help="Of one sample; N stands for 3,N,N.",
        ),
        click.option(
            "--batch",
            type=click.IntRange(1, 4096),
            default=1,
            show_default=True,
            help="Samples per call of the export.",
        ),
    )

    def decorate(function: Decorated) -> Decorated:
        @functools.wraps(function)
        def wrapped(*args: Any, **values: Any) -> Any:
            names = ModelSettings.__dataclass_fields__
            pruning = ModelSettings(**{name: values.pop(name) for name in names})
            return function(*args, pruning=pruning, **values)

        decorated: Any = wrapped
        for option in reversed(options):
            decorated = option(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def prepare(spec: str, pruning: ModelSettings, seed: int, say: Callable[[str], object]) -> Prepared:
    """Load, calibrate (weights that are random), prune and extract; `say` is told each step.

    Raises
    ------
    InputError
        If the model cannot be built or does not take inputs of this size.
    """
    say("importing torch")
    with quiet():
        from reorder_solver import torch_adapter as ta

        say(f"building {spec}")
        if not spec.startswith("torchvision:"):
            # As with "python -m": models in the current folder can be named.
            sys.path.insert(0, os.getcwd())
        with _blaming(f"model {spec!r} cannot be built"):
            model = ta.load_model(spec, seed)
        # Two samples are the least that the statistics of normalisations can be taken from.
        inputs = example_inputs(model, replace(pruning, batch=max(2, pruning.batch)), seed)
        say("running it once")
        with _blaming(f"model {spec!r} fails on an input of shape {tuple(inputs.shape)}"):
            if spec.startswith("torchvision:"):
                ta.calibrate(model, inputs)
            else:
                model(inputs)
        say("pruning")
        masks = None
        if pruning.amount > 0:
            masks = ta.prune_inputs(
                model, inputs, score=pruning.score, amount=pruning.amount, seed=seed
            )
        say("extracting accesses")
        extraction = ta.extract(model, inputs, masks)
    return Prepared(spec, model, inputs, masks, extraction, pruning.batch)


def example_inputs(model: Any, pruning: ModelSettings, seed: int) -> Any:
    """Normally distributed inputs of the type and on the device of the model's weights."""
    import numpy as np

    weight = next(iter(model.parameters()), None)
    if weight is None:
        raise InputError("the model has no parameters", source=type(model).__name__)
    values = np.random.default_rng(seed).normal(size=(pruning.batch, *pruning.input_size))
    return weight.detach().new_tensor(values)


def solve_exports(
    prepared: Prepared,
    settings: SolveSettings,
    say: Callable[[str], Callable[[Progress], None]],
    *,
    transform: bool = True,
) -> dict[str, Solved]:
    """A verified result per export; `transform` lets the best one move copies too."""
    solved: dict[str, Solved] = {}
    for export, backend in EXPORTS.items():
        wanted = settings if backend is None else replace(settings, backend=backend)
        runner = _runner(prepared, wanted, say(f"solving: {export}"))
        found = _solve(prepared, runner, transform=transform and backend is None)
        result = found.result
        if result.layout is None:
            raise VerificationError(f"{export}: no layout found (status {result.status.value})")
        if result.stop_reason is StopReason.INTERRUPTED and backend is not None:
            raise KeyboardInterrupt
        solved[export] = found
    return solved


def _runner(
    prepared: Prepared, settings: SolveSettings, callback: Callable[[Progress], None]
) -> SolverSettings:
    """Solver settings for the adapter that check every result."""
    from reorder_solver.torch_adapter.optimise import SolverSettings

    def run(instance: Instance, **values: Any) -> Result:
        wanted = replace(settings, **values)
        return solve_verified(instance, wanted, source=prepared.spec, callback=callback)

    return SolverSettings(
        objective=settings.objective,
        time_limit=settings.time_limit,
        seed=settings.seed,
        threads=settings.threads,
        backend=settings.backend,
        solver=run,
    )


def _solve(prepared: Prepared, runner: SolverSettings, *, transform: bool) -> Solved:
    from reorder_solver import torch_adapter as ta
    from reorder_solver.torch_adapter.optimise import best_transformed

    with quiet():
        if transform:
            allowed = ta.Transformations()
            return Solved(*best_transformed(prepared.extraction, allowed, runner, prepared.calls))
        extraction = runner.priced(prepared.extraction, prepared.calls)
        return Solved(extraction, runner.solve(extraction))


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """What was written for an export, and its largest relative error."""

    written: Rewritten
    error: float

    @property
    def module(self) -> Any:
        """The compact module."""
        return self.written.module


def applied(prepared: Prepared, solved: Solved) -> Applied:
    """The compact module, compared with the masked model in float64.

    Raises
    ------
    VerificationError
        If the error is more than rounding.
    """
    from reorder_solver import torch_adapter as ta
    from reorder_solver.torch_adapter.checking import checked

    with quiet():
        try:
            written, error = checked(
                solved.extraction, solved.result, prepared.model, prepared.masks, prepared.inputs
            )
        except ta.ExportMismatchError as failure:
            raise VerificationError(f"{prepared.spec}: {failure}") from None
    return Applied(written, error)


def export_rows(
    prepared: Prepared, solved: dict[str, Solved], errors: dict[str, float]
) -> list[Row]:
    """A row per export: bytes copied, views, cost, bound, error."""
    naive = _bytes(prepared.instance, Layout.identity(prepared.instance))
    rows: list[Row] = []
    for export, found in solved.items():
        instance, result = found.extraction.instance, found.result
        assert result.layout is not None
        copied = _bytes(instance, result.layout)
        rows.append(
            {
                "model": prepared.spec,
                "export": export,
                "bytes": copied,
                "ratio": copied / naive if naive else None,
                "views": result.views,
                "accesses": len(instance.accesses),
                "runs": result.runs,
                "objective": result.objective.value,
                "cost": result.cost,
                "lower_bound": result.lower_bound,
                "status": result.status.value,
                "backend": result.backend,
                "seconds": round(result.times["total"], 6),
                "error": errors.get(export),
            }
        )
    return rows


def print_exports(
    prepared: Prepared, solved: Mapping[str, Solved], rows: list[Row], *, remarks: bool = True
) -> None:
    """Print the comparison, and (`remarks`) what is pinned and why and what to know."""
    instance = prepared.instance
    placed = sum(int(kept.sum()) for kept in instance.placed_channels().values())
    channels = sum(tensor.channels for tensor in instance.tensors)
    print_line(
        f"{prepared.spec}: {counted(len(instance.accesses), 'access', 'accesses')}, "
        f"{counted(len(instance.tensors), 'tensor')}, "
        f"{placed:,} of {channels:,} channels are computed; objective {rows[0]['objective']}"
    )
    shown = [row | {"views": f"{row['views']}/{row['accesses']}"} for row in rows]
    print_table(shown, _COLUMNS)
    if not remarks:
        return
    for pin in prepared.extraction.pins:
        print_line(f"pinned {pin.tensor}: {pin.reason}", style="dim")
    for note in notes_of(solved):
        print_line(f"note: {note}", style="dim")


def notes_of(solved: Mapping[str, Solved]) -> list[str]:
    """What to know; with the names of the exports, if it is not about all."""
    about: dict[str, list[str]] = {}
    for export, found in solved.items():
        for note in found.extraction.notes:
            about.setdefault(note, []).append(export)
    return [
        note if len(names) == len(solved) else f"{', '.join(names)}: {note}"
        for note, names in about.items()
    ]


def pins(prepared: Prepared) -> list[dict[str, str]]:
    """The pinned tensors and the reasons, fit for JSON."""
    return [{"tensor": pin.tensor, "reason": pin.reason} for pin in prepared.extraction.pins]


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of other libraries, which say nothing about the user's model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _blaming(what: str) -> Iterator[None]:
    """Turn whatever a user's model raises into one line."""
    try:
        yield
    except ReorderSolverError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise InputError(one_line(f"{what}: {type(error).__name__}: {lines[0]}")) from None


def _bytes(instance: Instance, layout: Layout) -> int:
    return evaluate(instance, layout, Objective.BYTES).total or 0
