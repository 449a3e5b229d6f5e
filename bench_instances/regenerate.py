"""Rebuild the generated instances and the figures of the manifest; ``--check`` changes nothing.

Run it after adding an entry to ``manifest.json``: an entry needs ``file``, ``description``,
``origin``, ``source`` and ``licence``; the sizes and the digest are filled in here.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import reorder_solver as rs
from reorder_solver.formats import instance_to_json, read_instance
from reorder_solver.generators import GENERATOR_VERSION, generate

FOLDER = Path(__file__).resolve().parent
MANIFEST = FOLDER / "manifest.json"

Entry = dict[str, Any]


def rebuilt(entry: Entry) -> str:
    """The JSON text of a generated instance, from its entry in the manifest."""
    source = entry["source"]
    if source["version"] != GENERATOR_VERSION:
        raise rs.InputError(
            f"made by generator version {source['version']}, this is {GENERATOR_VERSION}",
            source=entry["file"],
        )
    instance = generate(source["family"], seed=source["seed"], **source["parameters"])
    return instance_to_json(instance.replace(name=Path(entry["file"]).name.split(".")[0]))


def described(entry: Entry) -> Entry:
    """The entry with the sizes and the digest of its file as it is now."""
    instance = read_instance(FOLDER / entry["file"])
    figures = {
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
    return json.dumps({"version": 1, "files": entries}, indent=1, ensure_ascii=False) + "\n"


def differences() -> list[str]:
    """What is not as it should be: files that differ from their call, or a stale manifest."""
    entries = json.loads(MANIFEST.read_text(encoding="utf-8"))["files"]
    found = []
    for entry in entries:
        path = FOLDER / entry["file"]
        if entry["origin"] == "generated" and content(path) != rebuilt(entry):
            found.append(f"{entry['file']}: differs from what its call generates")
    if MANIFEST.read_text(encoding="utf-8") != manifest_text([described(one) for one in entries]):
        found.append("manifest.json: sizes or digests are not those of the files")
    return found


def regenerate() -> None:
    """Write every generated file anew, then the manifest."""
    entries = json.loads(MANIFEST.read_text(encoding="utf-8"))["files"]
    for entry in entries:
        if entry["origin"] == "generated":
            text = rebuilt(entry).encode("utf-8")
            path = FOLDER / entry["file"]
            path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
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
