"""The structure: import directions, and what a plain import loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: What each package may import of this project; a module of the top level stands for itself.
ALLOWED: dict[str, set[str]] = {
    "formulations": set(),
    "core": set(),
    "consecutive_ones": set(),
    "plot": {"core"},
    "formats": {"core"},
    "generators": {"core"},
    "presolve": {"core", "consecutive_ones"},
    # The checker shares nothing with presolve and backends: it must not repeat their mistakes.
    "proofs": {"core", "consecutive_ones", "formulations"},
    "backends": {"core", "consecutive_ones", "presolve", "formulations"},
    # As third parties do: the public backend interface, and its types.
    "peers": {"backends", "presolve"},
    "sharing": {"core", "consecutive_ones", "presolve", "formulations"},
    "windows": {"core", "formulations"},
    "solve_windows": {"core", "backends", "formulations", "windows"},
    "incumbent": {"core", "presolve"},
    "solve": {"core", "presolve", "backends", "incumbent"},
    "bench": {"core", "formats", "formulations", "backends", "solve"},
    "programmes": {"core", "formats", "formulations", "presolve", "backends", "solve"},
    "torch_adapter": {
        "core",
        "formats",
        "formulations",
        "plot",
        "sharing",
        "solve",
        "solve_windows",
    },
    "report": {"core", "bench"},
    "experiments": {"core", "formats", "plot", "torch_adapter"},
    "cli": {
        "core",
        "bench",
        "formats",
        "generators",
        "backends",
        "proofs",
        "solve",
        "programmes",
        "plot",
        "report",
        "torch_adapter",
        "experiments",
        "solve_windows",
        "windows",
    },
}
HEAVY = ("torch", "ortools", "pulp", "numba", "matplotlib", "scipy")


def _unit(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == "formulations":
        return "formulations"
    return parts[1] if len(parts) > 1 else parts[0]


def _imported_units(path: Path) -> set[str]:
    units: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module == "reorder_solver":
                names = [f"reorder_solver.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "formulations":
                units.add("formulations")
            elif parts[0] == "reorder_solver" and len(parts) > 1:
                units.add(parts[1])
    return units


def _sources() -> list[Path]:
    return sorted([*ROOT.glob("reorder_solver/**/*.py"), *ROOT.glob("formulations/**/*.py")])


@pytest.mark.parametrize("path", _sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    """Every module imports only what lies below its package."""
    unit = _unit(path)
    if unit == "__init__":
        return
    assert unit in ALLOWED, f"{unit} has no place in the architecture"
    # Names that the top level re-exports (reorder_solver.X) live in core, formats or solve.
    strangers = {
        each
        for each in _imported_units(path) - ALLOWED[unit] - {unit}
        if (ROOT / "reorder_solver" / each).exists()
        or (ROOT / "reorder_solver" / f"{each}.py").exists()
        or each == "formulations"
    }
    assert not strangers, f"{path.relative_to(ROOT)} imports {sorted(strangers)}"


def test_only_the_adapter_imports_torch() -> None:
    """Torch is imported in the adapter and above it, matplotlib in pictures and charts."""
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            roots: set[str] = set()
            if isinstance(node, ast.ImportFrom):
                roots = {(node.module or "").split(".")[0]}
            elif isinstance(node, ast.Import):
                roots = {alias.name.split(".")[0] for alias in node.names}
            if roots & {"torch", "torchvision"}:
                assert _unit(path) in ("torch_adapter", "experiments"), path
            if "matplotlib" in roots:
                assert _unit(path) in {"plot", "report"}, path


@pytest.mark.parametrize("module", ["reorder_solver", "reorder_solver.cli.main"])
def test_import_is_light(module: str) -> None:
    """A plain import loads none of the heavy packages."""
    code = f"import sys, {module}; print(' '.join(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, cwd=ROOT
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & set(HEAVY)


def _python_files() -> list[Path]:
    folders = ("reorder_solver", "formulations", "tests", "bench_instances", "docs")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _reads_or_writes_text(call: ast.Call) -> bool:
    """Tell whether a call opens a file, or a pipe to a process, as text."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in ("run", "Popen", "check_output", "check_call"):
        return "text" in named or "universal_newlines" in named
    if name in ("read_text", "write_text"):
        # importlib.resources and pathlib alike: the first argument of reading is the encoding.
        return not (name == "read_text" and call.args) and "encoding" not in named
    if name != "open" or "encoding" in named:
        return False
    if isinstance(function, ast.Attribute) and ast.unparse(function.value) not in ("io", "gzip"):
        owner = ast.unparse(function.value)
        if owner in ("os", "tarfile", "zipfile", "Store"):
            return False
        mode = named.get("mode", call.args[0] if call.args else ast.Constant("r"))
    else:
        mode = named.get("mode", call.args[1] if len(call.args) > 1 else ast.Constant("r"))
    return not (isinstance(mode, ast.Constant) and "b" in str(mode.value))


def test_text_never_depends_on_the_locale() -> None:
    """Files and pipes of text name their encoding: a C locale would read our files as ASCII.

    Libraries change the locale of the process they are loaded into, so that even where it is
    UTF-8 at the start it need not be later.
    """
    nameless = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:70]}"
        for path in _python_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _reads_or_writes_text(node)
    ]
    assert not nameless, "name the encoding:\n" + "\n".join(nameless)
