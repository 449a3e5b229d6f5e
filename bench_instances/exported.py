"""Instances exported from networks (needs torch): from a description to the same file again.

For an architecture with random weights the description says everything. For a trained network
there is :func:`add_instance`, which takes the model and its masks; its file can be made again only
with the same weights (``export_trained.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torchvision
from regenerate import FOLDER, Entry, add_entries

import reorder_solver as rs
from reorder_solver import torch_adapter as ta
from reorder_solver.generators import with_model_prices

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Side of the square input, where it is not the usual one: bytes depend on it.
IMAGE, IMAGES = 224, {"inception_v3": 299}
#: Of the prices in the files, so that another model of them shows.
PRICES = "model-1"


@dataclass(frozen=True, slots=True)
class Export:
    """One network pruned in one way.

    Attributes
    ----------
    network : str
        Of torchvision, with random weights from seed 0.
    amount : float
    score, side : str
        As :func:`reorder_solver.torch_adapter.prune` takes them.
    correlation : float
    """

    network: str
    amount: float
    score: str = "l2"
    side: str = "input"
    correlation: float = 0.0

    @property
    def pruner(self) -> str:
        """Score and side in a word, the usual side left out."""
        score = "correlated" if self.correlation else self.score
        return score if self.side == "input" else f"{score}-{self.side}"

    @property
    def file(self) -> str:
        """Path from the folder of the instances."""
        return f"networks/{self.network}-{self.pruner}-{self.amount:.2f}.json.gz"

    @property
    def source(self) -> dict[str, Any]:
        """Everything that :func:`exported` needs."""
        return {
            "model": f"torchvision:{self.network}",
            "score": self.score,
            "side": self.side,
            "correlation": self.correlation,
            "amount": self.amount,
            "seed": 0,
            "image": IMAGES.get(self.network, IMAGE),
            "prices": PRICES,
            "versions": versions(),
        }

    @property
    def entry(self) -> Entry:
        """What its writer says of it in the manifest."""
        by = {"l1": "L1 norm", "l2": "L2 norm", "random": "chance"}[self.score]
        if self.correlation:
            by = f"scores of correlation {self.correlation}"
        side = {"input": "inputs", "output": "outputs", "both": "inputs and outputs"}.get(
            self.side, "inputs, outputs or both (drawn per layer)"
        )
        return {
            "file": self.file,
            "description": f"{self.network}, random weights: {self.amount:.0%} of every layer's "
            f"{side} dropped by {by}.",
            "origin": "exported",
            "source": self.source,
            "licence": "Apache-2.0",
        }


def versions() -> dict[str, str]:
    """Of the packages that draw weights and masks: others may draw other ones."""
    return {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
    }


def exported(file: str, source: Mapping[str, Any]) -> rs.Instance:
    """The instance of an entry of origin ``exported``."""
    torch.set_num_threads(1)
    model = ta.load_model(source["model"], seed=source["seed"])
    images = torch.zeros(2, 3, source["image"], source["image"])
    masks = ta.prune(
        model,
        images,
        score=source["score"],
        amount=source["amount"],
        seed=source["seed"],
        side=source["side"],
        correlation=source["correlation"],
    )
    return described_instance(model, images, masks, instance_name(file), source)


def described_instance(
    model: torch.nn.Module, images: Any, masks: Any, name: str, source: Mapping[str, Any]
) -> rs.Instance:
    """The plain problem of a pruned model, with model prices, its source as metadata."""
    instance = ta.extract(model, images, masks).instance
    return with_model_prices(instance).replace(name=name, meta=dict(source))


def instance_name(file: str) -> str:
    """``network/pruner-amount`` of ``networks/network-pruner-amount.json.gz``."""
    return file.split("/")[-1].removesuffix(".json.gz").replace("-", "/", 1)


def add_instance(
    file: str,
    model: torch.nn.Module,
    images: Any,
    masks: Any,
    *,
    description: str,
    source: Mapping[str, Any],
    licence: str = "Apache-2.0",
) -> rs.Instance:
    """Write the instance of a trained, pruned model and enter it in the manifest.

    Parameters
    ----------
    file : str
        Path from the folder of the instances, such as ``trained/name-l2-0.50.json.gz``.
    model, images, masks
        As :func:`reorder_solver.torch_adapter.extract` takes them.
    description : str
        One line.
    source : mapping
        How the model was trained and pruned: data, epochs, accuracy, seed, versions.
    licence : str
        Of the file.
    """
    recorded = {**source, "prices": PRICES}
    instance = described_instance(model, images, masks, instance_name(file), recorded)
    path = FOLDER / file
    path.parent.mkdir(exist_ok=True)
    rs.write_instance(instance, path)
    entry = {
        "file": file,
        "description": description,
        "origin": "trained",
        "source": recorded,
        "licence": licence,
    }
    add_entries([entry])
    return instance
