"""Rebuild the instances that come from calls, and the figures of the manifest.

``--check`` changes nothing and reports what differs. Run it after adding an entry to
``manifest.json``: an entry needs ``file``, ``description``, ``origin``, ``source`` and
``licence``; family, sizes and digest are filled in here. Instances of networks have a command of
their own, ``export_networks.py``, as they need torch.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path
from typing import Any

from constructions import CONSTRUCTIONS

import reorder_solver as rs
from reorder_solver.formats import instance_to_json, read_instance, write_instance
from reorder_solver.generators import GENERATOR_VERSION, generate

FOLDER = Path(__file__).resolve().parent
MANIFEST = FOLDER / "manifest.json"

#: The families, each in a folder of its name, and why they are worth a look.
FAMILIES = {
    "tiny": "one idea each, small enough for enumeration",
    "generated": "random subsets, correlated scores, hidden layouts and residual streams, mixed",
    "networks": "architectures with random weights, over pruners and amounts: what users solve",
    "trained": "really trained networks: importance of channels is correlated between layers",
    "residual": "one residual stream with priced accesses, from 64 to 4096 channels",
    "planted": "a hidden layout makes all but the noise views: known optimum or close bound",
    "adversarial": "known optima that greedy, the paper's algorithm or local search miss, "
    "weak bounds, conflicts everywhere",
    "required": "accesses that must be views, with and without a layout that allows it",
}

Entry = dict[str, Any]


def rebuilt(entry: Entry) -> rs.Instance:
    """An instance that comes from a call, from its entry in the manifest."""
    source = entry["source"]
    if source["version"] != GENERATOR_VERSION:
        raise rs.InputError(
            f"made by generator version {source['version']}, this is {GENERATOR_VERSION}",
            source=entry["file"],
        )
    make = CONSTRUCTIONS.get(source["family"]) if entry["origin"] == "constructed" else None
    if make is None:
        instance = generate(source["family"], seed=source["seed"], **source["parameters"])
    else:
        instance = make(seed=source["seed"], **source["parameters"])
    return instance.replace(name=Path(entry["file"]).name.split(".")[0])


def described(entry: Entry) -> Entry:
    """The entry with the family, sizes and digest of its file as it is now."""
    instance = read_instance(FOLDER / entry["file"])
    figures = {
        "family": entry["file"].split("/")[0],
        "tensors": len(instance.tensors),
        "channels": sum(tensor.channels for tensor in instance.tensors),
        "accesses": len(instance.accesses),
        "wanted": sum(access.size for access in instance.accesses),
        "digest": rs.digest(instance),
    }
    return {**entry, **figures}


def content(path: Path) -> str:
    """The text of a file, unpacked: other zlib versions pack the same text into other bytes."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")


def manifest_text(entries: list[Entry]) -> str:
    """The manifest: one entry a block, in a fixed form."""
    whole = {"version": 1, "families": FAMILIES, "files": entries}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def entries_now() -> list[Entry]:
    """The entries of the manifest."""
    entries: list[Entry] = json.loads(MANIFEST.read_text(encoding="utf-8"))["files"]
    return entries


def add_entries(added: list[Entry]) -> None:
    """Enter files in the manifest, in place of entries of the same files."""
    known = {entry["file"]: entry for entry in entries_now()}
    known |= {entry["file"]: described(entry) for entry in added}
    MANIFEST.write_text(manifest_text(list(known.values())), encoding="utf-8")


def _from_call(entry: Entry) -> bool:
    return entry["origin"] in ("generated", "constructed")


def differences() -> list[str]:
    """What is not as it should be: files that differ from their call, or a stale manifest."""
    entries = entries_now()
    found = [
        f"{entry['file']}: differs from what its call generates"
        for entry in entries
        if _from_call(entry) and content(FOLDER / entry["file"]) != instance_to_json(rebuilt(entry))
    ]
    if MANIFEST.read_text(encoding="utf-8") != manifest_text([described(one) for one in entries]):
        found.append("manifest.json: sizes or digests are not those of the files")
    return found


def regenerate() -> None:
    """Write every file that comes from a call anew, then the manifest."""
    entries = entries_now()
    for entry in entries:
        if _from_call(entry):
            path = FOLDER / entry["file"]
            path.parent.mkdir(exist_ok=True)
            write_instance(rebuilt(entry), path)
    MANIFEST.write_text(manifest_text([described(entry) for entry in entries]), encoding="utf-8")


def main() -> int:
    """Rebuild, or check and return 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only report what differs")
    if not parser.parse_args().check:
        regenerate()
    found = differences()
    print("\n".join(found) or "all files are as the manifest says")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
