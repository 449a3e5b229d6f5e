"""What is given away: the wheel and the source distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml

import reorder_solver as rs

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("reorder_solver", "formulations")
pytest.importorskip("build")
pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    return folder


def only(folder: Path, pattern: str) -> Path:
    """The one file of that name."""
    (found,) = folder.glob(pattern)
    return found


def package_files() -> set[str]:
    """Every file below the packages, code or not."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def test_wheel_holds_the_packages_and_nothing_else(distributions: Path) -> None:
    """Data files, schemas and type markers included; tests and documentation not."""
    with zipfile.ZipFile(only(distributions, "*.whl")) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        licence = [name for name in wheel.namelist() if name.endswith("/LICENSE")]
    assert names == package_files()
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert licence


def test_source_distribution_can_be_worked_on(distributions: Path) -> None:
    """Code, tests, instances and documentation."""
    with tarfile.open(only(distributions, "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert package_files() <= names
    needed = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "docs/site/mkdocs.yml"}
    assert needed | {"tests/conftest.py", "bench_instances/manifest.json"} <= names
    assert not [name for name in names if "__pycache__" in name]


def test_metadata_is_complete(distributions: Path) -> None:
    """Checked by twine, and what twine does not ask for."""
    pytest.importorskip("twine")
    files = [str(path) for path in distributions.iterdir()]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(only(distributions, "*.whl")) as wheel:
        (name,) = (each for each in wheel.namelist() if each.endswith("/METADATA"))
        facts = message_from_bytes(wheel.read(name))
    assert facts["Name"] == "reorder-solver"
    assert facts["Version"] == rs.__version__
    assert facts["License-Expression"] == "Apache-2.0"
    assert facts["Requires-Python"] == ">=3.11"
    assert {"torch", "plot", "onnx", "docs", "all", "dev"} <= set(facts.get_all("Provides-Extra"))


def test_wheel_works_where_nothing_else_is(distributions: Path, tmp_path: Path) -> None:
    """Unpacked into an empty folder, away from the checkout, the command checks a result."""
    place = tmp_path / "site"
    with zipfile.ZipFile(only(distributions, "*.whl")) as wheel:
        wheel.extractall(place)
    corpus = ROOT / "tests" / "compatibility" / "version-1"
    for name in ("venn.json", "venn.copies.layout.json"):
        shutil.copy(corpus / name, tmp_path)
    command = [sys.executable, "-m", "reorder_solver.cli.main", "verify", "--proof", "--format=csv"]
    done = subprocess.run(
        [*command, "venn.json", "venn.copies.layout.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "optimal" in done.stdout


def test_citation_agrees_with_the_package() -> None:
    """Version and licence are those of the package, and the paper is cited."""
    citation = yaml.safe_load((ROOT / "docs" / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == rs.__version__
    assert citation["license"] == "Apache-2.0"
    assert any("2307.08771" in each["url"] for each in citation["references"])
