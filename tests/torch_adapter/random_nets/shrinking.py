"""Shrinking: the smallest program and the fewest masks that still fail in the same way."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from random_nets.checking import EXPORTS, BrokenNetworkError, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from random_nets.masking import Mask
    from random_nets.program import Program, Step

    Case = tuple[Program, tuple[Mask, ...]]
    Fails = Callable[[Program, Sequence[Mask]], str | None]


def shrink(
    program: Program,
    masks: Sequence[Mask],
    fails: Fails | None = None,
    told: Callable[[str], None] | None = None,
) -> tuple[Program, tuple[Mask, ...], str]:
    """Remove outputs, steps and masks while the failure stays of the same kind.

    Parameters
    ----------
    program, masks
        A case that fails.
    fails : callable, optional
        Tells the failure of a case in one line, None where there is none. If it is not given
        the case is checked as it is elsewhere, from then on only the export that failed.
    told : callable, optional
        Called with one line after each removal.

    Returns
    -------
    program, masks, failure

    Notes
    -----
    Greedy, until nothing more can be removed: about five checks per step and pass.
    """
    failure = (fails or failure_of)(program, masks)
    if failure is None:
        raise ValueError("nothing to shrink: the case does not fail")
    if fails is None:
        export = failure.split(": ")[0].split()[-1]
        fails = partial(failure_of, exports=[export] if export in EXPORTS else EXPORTS)
    kind = failure_kind(failure)
    case: Case = (program, tuple(masks))
    found = failure
    while True:
        for smaller in _smaller(*case):
            other = fails(*smaller)
            if other is not None and failure_kind(other) == kind:
                case, found = smaller, other
                if told is not None:
                    told(f"{len(case[0].steps)} steps, {len(case[1])} masks: {other}")
                break
        else:
            return *case, found


def failure_of(
    program: Program, masks: Sequence[Mask], exports: Sequence[str] = EXPORTS
) -> str | None:
    """The failure of a case, None where it passes or cannot be run at all."""
    try:
        return check(program, masks, exports=exports).failure
    except BrokenNetworkError:
        return None


def failure_kind(failure: str) -> str:
    """Mismatch, growth or the type of the error, whatever the export."""
    what = failure.split(": ")[1]
    return what.rpartition("runs into ")[2]


def described(program: Program, masks: Sequence[Mask], failure: str | None) -> str:
    """The case as text that a person can read, and run by pasting it."""
    lines = [f"# seed {program.seed}, style {program.style}: {failure}", program.source()]
    shapes = ", ".join(f"{tuple(shape)}" for shape in program.inputs)
    lines.append(f"# inputs (batch, *) of {shapes}; masks:")
    lines += [f"#   {mask}" for mask in masks]
    return "\n".join(lines)


def _smaller(program: Program, masks: tuple[Mask, ...]) -> Iterator[Case]:
    """Candidates, the most promising first."""
    for output in program.outputs if len(program.outputs) > 1 else ():
        yield without_dead_steps(replace(program, outputs=(output,), structure="single")), masks
    if len(masks) > 1:
        half = len(masks) // 2
        yield from ((program, masks[:half]), (program, masks[half:]))
    for step in program.steps:
        if step.number not in program.outputs:
            yield _moved_output(program, step), masks
    for step in reversed(program.steps):
        for other in _stand_ins(program, step):
            yield without_dead_steps(_instead(program, step, other)), masks
        if not _is_stem(step):
            yield without_dead_steps(_with_stem(program, step)), masks
    for number in range(len(masks)):
        yield program, masks[:number] + masks[number + 1 :]
    for number in range(len(program.outputs) if len(program.outputs) > 1 else 0):
        kept = program.outputs[:number] + program.outputs[number + 1 :]
        yield without_dead_steps(replace(program, outputs=kept)), masks
    if program.structure not in ("single", "tuple"):
        yield replace(program, structure="tuple"), masks


def _moved_output(program: Program, step: Step) -> Program:
    """Only this step's result is returned: what lies behind it goes."""
    return without_dead_steps(replace(program, outputs=(step.number,), structure="single"))


def _stand_ins(program: Program, step: Step) -> list[int]:
    """Earlier values of the same shape, its own sources first."""
    shapes = dict(enumerate(program.inputs)) | {s.number: s.shape for s in program.steps}
    forms = {s.number: s.form for s in program.steps}
    alike = [
        number
        for number, shape in shapes.items()
        if number < step.number and (shape, forms.get(number, "map")) == (step.shape, step.form)
    ]
    own = [number for number in step.sources if number in alike]
    return list(dict.fromkeys([*own, *reversed(alike)]))[:4]


def _instead(program: Program, step: Step, other: int) -> Program:
    """The program without a step, `other` in its place."""

    def moved(numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(other if number == step.number else number for number in numbers)

    steps = [replace(s, sources=moved(s.sources)) for s in program.steps if s is not step]
    return replace(program, steps=tuple(steps), outputs=moved(program.outputs))


def _is_stem(step: Step) -> bool:
    return any(name.startswith("stem") for name in step.layers)


def _with_stem(program: Program, step: Step) -> Program:
    """The program with a convolution of the first input in place of a step."""
    shape, name = step.shape, f"stem{step.number}"
    channels_last = step.form in ("last", "tokens")
    channels = shape[-1] if channels_last else shape[0]
    size = shape[:-1] if channels_last else shape[1:]
    height, width = (size[0], math.prod(size[1:])) if size else (1, 1)
    code = f"self.{name}(F.adaptive_avg_pool2d({{0}}, ({height}, {width})))"
    code += {
        "map": "",
        "last": ".permute(0, 2, 3, 1)",
        "line": ".flatten(2)",
        "tokens": ".flatten(2).transpose(1, 2)",
        "vector": ".flatten(1)",
    }[step.form]
    constructors = program.constructors | {
        name: f"nn.Conv2d({program.inputs[0][0]}, {channels}, 1)"
    }
    stem = replace(step, code=code, sources=(0,), writes=False)
    steps = tuple(stem if each is step else each for each in program.steps)
    return replace(program, steps=steps, constructors=constructors)


def without_dead_steps(program: Program) -> Program:
    """Only what the outputs depend on; a write counts where something it may reach is read."""
    family: dict[int, int] = {}
    for step in program.steps:
        perhaps_view = step.writes or step.code.startswith(("{0}.", "{0}[")) or "drop" in step.code
        source = step.sources[0]
        family[step.number] = family.get(source, source) if perhaps_view else step.number
    alive = set(program.outputs)
    while True:
        touched = {family.get(number, number) for number in alive}
        more = {
            source
            for step in program.steps
            if step.number in alive or (step.writes and family[step.number] in touched)
            for source in (*step.sources, step.number)
        }
        if more <= alive:
            break
        alive |= more
    kept = tuple(step for step in program.steps if step.number in alive)
    return replace(program, steps=kept)
