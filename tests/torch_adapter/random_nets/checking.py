"""Checking: every export of a masked network against the network itself."""

from __future__ import annotations

import copy
import re
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from conversion import converting
from torch.utils import _pytree as pytree

import reorder_solver as rs
from random_nets.generator import draw
from random_nets.masking import Mask, declared, draw_masks, fitting, write_zeros
from random_nets.program import Program, build, sample
from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.joining import JoinCosts
from reorder_solver.torch_adapter.optimise import SolverSettings, best_transformed
from reorder_solver.torch_adapter.partial_sums import partial_operands
from reorder_solver.torch_adapter.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

TOLERANCE = 1e-10
#: Scales below this count as this: values are kept between 0.05 and 30.
SMALLEST_SCALE = 1e-3
#: Exports to make: of the problem as the paper has it, of the one with all transformations, with
#: shared copies, and with random prices, so that accesses are served in every way there is.
EXPORTS = (
    "naive",
    "upscale",
    "ordered",
    "random",
    "transformed",
    "transformed random",
    "optimal",
    "priced",
)
_BACKENDS = {"naive": "identity", "upscale": "upscale", "ordered": "auto", "transformed": "auto"}
#: Seconds; not reached. A shorter limit may leave kernels compiling in a thread, and torch.export
#: replaces `min`, `max` and `math.pow` for all threads while it runs, which breaks that.
_LIMIT = 30.0
_CAPTURED_BATCH = 2
#: What an export may add: a vector of constants per layer.
_SLACK_BYTES, _SLACK_SHARE = 2048, 1.1


class BrokenNetworkError(Exception):
    """The network itself cannot be run: nothing is to be learnt from it."""


@dataclass
class Outcome:
    """What came of one network with one set of masks.

    Attributes
    ----------
    failure : str or None
        One line: ``<export>: <what went wrong>: <details>``.
    stage : str
        What was done last.
    notes : list of str
    one_batch : bool
        ``torch.export`` took the network for one batch size only.
    growth : float
        Bytes of parameters and buffers of the largest export, as a share of the model's.
    seconds : dict of str to float
        Per stage.
    """

    seed: int
    mask_seed: int
    style: str
    failure: str | None = None
    stage: str = "extract"
    notes: list[str] = field(default_factory=list)
    one_batch: bool = False
    growth: float = 0.0
    tensors: int = 0
    pinned: int = 0
    accesses: int = 0
    seconds: Counter[str] = field(default_factory=Counter)


def case(seed: int, mask_seed: int = 0, style: str | None = None) -> tuple[Program, list[Mask]]:
    """The network and the masks of two seeds."""
    program = draw(seed, style)
    return program, list(draw_masks(build(program), seed, mask_seed))


def check_seed(seed: int, mask_seed: int = 0, style: str | None = None) -> Outcome:
    """Draw a network and masks, and check them."""
    program, masks = case(seed, mask_seed, style)
    return check(program, masks, mask_seed)


def check(
    program: Program,
    masks: Sequence[Mask],
    mask_seed: int = 0,
    exports: Sequence[str] = EXPORTS,
) -> Outcome:
    """Compare all exports with the masked network; a failure is told, not raised.

    Raises
    ------
    BrokenNetworkError
        If the masked network cannot be run or is not finite.
    """
    outcome = Outcome(program.seed, mask_seed, program.style)
    started = time.perf_counter()
    cases = _Cases(program, masks)
    outcome.seconds["network"] += time.perf_counter() - started
    try:
        for export, module in _exports(cases, exports, outcome):
            outcome.stage = export
            started = time.perf_counter()
            outcome.failure = cases.difference(module, captured_only=outcome.one_batch)
            outcome.seconds["compare"] += time.perf_counter() - started
            if outcome.failure is None:
                outcome.failure = _weight(cases.model, module, outcome)
            if outcome.failure is not None:
                outcome.failure = f"{export}: {outcome.failure}"
                return outcome
    except Exception as error:  # any crash of the adapter is a finding
        text = " ".join(str(error).split())[:300]
        outcome.failure = f"{outcome.stage}: {type(error).__name__}: {text}"
        return outcome
    if not cases.model_is_untouched():
        outcome.failure = "extract: the model was changed"
    return outcome


class _Cases:
    """The model, the masked reference, and what the reference makes of some inputs."""

    def __init__(self, program: Program, masks: Sequence[Mask]) -> None:
        try:
            self.model = build(program)
            self.masks = fitting(self.model, masks)
            self.reference = copy.deepcopy(self.model)
            write_zeros(self.model, [mask for mask in self.masks if not mask.declared])
            write_zeros(self.reference, self.masks)
            self.example = sample(program, _CAPTURED_BATCH, 0)
            inputs = [sample(program, batch, 1) for batch in (1, 3, _CAPTURED_BATCH)]
            self.expected = [(each, _run(self.reference, each)) for each in inputs]
        except Exception as error:
            raise BrokenNetworkError(str(error)) from error
        last = tuple(each.to(memory_format=torch.channels_last) for each in inputs[1])
        try:
            self.expected.append((last, _run(self.reference, last)))
        except RuntimeError as error:
            # A view that the network takes may not exist in this memory format.
            if "view" not in str(error):
                raise BrokenNetworkError(str(error)) from error
        leaves = [leaf for _, outputs in self.expected for leaf in pytree.tree_leaves(outputs)]
        if not all(bool(torch.isfinite(x).all()) for x in leaves if isinstance(x, torch.Tensor)):
            raise BrokenNetworkError("the masked network is not finite")
        self._state = {k: v.clone() for k, v in self.model.state_dict().items()}

    def difference(self, module: nn.Module, captured_only: bool) -> str | None:
        """One line about the first input for which `module` is wrong."""
        for inputs, expected in self.expected:
            if captured_only and len(inputs[0]) != _CAPTURED_BATCH:
                continue
            try:
                found = _run(module, inputs)
            except Exception as error:  # any crash of the export is a finding
                text = " ".join(str(error).split())[:300]
                return f"{_kind(inputs)} runs into {type(error).__name__}: {text}"
            wrong = _difference(expected, found)
            if wrong is not None:
                return f"mismatch: {_kind(inputs)}, {wrong}"
        return None

    def model_is_untouched(self) -> bool:
        return all(torch.equal(v, self._state[k]) for k, v in self.model.state_dict().items())


def _exports(
    cases: _Cases, exports: Sequence[str], outcome: Outcome
) -> Iterator[tuple[str, nn.Module]]:
    """One capture, several orders."""
    started = time.perf_counter()
    extraction = ta.extract(cases.model, cases.example, declared(cases.masks))
    outcome.seconds["extract"] += time.perf_counter() - started
    instance = extraction.instance
    outcome.notes += extraction.notes
    outcome.one_batch = any("batch" in note for note in extraction.notes)
    outcome.tensors, outcome.accesses = len(instance.tensors), len(instance.accesses)
    outcome.pinned = sum(tensor.fixed for tensor in instance.tensors)
    for export in exports:
        started = time.perf_counter()
        outcome.stage = f"solve {export}"
        problem, solution = _solved(extraction, export, outcome.seed, cases.example)
        outcome.seconds["solve"] += time.perf_counter() - started
        started = time.perf_counter()
        outcome.stage = f"apply {export}"
        module = ta.apply(problem, solution)
        outcome.seconds["apply"] += time.perf_counter() - started
        yield export, module


def _solved(
    plain: ta.Extraction, export: str, seed: int, example: Sequence[torch.Tensor]
) -> tuple[ta.Extraction, rs.Result | rs.Layout]:
    """The problem of an export and a solution of it."""
    everything = ta.Transformations()
    form = (torch.contiguous_format, torch.channels_last)[seed % 2]
    inputs = tuple(each.contiguous(memory_format=form) for each in example)
    # Convert images to the other memory format, which only the objective latency does by itself.
    converts = seed // 16 % 2 == 1
    if export == "optimal":
        settings = SolverSettings("bytes", _LIMIT, seed, 1)
        best, result = best_transformed(plain, everything, settings, inputs)
        return converting(best) if converts else best, result
    transformed = export.startswith("transformed") or export == "priced"
    # What the objective bytes would not do, since a sum that is not in place copies.
    sums = partial_operands(plain.facts) if seed // 8 % 4 else ()
    usage = (None, usage_of(inputs, late=bool(seed // 4 % 2)))[seed // 2 % 2]
    problem = plain.transformed(everything, usage, sums) if transformed else plain
    problem = converting(problem) if converts else problem
    if export.endswith("random"):
        return problem, _random_layout(problem.instance, seed)
    if export == "priced":
        problem = _with_random_prices(problem, seed)
        return problem, rs.solve(problem.instance, "latency", "greedy", time_limit=_LIMIT)
    found = rs.solve(problem.instance, "bytes", _BACKENDS[export], time_limit=_LIMIT, seed=seed)
    assert found.layout is not None, found.status
    return problem, found


def _with_random_prices(problem: ta.Extraction, seed: int) -> ta.Extraction:
    """Prices low and various enough for every mode to be the cheapest somewhere."""
    rng = np.random.default_rng([seed, 5])

    def some(*highest: int) -> tuple[int, ...] | None:
        return tuple(int(rng.integers(high)) for high in highest) if rng.random() < 0.6 else None

    def prices() -> rs.PriceList:
        gather = int(rng.integers(20)), int(rng.integers(4))
        return rs.PriceList(gather, some(9, 3, 5), some(4), some(9))

    accesses = tuple(replace(one, prices=prices()) for one in problem.instance.accesses)
    joins = JoinCosts(float(rng.integers(50)), float(rng.integers(200)), 0.1)
    return replace(problem, instance=problem.instance.replace(accesses=accesses), joins=joins)


def _random_layout(instance: rs.Instance, seed: int) -> rs.Layout:
    rng = np.random.default_rng([seed, 4])
    return rs.Layout(
        {
            tensor.id: np.arange(tensor.channels)
            if tensor.fixed
            else rng.permutation(tensor.channels)
            for tensor in instance.tensors
        }
    )


def _run(module: nn.Module, inputs: Sequence[torch.Tensor]) -> Any:
    with torch.no_grad():
        return module(*(each.clone(memory_format=torch.preserve_format) for each in inputs))


def _kind(inputs: Sequence[torch.Tensor]) -> str:
    last = not inputs[0].is_contiguous()
    return f"batch {len(inputs[0])}{' channels_last' if last else ''}"


def _difference(expected: Any, found: Any) -> str | None:
    ours, theirs = (pytree.tree_flatten_with_path(each)[0] for each in (expected, found))
    if [path for path, _ in ours] != [path for path, _ in theirs]:
        return "the outputs have another structure"
    for (path, one), (_, other) in zip(ours, theirs, strict=True):
        place = f"output{pytree.keystr(path)}"
        if not isinstance(one, torch.Tensor):
            if type(one) is not type(other) or one != other:
                return f"{place} is {other!r}, not {one!r}"
            continue
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"{place} is {other.dtype} {tuple(other.shape)}, not {tuple(one.shape)}"
        scale = max(float(one.abs().max()), SMALLEST_SCALE)
        error = float((one - other).abs().max()) / scale
        if not error <= TOLERANCE:
            return f"{place} is off by {error:.1e}"
    return None


def _weight(model: nn.Module, module: nn.Module, outcome: Outcome) -> str | None:
    """Parameters must not grow; further arrangements of one (``<name>_2``) are only told."""
    before, after = sum(_bytes(model).values()), _bytes(module)
    again = {name: size for name, size in after.items() if re.search(r"_\d+$", name)}
    growth = sum(after.values()) / before
    outcome.growth = max(outcome.growth, growth)
    allowed = before * _SLACK_SHARE + _SLACK_BYTES
    if sum(after.values()) - sum(again.values()) > allowed:
        return f"parameters grew: {growth:.2f}-fold"
    if sum(after.values()) > allowed:
        outcome.notes.append(f"parameters grew {growth:.2f}-fold, {len(again)} repeated")
    return None


def _bytes(module: nn.Module) -> dict[str, int]:
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor.nbytes for name, tensor in named if tensor.is_floating_point()}
