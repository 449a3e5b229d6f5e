"""Export the bundled network instances anew and enter them in the manifest (needs torch).

Each network has random weights from a fixed seed; every layer drops its own input channels of
smallest norm. Other versions of torch may draw other weights, so the versions are recorded.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import torch
import torchvision
from regenerate import FOLDER, MANIFEST, manifest_text, regenerate

import reorder_solver as rs
from reorder_solver import torch_adapter as ta

NETWORKS = (
    "alexnet",
    "vgg11_bn",
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "densenet121",
    "googlenet",
    "efficientnet_b0",
    "squeezenet1_1",
    "densenet201",
    "efficientnet_v2_s",
    "inception_v3",
    "regnet_y_400mf",
)
AMOUNTS = (0.25, 0.5, 0.75)
SCORE, SEED = "l2", 0
#: Side of the square input, where it is not the usual one: bytes depend on it.
IMAGE, IMAGES = 224, {"inception_v3": 299}


def exported(network: str) -> list[dict[str, Any]]:
    """Write one instance per amount; return their manifest entries."""
    model = ta.load_model(f"torchvision:{network}", seed=SEED)
    side = IMAGES.get(network, IMAGE)
    images = torch.zeros(2, 3, side, side)
    entries = []
    for amount in AMOUNTS:
        masks = ta.prune_inputs(model, images, score=SCORE, amount=amount, seed=SEED)
        name = f"{network}/{SCORE}-{amount:.2f}"
        file = f"networks/{network}-{SCORE}-{amount:.2f}.json.gz"
        source = {
            "model": f"torchvision:{network}",
            "score": SCORE,
            "amount": amount,
            "seed": SEED,
            "image": side,
            "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__},
        }
        instance = ta.extract(model, images, masks).instance.replace(name=name, meta=source)
        rs.write_instance(instance, FOLDER / file)
        entries.append(
            {
                "file": file,
                "description": f"{network}, random weights: {amount:.0%} of every layer's inputs "
                "dropped by L2 norm.",
                "origin": "exported",
                "source": source,
                "licence": "Apache-2.0",
            }
        )
    return entries


def main() -> int:
    """Export all networks, replacing their entries in the manifest."""
    (FOLDER / "networks").mkdir(exist_ok=True)
    torch.set_num_threads(1)
    made = [entry for network in NETWORKS for entry in exported(network)]
    entries = json.loads(MANIFEST.read_text(encoding="utf-8"))["files"]
    kept = [entry for entry in entries if entry["origin"] != "exported"]
    # The sizes are filled in by regenerate(); here they only have to be there.
    MANIFEST.write_text(manifest_text([*kept, *made]), encoding="utf-8")
    regenerate()
    print(f"{len(made)} instances of {len(NETWORKS)} networks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
