"""Best known values: the least cost that anyone found, and whether it is proven.

A table in CSV, one row per problem and objective. Values never get worse: :func:`better` takes
the lower cost and the higher bound of two rows.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reorder_solver.core.errors import InputError, shown
from reorder_solver.core.prices import Objective
from reorder_solver.formats.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COLUMNS = ("file", "digest", "objective", "cost", "bound", "proven", "found_by", "date")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}(-\d{2}-\d{2})?")
_YES = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class BestKnown:
    """What is known of one problem under one objective.

    Attributes
    ----------
    file : str
        A label: where the instance is, or its name in the literature.
    digest : str
        Of the problem, as of :func:`reorder_solver.digest`.
    objective : Objective
    cost : int or None
        Of the best layout known; None if there is no layout (`proven`), or none was found.
    lower_bound : int or None
        No layout costs less.
    proven : bool
        `cost` is the least there is, or no layout is allowed.
    found_by : str
        Backend and version, a construction, or a publication.
    date : str
        ISO 8601, of the last improvement; a year alone for publications.
    """

    file: str
    digest: str
    objective: Objective
    cost: int | None
    lower_bound: int | None
    proven: bool
    found_by: str
    date: str

    @property
    def key(self) -> tuple[str, Objective]:
        """Digest and objective."""
        return self.digest, self.objective

    def contradiction(self) -> str | None:
        """Why the row cannot be true; None if it can."""
        if self.cost is None:
            return None if self.lower_bound is None else "a bound, but no cost"
        if self.lower_bound is not None and self.lower_bound > self.cost:
            return f"bound {self.lower_bound} is above cost {self.cost}"
        if self.proven and self.lower_bound != self.cost:
            return "proven, but the bound is not the cost"
        if not self.proven and self.lower_bound == self.cost:
            return "the bound is the cost, so it is proven"
        return None


def better(old: BestKnown | None, new: BestKnown) -> BestKnown:
    """What both rows know together.

    Raises
    ------
    InputError
        If they contradict each other: a cost below a bound, or a layout where there is none.
    """
    if old is None or old == new:
        return new
    for one, other in ((old, new), (new, old)):
        if one.proven and one.cost is None and other.cost is not None:
            raise InputError(
                f"{other.found_by} found a layout, {one.found_by} proved that there is none",
                source=new.file,
                place=new.objective.value,
            )
        beaten = None not in (one.lower_bound, other.cost)
        if beaten and one.lower_bound > other.cost:  # type: ignore[operator]
            raise InputError(
                f"cost {other.cost} of {other.found_by} is below bound {one.lower_bound} "
                f"of {one.found_by}",
                source=new.file,
                place=new.objective.value,
            )
    bounds = [each.lower_bound for each in (old, new) if each.lower_bound is not None]
    bound = max(bounds, default=None)
    cheaper = old if _rank(old) <= _rank(new) else new
    proven = old.proven or new.proven or (bound is not None and bound == cheaper.cost)
    found = replace(cheaper, lower_bound=bound, proven=proven)
    if proven and not cheaper.proven:
        # The cost is one's merit, the proof the other's.
        prover = max((old, new), key=lambda each: each.lower_bound or 0)
        found = replace(found, found_by=f"{cheaper.found_by}; proven by {prover.found_by}")
    # Old where nothing got better: a second look is no discovery.
    unchanged = (old.cost, old.lower_bound, old.proven) == (found.cost, bound, proven)
    return old if unchanged else replace(found, file=new.file, date=new.date)


def _rank(one: BestKnown) -> tuple[bool, int]:
    return (one.cost is None, one.cost or 0)


def read_best_known(path: str | Path) -> dict[tuple[str, Objective], BestKnown]:
    """The rows of a table, by digest and objective.

    Raises
    ------
    InputError
        Naming file, line and rule.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", source=str(path)) from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found: dict[tuple[str, Objective], BestKnown] = {}
    try:
        if tuple(reader.fieldnames or ())[: len(COLUMNS)] != COLUMNS:
            raise InputError(f"the first line must be {','.join(COLUMNS)}")
        for row in reader:
            one = _row(row)
            if one.key in found:
                raise InputError("the same digest and objective twice")
            found[one.key] = one
    except csv.Error as error:
        raise InputError(str(error), source=str(path), place=f"line {reader.line_num}") from None
    except InputError as error:
        place = f"line {max(1, reader.line_num)}"
        raise InputError(error.rule, source=str(path), place=place) from None
    return found


def _row(row: Mapping[str, str | None]) -> BestKnown:
    cells = {key: row.get(key) for key in COLUMNS}
    for key, cell in cells.items():
        if cell is None:
            raise InputError(f"no {key}")
    text = {key: cell or "" for key, cell in cells.items()}
    if not _DIGEST.fullmatch(text["digest"]):
        raise InputError(f"digest must be 64 hexadecimal digits, got {shown(text['digest'])}")
    if text["proven"] not in _YES:
        raise InputError(f"proven must be yes or no, got {shown(text['proven'])}")
    if not _DATE.fullmatch(text["date"]):
        raise InputError(f"date must be like 2026-01-31 or 2026, got {shown(text['date'])}")
    one = BestKnown(
        file=text["file"],
        digest=text["digest"],
        objective=Objective.parse(text["objective"]),
        cost=_integer(text["cost"], "cost"),
        lower_bound=_integer(text["bound"], "bound"),
        proven=_YES[text["proven"]],
        found_by=text["found_by"],
        date=text["date"],
    )
    wrong = one.contradiction()
    if wrong is not None:
        raise InputError(wrong)
    return one


def _integer(text: str, what: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,1000}", text):
        raise InputError(f"{what} must be a whole number, at least 0, or empty; got {shown(text)}")
    return int(text)


def best_known_text(rows: Iterable[BestKnown]) -> str:
    """The table, in the order given."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in rows:
        wrong = one.contradiction()
        if wrong is not None:
            raise InputError(wrong, source=one.file, place=one.objective.value)
        numbers = ["" if value is None else value for value in (one.cost, one.lower_bound)]
        known = "yes" if one.proven else "no"
        writer.writerow(
            [one.file, one.digest, one.objective.value, *numbers, known, one.found_by, one.date]
        )
    return stream.getvalue()


def write_best_known(path: str | Path, rows: Iterable[BestKnown]) -> None:
    """Write a table, whole or not at all."""
    write_bytes(Path(path), best_known_text(rows).encode("utf-8"))
