"""Export instances of really trained networks and enter them in the manifest (needs torch).

    reorder-solver train --seeds 0 --checkpoints checkpoints
    python bench_instances/export_trained.py checkpoints

The networks of ``reorder-solver train``, half of every layer's inputs dropped by L2 norm and by
first-order Taylor scores on training images. Training on another processor or with another
PyTorch gives other weights; each entry names both, with the digest of the weights. ``--check``
changes nothing and compares the files whose weights are in the folder; weights that are other
ones are said to be.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

import torch
from exported import add_instance, described_instance, instance_name
from regenerate import FOLDER, content, entries_now

from reorder_solver.experiments.architectures import ARCHITECTURES
from reorder_solver.experiments.checkpoints import describe, path_of
from reorder_solver.experiments.data import load_data
from reorder_solver.experiments.subjects import Subject, trained_here
from reorder_solver.formats import instance_to_json
from reorder_solver.torch_adapter.pruning import Pruner

DATA, SEED, AMOUNT = "mnist", 0, 0.5
SCORES = ("l2", "taylor")


def main(argv: list[str] | None = None) -> int:
    """Export, or check and return 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, help="folder that 'reorder-solver train' filled")
    parser.add_argument("--check", action="store_true", help="only report what differs")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    data = load_data(DATA)
    found: list[str] = []
    for architecture in ARCHITECTURES:
        subject = trained_here(arguments.checkpoints, architecture, SEED, data)
        if arguments.check:
            found += differing(subject)
            continue
        trained = describe(path_of(arguments.checkpoints, architecture, DATA, SEED))
        for score, images, masks in pruned(subject):
            add_instance(
                file_of(architecture, score),
                subject.model,
                images,
                masks,
                description=f"{architecture}, trained on {DATA} to {trained.accuracy:.1%} top-1: "
                f"{AMOUNT:.0%} of every layer's inputs dropped by {score}.",
                source={
                    "model": f"reorder_solver.experiments:{architecture}",
                    "data": DATA,
                    "seed": SEED,
                    "epochs": trained.epochs,
                    "top1": round(trained.accuracy, 4),
                    "weights": weights_digest(subject.model),
                    "score": score,
                    "amount": AMOUNT,
                    "versions": {"torch": trained.torch, "reorder-solver": trained.version},
                },
            )
            print(file_of(architecture, score), flush=True)
    if arguments.check:
        print("\n".join(found) or "all files of these weights are as the manifest says")
    return int(bool(found))


def file_of(architecture: str, score: str) -> str:
    """Path from the folder of the instances."""
    return f"trained/{architecture}-{score}-{AMOUNT:.2f}.json.gz"


def weights_digest(model: torch.nn.Module) -> str:
    """Of all parameters and buffers; that of a checkpoint's file covers the time it took, too."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def pruned(subject: Subject) -> list[tuple[str, Any, Any]]:
    """Score, example images and masks."""
    images = subject.inputs(2)
    pruner = Pruner(subject.model, images)
    return [
        (score, images, pruner.masks(subject.scores(pruner, score, "input"), AMOUNT))
        for score in SCORES
    ]


def differing(subject: Subject) -> list[str]:
    """Files of a network that differ from what its weights give, or are of other weights."""
    entries = {entry["file"]: entry for entry in entries_now()}
    here = weights_digest(subject.model)
    found = []
    for score, images, masks in pruned(subject):
        file = file_of(subject.architecture, score)
        source = entries[file]["source"]
        if source["weights"] != here:
            found.append(f"{file}: of weights {source['weights']}, here are {here}")
            continue
        again = described_instance(subject.model, images, masks, instance_name(file), source)
        if instance_to_json(again) != content(FOLDER / file):
            found.append(f"{file}: differs from what its weights give")
    return found


if __name__ == "__main__":
    sys.exit(main())
