"""Export the bundled network instances anew and enter them in the manifest (needs torch).

Architectures with random weights from a fixed seed, pruned in several ways. Other versions of
torch may draw other weights, so the versions are recorded. ``--check`` changes nothing and
reports files that differ from what their entries describe; ``--only GLOB`` takes some files.
"""

from __future__ import annotations

import argparse
import json
import sys
from fnmatch import fnmatch

from exported import Export, exported, versions
from regenerate import FOLDER, MANIFEST, add_entries, content

import reorder_solver as rs
from reorder_solver.formats import instance_to_json

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
#: At one amount only.
MORE_NETWORKS = (
    "shufflenet_v2_x1_0",
    "mobilenet_v3_large",
    "resnext50_32x4d",
    "convnext_tiny",
    "vit_b_16",
    "swin_t",
)
AMOUNTS = (0.25, 0.5, 0.75)
#: Pruned in other ways as well, at the middle amount.
VARIED = (
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "googlenet",
    "densenet121",
    "efficientnet_b0",
    "shufflenet_v2_x1_0",
)
PRUNERS = (
    {"score": "l1", "side": "output"},
    {"score": "l2", "side": "mixed"},
    {"score": "random"},
    {"score": "random", "correlation": 0.9},
)


def exports() -> list[Export]:
    """All that are bundled."""
    middle = AMOUNTS[1]
    return [
        *(Export(network, amount) for network in NETWORKS for amount in AMOUNTS),
        *(Export(network, middle) for network in MORE_NETWORKS),
        *(Export(network, middle, **how) for network in VARIED for how in PRUNERS),
    ]


def differing(only: str) -> list[str]:
    """Files that differ from what their entries describe."""
    found = []
    for entry in json.loads(MANIFEST.read_text(encoding="utf-8"))["files"]:
        file, source = entry["file"], entry["source"]
        if entry["origin"] != "exported" or not fnmatch(file, only):
            continue
        if content(FOLDER / file) != instance_to_json(exported(file, source)):
            made = ", ".join(f"{key} {value}" for key, value in source["versions"].items())
            here = "" if source["versions"] == versions() else f" (made with {made})"
            found.append(f"{file}: differs from what its entry describes{here}")
    return found


def main(argv: list[str] | None = None) -> int:
    """Export, or check and return 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only report what differs")
    parser.add_argument("--only", default="*", metavar="GLOB", help="files to take")
    arguments = parser.parse_args(argv)
    if arguments.check:
        found = differing(arguments.only)
        print("\n".join(found) or "all exported files are as the manifest says")
        return int(bool(found))
    chosen = [one for one in exports() if fnmatch(one.file, arguments.only)]
    (FOLDER / "networks").mkdir(exist_ok=True)
    for one in chosen:
        rs.write_instance(exported(one.file, one.source), FOLDER / one.file)
        print(one.file, flush=True)
    add_entries([one.entry for one in chosen])
    print(f"{len(chosen)} instances")
    return 0


if __name__ == "__main__":
    sys.exit(main())
