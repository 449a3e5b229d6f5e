"""The benchmark folder: files that match their calls, figures and optima that are true."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from brute_force import brute_force

import reorder_solver as rs
from reorder_solver.formats import instance_to_json, read_instance

FOLDER = Path(__file__).resolve().parents[2] / "bench_instances"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text("utf-8"))
FILES: list[dict[str, Any]] = MANIFEST["files"]
FAMILIES: dict[str, str] = MANIFEST["families"]
ORIGINS = ("hand-written", "generated", "constructed", "exported", "trained")
OPTIMA = [
    (entry["file"], objective, cost)
    for entry in FILES
    for objective, cost in entry.get("optimum", {}).items()
]


def _module(name: str) -> Any:
    """A script of the folder, imported as running it does."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


def test_generated_files_are_rebuilt_bit_for_bit() -> None:
    """Each generated file equals what its call gives, and the manifest's figures are right."""
    assert _module("regenerate").differences() == []


def test_rebuilding_notices_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is no formality: a changed file and a stale manifest are both reported."""
    module = _module("regenerate")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(module, "MANIFEST", tmp_path / "manifest.json")
    entry = next(one for one in FILES if one["origin"] == "generated")
    path = tmp_path / entry["file"]
    path.parent.mkdir()
    module.MANIFEST.write_text(module.manifest_text([entry]), encoding="utf-8")
    module_text = instance_to_json(module.rebuilt(entry))
    path.write_text(module_text.replace('"weight": 1', '"weight": 2', 1), encoding="utf-8")
    assert len(module.differences()) == 2
    module.regenerate()
    assert module.differences() == []
    assert path.read_text(encoding="utf-8") == module_text


def test_manifest_and_folder_list_the_same_files() -> None:
    """Every instance in the folder is in the manifest once, and complete."""
    listed = [entry["file"] for entry in FILES]
    present = [
        path.relative_to(FOLDER).as_posix()
        for path in FOLDER.rglob("*")
        if path.name.endswith((".json", ".json.gz")) and path.name != "manifest.json"
    ]
    assert sorted(listed) == sorted(present)
    for entry in FILES:
        assert entry["description"]
        assert entry["licence"]
        assert entry["origin"] in ORIGINS
        assert entry["family"] in FAMILIES
        assert FAMILIES[entry["family"]]


@pytest.mark.parametrize(("file", "objective", "cost"), OPTIMA)
def test_known_optima_are_true(file: str, objective: str, cost: int | None) -> None:
    """The optima in the manifest are those of brute force, or reached by the hidden layout."""
    instance = read_instance(FOLDER / file)
    secret = instance.meta.get("planted")
    if secret is not None:
        assert rs.evaluate(instance, rs.Layout(secret["layout"]), objective).total == cost
    elif "construction" not in instance.meta:
        best = brute_force(instance, objective)
        assert (None if best is None else best[0]) == cost
    else:
        # Three required accesses in a ring, or many: whoever is asked finds no layout.
        assert cost is None
        assert rs.solve(instance, objective, "greedy").status is rs.Status.INFEASIBLE


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("clash", {"accesses": 3}),
        ("path_in_graph", {"channels": 7, "chords": 4}),
        ("path_in_graph", {"channels": 8, "chords": 6}),
        ("windows", {"channels": 8, "length": 3, "step": 1}),
        ("must", {"channels": 7, "links": 4, "closed": True}),
        ("must", {"channels": 7, "links": 4, "closed": False}),
        ("ring", {"channels": 8, "length": 3, "step": 1}),
    ],
)
def test_constructions_say_the_truth_where_it_can_be_checked(
    name: str, parameters: dict[str, Any]
) -> None:
    """On small ones, what the argument says is what enumeration finds."""
    make = _module("constructions").CONSTRUCTIONS[name]
    for seed in range(3):
        instance = make(seed=seed, **parameters)
        for objective, cost in instance.meta["optimum"].items():
            best = brute_force(instance, objective)
            assert (None if best is None else best[0]) == cost
        if name == "must":
            closed = parameters["closed"]
            assert (brute_force(instance, "copies") is None) == closed


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("clash", {"accesses": 7}),
        ("hub", {"pairs": 2}),
        ("hub", {"pairs": 4}),
        ("path_in_graph", {"channels": 12, "chords": 9}),
        ("windows", {"channels": 40, "length": 12, "step": 2}),
    ],
)
def test_constructions_agree_with_proofs(name: str, parameters: dict[str, Any]) -> None:
    """On larger ones, it is what the exact solver proves."""
    instance = _module("constructions").CONSTRUCTIONS[name](seed=1, **parameters)
    for objective, cost in instance.meta["optimum"].items():
        result = rs.solve(instance, objective, "auto", time_limit=30.0)
        assert (result.status, result.cost) == (rs.Status.OPTIMAL, cost)


def test_size_of_the_library() -> None:
    """The folder stays small enough for every clone."""
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.json*")) < 4_000_000


@pytest.mark.zoo
@pytest.mark.parametrize(
    "entry",
    [entry for entry in FILES if entry["origin"] == "exported"],
    ids=lambda entry: entry["file"],
)
def test_exported_files_are_rebuilt_bit_for_bit(entry: dict[str, Any]) -> None:
    """A network's file is what its entry describes, with the same versions of torch and NumPy."""
    pytest.importorskip("torchvision")
    exported = _module("exported")
    if entry["source"]["versions"] != exported.versions():
        pytest.skip("made with other versions")
    again = instance_to_json(exported.exported(entry["file"], entry["source"]))
    assert again == _module("regenerate").content(FOLDER / entry["file"])


@pytest.mark.slow
def test_adding_the_instance_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trained model's instance is written, priced and entered; entering it again changes it."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    from reorder_solver import torch_adapter as ta

    exported = _module("exported")
    regenerate = _module("regenerate")
    for module in (exported, regenerate):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(regenerate, "MANIFEST", tmp_path / "manifest.json")
    regenerate.MANIFEST.write_text(regenerate.manifest_text([]), encoding="utf-8")
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(4, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))
    images = torch.zeros(2, 4)
    masks = ta.prune_inputs(layers, images)
    for number in (1, 2):
        exported.add_instance(
            "trained/tiny-l2-0.50.json.gz",
            layers,
            images,
            masks,
            description=f"number {number}",
            source={"epochs": number},
        )
    (entry,) = regenerate.entries_now()
    assert entry["family"] == "trained"
    assert entry["source"]["epochs"] == 2
    instance = read_instance(tmp_path / entry["file"])
    assert entry["digest"] == rs.digest(instance)
    assert all(access.prices is not None for access in instance.accesses)
    assert regenerate.differences() == []


@pytest.mark.slow
def test_exports_of_trained_networks_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same weights give the same files; a spoilt file and other weights are both said."""
    for package in ("torch", "torchvision", "mlxtend", "safetensors"):
        pytest.importorskip(package)
    from reorder_solver.experiments.architectures import ARCHITECTURES, build
    from reorder_solver.experiments.checkpoints import Trained, path_of, save

    exported, regenerate = _module("exported"), _module("regenerate")
    export_trained = _module("export_trained")
    for module in (exported, regenerate, export_trained):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(regenerate, "MANIFEST", tmp_path / "manifest.json")
    regenerate.MANIFEST.write_text(regenerate.manifest_text([]), encoding="utf-8")
    one = {"residual": ARCHITECTURES["residual"]}
    monkeypatch.setattr(export_trained, "ARCHITECTURES", one)
    path = path_of(tmp_path, "residual", "mnist", 0)

    def trained(seed: int) -> None:
        facts = Trained("residual", "mnist", 0, 1, 1, 28, 10, 0.5, "0", "0", 0.0)
        path.unlink(missing_ok=True)
        save(build("residual", 1, 28, 10, seed), facts, path)

    trained(seed=0)
    assert export_trained.main([str(tmp_path)]) == 0
    files = [entry["file"] for entry in regenerate.entries_now()]
    assert files == ["trained/residual-l2-0.50.json.gz", "trained/residual-taylor-0.50.json.gz"]
    assert export_trained.main([str(tmp_path), "--check"]) == 0
    (tmp_path / files[0]).write_bytes((tmp_path / files[1]).read_bytes())
    assert export_trained.main([str(tmp_path), "--check"]) == 1
    assert f"{files[0]}: differs" in capsys.readouterr().out
    trained(seed=1)
    assert export_trained.main([str(tmp_path), "--check"]) == 1
    assert f"{files[0]}: of weights" in capsys.readouterr().out
