"""Plans: which runs a benchmark consists of, from instances, backends and limits."""

from __future__ import annotations

import glob
import os
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reorder_solver.backends.base import package_version
from reorder_solver.backends.registry import ENTRY_POINT_GROUP, backend_class, make_backend
from reorder_solver.bench.record import Configuration
from reorder_solver.core.digest import digest
from reorder_solver.core.errors import InputError
from reorder_solver.core.objectives import price_list
from reorder_solver.core.prices import Objective
from reorder_solver.formats import FORMATS, read_instance
from reorder_solver.formats.files import label, read_bytes, stem_and_suffix
from reorder_solver.formats.instance_json import instance_to_json
from reorder_solver.formats.json_text import loads
from reorder_solver.formats.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reorder_solver.core.instance import Instance

_RESULT_SUFFIXES = (".layout.json", ".layout.json.gz")


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of these is a run.

    Attributes
    ----------
    instances : tuple of Path
        Files, folders, patterns, manifests.
    backends, objectives : tuple of str
    seeds : tuple of int
    time_limits : tuple of (float or None)
    threads : int
    memory_limit : int or None
        Bytes.
    """

    instances: tuple[Path, ...]
    backends: tuple[str, ...]
    objectives: tuple[str, ...] = ("bytes",)
    seeds: tuple[int, ...] = (0,)
    time_limits: tuple[float | None, ...] = (10.0,)
    threads: int = 1
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """An instance and its labels."""

    instance: Instance
    digest: str
    name: str
    family: str
    source: str


@dataclass(frozen=True, slots=True)
class Job:
    """One run to do: all that a process on another machine needs to know."""

    configuration: Configuration
    name: str
    family: str
    source: str
    sizes: dict[str, int]
    instance_text: str = field(repr=False)

    @property
    def key(self) -> str:
        """The key of the configuration."""
        return self.configuration.key


@dataclass(frozen=True, slots=True)
class Plan:
    """Runs in order, each once, and the instances they need.

    Attributes
    ----------
    jobs : tuple of Job
    cases : mapping of str to Case
        By digest.
    """

    jobs: tuple[Job, ...]
    cases: dict[str, Case]


def read_suite(path: str | os.PathLike[str]) -> list[Grid]:
    """The grids of a suite file (TOML), its paths taken from its folder.

    Raises
    ------
    InputError
        If the file cannot be read or breaks a rule; the place is a path such as
        ``runs[1].backends``.
    """
    try:
        try:
            tree = tomllib.loads(read_bytes(path).decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"is not TOML: {error}") from None
        fields = Node(tree).fields(("runs",))
        grids = [_grid(node, Path(path).parent) for node in fields["runs"].items()]
        if not grids:
            fields["runs"].fail("must not be empty")
        return grids
    except InputError as error:
        raise error.located(label(path)) from None


def make_plan(grids: Iterable[Grid]) -> Plan:
    """All runs of `grids`, in their order, instances first; what is given twice is run once.

    An instance found under several names keeps the first. Objectives are left out for instances
    that lack their prices.

    Raises
    ------
    InputError
        If a file cannot be read or a value is wrong.
    UnknownBackendError, MissingPackageError
        If a backend cannot be used here.
    """
    cases: dict[str, Case] = {}
    jobs: dict[str, Job] = {}
    read: dict[str, Case] = {}
    for grid in grids:
        for backend in grid.backends:
            make_backend(backend)
        for path, family in _files(grid.instances):
            real = os.path.realpath(path)
            if real not in read:
                read[real] = _case(path, family)
            case = cases.setdefault(read[real].digest, read[real])
            for job in _jobs(grid, case):
                jobs.setdefault(job.key, job)
    return Plan(tuple(jobs.values()), cases)


def _jobs(grid: Grid, case: Case) -> Iterable[Job]:
    text = instance_to_json(case.instance)
    instance = case.instance
    sizes = {
        "tensors": len(instance.tensors),
        "channels": sum(tensor.channels for tensor in instance.tensors),
        "accesses": len(instance.accesses),
        "wanted": sum(access.size for access in instance.accesses),
    }
    for objective in grid.objectives:
        if not _has_prices(instance, objective):
            continue
        for time_limit in grid.time_limits:
            for backend in grid.backends:
                for seed in grid.seeds:
                    configuration = Configuration(
                        case.digest,
                        backend,
                        objective,
                        seed,
                        time_limit,
                        grid.threads,
                        grid.memory_limit,
                        backend_version(backend),
                    )
                    yield Job(configuration, case.name, case.family, case.source, sizes, text)


def _has_prices(instance: Instance, objective: str) -> bool:
    parsed = Objective.parse(objective)
    try:
        for access in instance.accesses:
            price_list(access, parsed)
    except InputError:
        return False
    return True


@cache
def backend_version(name: str) -> str:
    """Versions of the packages behind a backend, on one line."""
    versions = {"reorder-solver": package_version("reorder-solver") or "unknown"}
    versions |= backend_class(name).versions()
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        if point.dist is not None:
            versions[point.dist.name] = point.dist.version
    return ", ".join(f"{package} {number}" for package, number in sorted(versions.items()))


def _case(path: Path, family: str) -> Case:
    instance = read_instance(path)
    name = instance.name or stem_and_suffix(path)[0]
    return Case(instance, digest(instance), name, family, label(path.name))


def _files(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Instance files and their families: the manifest's word, else the folder's name."""
    found: list[tuple[Path, str]] = []
    for path in paths:
        if path.is_dir():
            inside = [each for each in sorted(path.iterdir()) if _is_instance(each)]
            if not inside:
                raise InputError("has no instance files", source=label(path))
        elif path.name == "manifest.json":
            found += _manifest(path)
            continue
        elif not path.exists() and glob.has_magic(str(path)):
            matches = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
            inside = [each for each in matches if _is_instance(each)]
            if not inside:
                raise InputError("matches no instance file", source=label(path))
        else:
            inside = [path]
        found += [(each, _family(each)) for each in inside]
    return found


def _is_instance(path: Path) -> bool:
    suffixes = {each.suffix for each in FORMATS.values()}
    return (
        stem_and_suffix(path)[1] in suffixes
        and not path.name.endswith(_RESULT_SUFFIXES)
        and path.name != "manifest.json"
        and path.is_file()
    )


def _family(path: Path) -> str:
    manifest = path.parent / "manifest.json"
    for folder in (path.parent, path.parent.parent):
        manifest = folder / "manifest.json"
        if manifest.is_file():
            real = os.path.realpath(path)
            for file, family in _manifest(manifest):
                if os.path.realpath(file) == real:
                    return family
    return label(path.resolve().parent.name)


@cache
def _manifest(path: Path) -> tuple[tuple[Path, str], ...]:
    """Files of a manifest and their families: the field ``family``, else the folder's name."""
    try:
        node = Node(loads(read_bytes(path))).mapping().get("files")
        if node is None:
            raise InputError("field 'files' is missing")
        found = []
        for each in node.items():
            fields = each.mapping()
            if "file" not in fields:
                each.fail("field 'file' is missing")
            file = path.parent / fields["file"].identifier()
            family = fields["family"].text() if "family" in fields else label(file.parent.name)
            found.append((file, family))
        return tuple(found)
    except InputError as error:
        raise error.located(label(path)) from None


_SEEDS = re.compile(r"(\d+)-(\d+)\Z")


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds written as ``0,1,5-9``.

    Raises
    ------
    InputError
    """
    seeds: list[int] = []
    for piece in text.split(","):
        piece = piece.strip()
        match = _SEEDS.match(piece)
        if match and int(match[1]) <= int(match[2]) < int(match[1]) + 10_000:
            seeds += range(int(match[1]), int(match[2]) + 1)
        elif piece.isdecimal():
            seeds.append(int(piece))
        else:
            raise InputError(f"seeds must be written as 0,1,5-9, got {text!r}")
    if max(seeds) >= 2**31:
        raise InputError(f"seeds must be less than {2**31}")
    return tuple(dict.fromkeys(seeds))


def _grid(node: Node, folder: Path) -> Grid:
    fields = node.fields(
        ("instances", "backends"),
        ("objectives", "seeds", "time_limits", "threads", "memory_limit"),
    )
    values: dict[str, Any] = {}
    if "objectives" in fields:
        values["objectives"] = _several(fields["objectives"], lambda one: one.choice(Objective))
    if "seeds" in fields:
        values["seeds"] = _several(fields["seeds"], lambda one: one.integer(0, 2**31 - 1))
    if "time_limits" in fields:
        values["time_limits"] = _several(fields["time_limits"], Node.seconds)
    if "threads" in fields:
        values["threads"] = fields["threads"].integer(minimum=1)
    if "memory_limit" in fields:
        values["memory_limit"] = fields["memory_limit"].integer(minimum=1)
    instances = _several(fields["instances"], lambda one: folder / one.identifier())
    return Grid(instances, _several(fields["backends"], Node.identifier), **values)


def _several(node: Node, read: Any) -> tuple[Any, ...]:
    """The values of a list, without repetitions; enumerations as plain strings."""
    found = dict.fromkeys(read(one) for one in node.items())
    if not found:
        node.fail("must not be empty")
    return tuple(str(one) if isinstance(one, Objective) else one for one in found)
