"""Exports of real architectures against the masked models, in double precision.

    python bench_instances/studies/equality.py resnet18 timm:dla34 --amount 0.5 --side mixed

One row per model, amount, side, kind of scores and export: the worst error, relative to the
output's scale, over batches of 1 and 4, contiguous and channels-last; how far another input moves
the output (a model that ignores its input proves nothing); how many tensors are pinned; and the
seconds of the export beside those of torch.export. It goes on after failures. Exit code 1 if an
export fails, differs, or cannot be judged.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from study import Row, add_output, save, show

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "torch_adapter"))

import torch
import zoo
import zoo_checks

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_EXPORTS = ", ".join(zoo_checks.EXPORTS)
SIDES = ("input", "output", "both", "mixed", "joint", "every")
COLUMNS = {
    "case": "model",
    "side": "side",
    "amount": "amount",
    "correlation": "correlation",
    "export": "export",
    "verdict": "verdict",
    "error": "worst error",
    "sensitivity": "sensitivity",
    "accesses": "accesses",
    "pins": "pins",
    "capture_seconds": "torch.export s",
    "export_seconds": "export s",
}


def outcomes(
    case: zoo.Case, side: str, amount: float, correlation: float, arguments: argparse.Namespace
) -> Iterator[zoo_checks.Outcome]:
    """One per export; one in all if the model cannot even be pruned."""
    try:
        pruned = zoo_checks.Pruned.make(case, side, amount, correlation, arguments.seed)
        yield from pruned.outcomes(
            arguments.export or zoo_checks.EXPORTS,
            objective=arguments.objective,
            time_limit=arguments.time_limit,
        )
    except Exception as error:
        text = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
        yield zoo_checks.Outcome(case.id, side, "all", amount, correlation, failure=text)


def row_of(found: zoo_checks.Outcome) -> Row:
    """What is printed and saved."""
    row = asdict(found) | {"verdict": found.verdict}
    for key in ("error", "sensitivity"):
        row[key] = f"{row[key]:.1e}"
    return row


def chosen(names: list[str]) -> list[zoo.Case]:
    """``torchvision`` and ``timm`` stand for all of theirs."""
    groups = {"torchvision": zoo.TORCHVISION, "timm": zoo.TIMM}
    return [case for name in names for case in groups.get(name) or [zoo.find(name)]]


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("models", nargs="*", default=["torchvision", "timm"], metavar="MODEL")
    parser.add_argument("--amount", action="append", type=float, help="default: 0.5")
    parser.add_argument("--side", action="append", choices=SIDES, help="default: input")
    parser.add_argument("--correlation", action="append", type=float, help="default: 0, by norm")
    parser.add_argument(
        "--export", action="append", help=f"default: {', '.join(zoo_checks.EXPORTS)}"
    )
    parser.add_argument("--objective", default="bytes")
    parser.add_argument("--time-limit", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0)
    add_output(parser)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    found: list[zoo_checks.Outcome] = []
    for case in chosen(arguments.models):
        for side in arguments.side or ["input"]:
            for amount in arguments.amount or [0.5]:
                for correlation in arguments.correlation or [0.0]:
                    for one in outcomes(case, side, amount, correlation, arguments):
                        found.append(one)
                        print(_line(one), flush=True)
    rows = [row_of(one) for one in found]
    show(
        f"limit {arguments.time_limit:g} s, 1 thread, objective {arguments.objective}",
        COLUMNS,
        rows,
    )
    _summary(found)
    print(f"{time.perf_counter() - started:.0f} s in all")
    save(arguments.output, "equality", vars(arguments) | {"output": None}, rows)
    return int(any(one.verdict != "equal" for one in found))


def _line(one: zoo_checks.Outcome) -> str:
    what = f"{one.case} {one.side} {one.amount:g} {one.correlation:g} {one.export}"
    return f"{what}: {one.verdict} {one.error:.1e} {one.failure}".rstrip()


def _summary(found: list[zoo_checks.Outcome]) -> None:
    for verdict, count in Counter(one.verdict for one in found).most_common():
        print(f"{count} of {len(found)} exports: {verdict}")
    for one in found:
        if one.verdict != "equal":
            print(_line(one))
    reasons: Counter[str] = Counter()
    for one in {(one.case, one.side): one for one in found}.values():
        # Without the number that tells one call of an operator from the next.
        reasons.update({re.sub(r" \([^()]*\)", "", reason) for reason in one.reasons})
    for reason, count in reasons.most_common(40):
        print(f"pinned in {count} of the models and sides: {reason}")
    notes = {(one.case, note) for one in found for note in one.notes}
    for case, note in sorted(notes):
        print(f"{case}: {note}")


if __name__ == "__main__":
    sys.exit(main())
