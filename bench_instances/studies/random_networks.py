"""Random networks with random masks: that every export equals the masked network.

    python bench_instances/studies/random_networks.py --start 0 --count 10000

Case by case a small network is drawn, masked, captured once and exported in four orders (the
original, the published heuristic's, the best found, a random one); each export runs on batches of
1, 2 and 3 and in channels_last, in double precision, and must agree to 1e-10 of the output's scale.
Exit code 1 if one does not, crashes, or keeps more parameters than the network had.

``--show SEED`` prints a network and its masks, ``--shrink SEED`` the smallest part of it that still
fails, as a program that can be pasted. ``--operators`` counts the operators the networks reach.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from study import Row, add_output, save, show

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "torch_adapter"))

from random_nets.checking import BrokenNetworkError, Outcome, case, check_seed
from random_nets.generator import STYLES, draw
from random_nets.operators import operators_of
from random_nets.shrinking import described, failure_kind, failure_of, shrink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COLUMNS = {
    "style": "style",
    "cases": "cases",
    "failures": "failures",
    "broken": "not run",
    "notes": "with notes",
    "tensors": "tensors",
    "pinned": "pinned",
    "accesses": "accesses",
    "growth": "largest growth",
    "seconds": "s per case",
    "extract": "of it extract",
}


def outcomes(arguments: argparse.Namespace) -> Iterator[Outcome]:
    """Every case in the order of the seeds; failures are written as they come."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("0 failures", total=arguments.count * arguments.masks)
        failures = 0
        for seed in range(arguments.start, arguments.start + arguments.count):
            for mask_seed in range(arguments.masks):
                outcome = _outcome(seed, mask_seed, arguments.style)
                if outcome.failure is not None:
                    failures += 1
                    line = f"{seed} {mask_seed} {outcome.style} {outcome.failure}"
                    progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
                    _append(arguments.failures, line)
                progress.update(task, advance=1, description=f"{failures} failures")
                yield outcome


def _outcome(seed: int, mask_seed: int, style: str | None) -> Outcome:
    try:
        return check_seed(seed, mask_seed, style)
    except BrokenNetworkError as error:
        notes = [f"not run: {error}"]
        return Outcome(seed, mask_seed, style or list(STYLES)[seed % len(STYLES)], notes=notes)


def _append(path: str | None, line: str) -> None:
    if path is not None:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def table(found: Sequence[Outcome]) -> list[Row]:
    """One row per style and one for all."""
    styles = [style for style in STYLES if any(each.style == style for each in found)]
    rows = [_row(style, [each for each in found if each.style == style]) for style in styles]
    return [*rows, _row("all", found)]


def _row(name: str, found: Sequence[Outcome]) -> Row:
    broken = sum(any(note.startswith("not run") for note in each.notes) for each in found)
    seconds = sum((each.seconds for each in found), Counter())
    return {
        "style": name,
        "cases": len(found),
        "failures": sum(each.failure is not None for each in found),
        "broken": broken,
        "notes": sum(bool(each.notes) for each in found) - broken,
        "tensors": sum(each.tensors for each in found),
        "pinned": sum(each.pinned for each in found),
        "accesses": sum(each.accesses for each in found),
        "growth": max((each.growth for each in found), default=0.0),
        "seconds": seconds.total() / max(len(found), 1),
        "extract": seconds["extract"] / max(len(found), 1),
    }


def print_shrunk(arguments: argparse.Namespace) -> int:
    """Shrink one failing case."""
    program, masks = case(arguments.shrink, arguments.mask_seed, arguments.style)
    if failure_of(program, masks) is None:
        print("this case does not fail")
        return 0
    program, masks, failure = shrink(program, masks, told=lambda line: print(line, file=sys.stderr))
    print(described(program, masks, failure))
    return 1


def print_operators(arguments: argparse.Namespace) -> int:
    """Count the operators in the graphs of the networks."""
    counts: Counter[str] = Counter()
    networks: Counter[str] = Counter()
    for seed in range(arguments.start, arguments.start + arguments.count):
        found = operators_of(draw(seed, arguments.style))
        counts += found
        networks.update(found.keys())
    rows = [
        {"operator": name, "calls": counts[name], "networks": number}
        for name, number in networks.most_common()
    ]
    show(
        f"{len(rows)} operators in {arguments.count} networks",
        {"operator": "operator", "calls": "calls", "networks": "networks"},
        rows,
    )
    save(arguments.output, "operators", {"start": arguments.start}, rows)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--start", type=int, default=0, metavar="SEED")
    parser.add_argument("--count", type=int, default=100, help="networks")
    parser.add_argument("--masks", type=int, default=1, help="sets of masks per network")
    parser.add_argument("--style", choices=list(STYLES), help="default: all in turn")
    parser.add_argument("--failures", metavar="FILE", help="append a line per failure there")
    parser.add_argument("--show", type=int, metavar="SEED", help="print one network")
    parser.add_argument("--shrink", type=int, metavar="SEED", help="shrink one failing case")
    parser.add_argument("--mask-seed", type=int, default=0, help="for --show and --shrink")
    parser.add_argument("--operators", action="store_true", help="count operators, check nothing")
    add_output(parser)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    if arguments.show is not None:
        program, masks = case(arguments.show, arguments.mask_seed, arguments.style)
        print(described(program, masks, None))
        return 0
    if arguments.shrink is not None:
        return print_shrunk(arguments)
    if arguments.operators:
        return print_operators(arguments)
    found = list(outcomes(arguments))
    rows = table(found)
    show(f"{arguments.count} networks from seed {arguments.start}", COLUMNS, rows)
    wrong = [each for each in found if each.failure is not None]
    for kind, number in Counter(failure_kind(each.failure or "") for each in wrong).most_common():
        print(f"{number} x {kind}")
    settings = {key: getattr(arguments, key) for key in ("start", "count", "masks", "style")}
    save(arguments.output, "random networks", settings, rows)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
