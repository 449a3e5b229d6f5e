"""Bring the table of best known values up to date: solve, verify, keep what is better.

    python bench_instances/best_known.py --time-limit 3
    python bench_instances/best_known.py --public FOLDER... --published TABLE.tsv

Without paths, every bundled instance under every objective it has prices for, into
``best_known.csv``. With ``--public``, files that are not bundled under ``runs``, into
``public_best_known.csv``; published numbers of runs come from a table with tabs (columns
``instance``, ``concorde_runs`` and ``proven``) and count the first run of every access, which the
objective does not.

A value is replaced only by a better one. Rows proven before are left alone unless ``--again``.
Every layout is verified, and the proof of every bound that comes with one. The file is written
after every instance, so that an interrupted run loses nothing.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

import reorder_solver as rs
from reorder_solver.backends import backend_class
from reorder_solver.bench.best_known import (
    BestKnown,
    better,
    read_best_known,
    write_best_known,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = Path(__file__).resolve().parent
TABLE = FOLDER / "best_known.csv"
PUBLIC_TABLE = FOLDER / "public_best_known.csv"
Known = dict[tuple[str, rs.Objective], BestKnown]


def objectives_of(instance: rs.Instance) -> list[rs.Objective]:
    """Those that the instance has prices for."""
    priced = all(access.prices is not None or access.required for access in instance.accesses)
    return [one for one in rs.Objective if one is not rs.Objective.LATENCY or priced]


def row(label: str, result: rs.Result, found_by: str, date: str) -> BestKnown:
    """What a result says."""
    infeasible = result.status is rs.Status.INFEASIBLE
    return BestKnown(
        file=label,
        digest=result.instance_sha256,
        objective=result.objective,
        cost=result.cost,
        lower_bound=None if result.cost is None else result.lower_bound,
        proven=infeasible or result.status is rs.Status.OPTIMAL,
        found_by=found_by,
        date=date,
    )


def solved(
    label: str,
    instance: rs.Instance,
    objective: rs.Objective,
    backend: str,
    seconds: float,
    date: str,
) -> BestKnown:
    """A row from a solver, verified, from the hidden layout where there is one."""
    secret = instance.meta.get("planted")
    start = None if secret is None else rs.Layout(secret["layout"])
    result = rs.solve(instance, objective, backend, time_limit=seconds, warm_start=start)
    rs.verify(instance, result)
    if result.proof is not None:
        rs.check_proof(instance, result)
    by = f"{backend} {_version(backend)}, {seconds:g} s"
    if start is not None and result.cost == rs.evaluate(instance, start, objective).total:
        by = f"hidden layout; bound: {by}"
    return row(label, result, by, date)


def _version(backend: str) -> str:
    """Of the solver that a peer calls, else of this package."""
    found = backend_class(backend)
    peer = " ".join(f"{name} {number}" for name, number in found.versions().items())
    return f"({peer})" if found.licence is not None else rs.__version__


def constructed(
    label: str, instance: rs.Instance, objective: rs.Objective, digest: str, date: str
) -> BestKnown | None:
    """A row from what the construction of the instance proves, its layout evaluated."""
    stated = instance.meta.get("optimum", {})
    if objective.value not in stated or "planted" not in instance.meta:
        return None
    cost = stated[objective.value]
    layout = rs.Layout(instance.meta["planted"]["layout"])
    if rs.evaluate(instance, layout, objective).total != cost:
        raise rs.InputError(
            "the hidden layout does not cost what the construction says",
            source=label,
            place=objective.value,
        )
    return BestKnown(label, digest, objective, cost, cost, True, "construction", date)


def published(path: Path | None) -> dict[str, tuple[int, bool]]:
    """Number of runs and whether proven, by the instance's name."""
    if path is None:
        return {}
    lines = [one for one in path.read_text("utf-8").splitlines() if one and one[:1] != "#"]
    head = lines[0].split("\t")
    rows = [dict(zip(head, one.split("\t"), strict=True)) for one in lines[1:]]
    return {
        one["instance"]: (int(one["concorde_runs"]), one["proven"] == "1")
        for one in rows
        if one["concorde_runs"]
    }


def in_literature(
    label: str, instance: rs.Instance, digest: str, known: dict[str, tuple[int, bool]]
) -> BestKnown | None:
    """A row from a published number of runs."""
    if label not in known:
        return None
    runs, proven = known[label]
    cost = runs - sum(access.weight for access in instance.accesses if access.size)
    bound = cost if proven else None
    by = "published (Concorde)" if proven else "published (Concorde at its limit)"
    return BestKnown(label, digest, rs.Objective.RUNS, cost, bound, proven, by, "2021")


def bundled(only: str) -> Iterator[tuple[str, rs.Instance]]:
    """Labels and instances of the manifest."""
    for entry in json.loads((FOLDER / "manifest.json").read_text("utf-8"))["files"]:
        if fnmatch(entry["file"], only):
            yield entry["file"], rs.read_instance(FOLDER / entry["file"])


def public(paths: Iterable[Path]) -> Iterator[tuple[str, rs.Instance]]:
    """Labels and instances of files elsewhere."""
    for path in paths:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            form = "orlib" if file.suffix == ".txt" else None
            yield file.name.split(".")[0], rs.read_instance(file, format=form)


def update(
    known: Known,
    label: str,
    instance: rs.Instance,
    objectives: list[rs.Objective],
    arguments: argparse.Namespace,
    literature: dict[str, tuple[int, bool]],
) -> None:
    """Better the rows of one instance."""
    digest, today = rs.digest(instance), datetime.datetime.now(datetime.UTC).date().isoformat()
    for objective in objectives:
        key = digest, objective
        for stated in (
            constructed(label, instance, objective, digest, today),
            in_literature(label, instance, digest, literature),
        ):
            if stated is not None:
                known[key] = better(known.get(key), stated)
        old = known.get(key)
        if old is not None and old.proven and not arguments.again:
            continue
        seconds = arguments.time_limit
        try:
            found = solved(label, instance, objective, arguments.backend, seconds, today)
        except rs.UnsupportedError:
            continue
        known[key] = better(old, found)


def main(argv: list[str] | None = None) -> int:
    """Update one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--time-limit", type=float, default=3.0, metavar="SECONDS")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--again", action="store_true", help="solve what is proven as well")
    parser.add_argument("--only", default="*", metavar="GLOB", help="bundled files to take")
    parser.add_argument("--public", nargs="+", type=Path, metavar="FILE_OR_FOLDER")
    parser.add_argument("--published", type=Path, metavar="TABLE.tsv")
    parser.add_argument("--output", type=Path, metavar="TABLE.csv")
    arguments = parser.parse_args(argv)
    table = arguments.output or (PUBLIC_TABLE if arguments.public else TABLE)
    before: Known = read_best_known(table) if table.exists() else {}
    literature = published(arguments.published)
    instances = public(arguments.public) if arguments.public else bundled(arguments.only)
    known = dict(before)
    present: dict[Any, None] = {}
    console = Console(stderr=True)
    for label, instance in instances:
        objectives = [rs.Objective.RUNS] if arguments.public else objectives_of(instance)
        update(known, label, instance, objectives, arguments, literature)
        for objective in objectives:
            present.setdefault((rs.digest(instance), objective))
        write_best_known(table, known.values())
        console.print(label, [known[rs.digest(instance), one].proven for one in objectives])
    if arguments.only == "*" and not arguments.public:
        # Rows of instances that changed or left say nothing any more.
        known = {key: known[key] for key in present}
    rows = list(known.values())
    write_best_known(table, rows)
    better_than_before = sum(known[key] != before.get(key) for key in present)
    proven = sum(one.proven for one in rows)
    print(f"{len(rows)} rows, {proven} proven, {better_than_before} new or better")
    return 0


if __name__ == "__main__":
    sys.exit(main())
