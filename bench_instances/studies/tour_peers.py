"""Our tours beside those of other tour codes: the same Hamming matrices, one thread, equal time.

The peers (``pip install fast-tsp elkai numpy``) live in an environment of their own, named by
``--python``; one that cannot be imported there is left out. Lengths are printed as runs, that is
halved. ``fast-tsp`` is given the time limit; ``elkai`` takes no limit, does a single run, and is
given up (a dash) after thirty times as long. Ours is stopped at the limit too, and the seconds
after which it had its final tour are printed. Exit code 1 if a peer found a shorter tour.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

import reorder_solver as rs
from reorder_solver.backends.tours import improve_tour

_PEER = """
import json, sys, time
import numpy as np
name, path, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
matrix = np.load(path)
if name == "elkai":
    import elkai
    rows = matrix.tolist()
    began = time.perf_counter()
    tour = elkai.DistanceMatrix(rows).solve_tsp(runs=1)[:-1]
else:
    import fast_tsp
    began = time.perf_counter()
    tour = fast_tsp.find_tour(matrix, duration_seconds=seconds, candidates=name)
print(json.dumps([time.perf_counter() - began, [int(node) for node in tour]]))
"""
#: Names of the peers, as the program above knows them.
_PEERS = {"fast-tsp": "auto", "fast-tsp alpha": "alpha", "elkai": "elkai"}


def distances(instance: rs.Instance) -> npt.NDArray[np.int32]:
    """Hamming distances of an instance's different columns and one of zeros."""
    if len(instance.tensors) != 1:
        raise SystemExit(f"{instance.name}: {len(instance.tensors)} tensors, not one")
    ones = np.zeros((instance.tensors[0].channels + 1, len(instance.accesses)), dtype=np.float32)
    for number, access in enumerate(instance.accesses):
        ones[access.parts[0].channels, number] = 1.0
    ones = np.unique(ones, axis=0)
    sizes = ones.sum(axis=1)
    return (sizes[:, None] + sizes - 2.0 * ones @ ones.T).astype(np.int32)


def runs(matrix: npt.NDArray[np.int32], tour: npt.NDArray[np.int64]) -> int:
    """Half the length of a tour, which must be one."""
    if not np.array_equal(np.sort(tour), np.arange(len(matrix))):
        raise SystemExit("a peer returned no tour")
    return int(matrix[tour, np.roll(tour, 1)].sum()) // 2


def ours(matrix: npt.NDArray[np.int32], seconds: float) -> tuple[int, float]:
    """Length of our tour, and when it was found."""
    began = time.perf_counter()
    found = [began]
    tour, _ = improve_tour(
        matrix,
        np.arange(len(matrix)),
        deadline_seconds=seconds,
        report=lambda _tour, _length: found.append(time.perf_counter()),
    )
    return runs(matrix, tour), found[-1] - began


def answer(command: list[str], limit: float) -> tuple[float, npt.NDArray[np.int64]] | None:
    """Seconds and tour of a peer; None if it failed or took too long."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=limit)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    seconds, tour = json.loads(done.stdout.splitlines()[-1])
    return seconds, np.array(tour, dtype=np.int64)


def main() -> int:
    """Print a row per instance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="instances of one tensor")
    parser.add_argument("--python", default=sys.executable, help="that has the peers installed")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--peers", nargs="*", choices=list(_PEERS), default=list(_PEERS))
    arguments = parser.parse_args()
    print("  ".join(f"{title:>22}" for title in ("instance", "ours", *arguments.peers)))
    # The first call compiles, or loads what was compiled.
    improve_tour(np.ones((9, 9), dtype=np.int32), np.arange(9), max_kicks=1)
    is_beaten = False
    for file in arguments.files:
        form = "orlib" if file.suffix == ".txt" else None
        matrix = distances(rs.read_instance(file, format=form))
        length, seconds = ours(matrix, arguments.seconds)
        cells = [f"{file.stem:>22}", f"{f'{length} in {seconds:.2f} s':>22}"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "matrix.npy")
            np.save(path, matrix)
            for peer in arguments.peers:
                command = [arguments.python, "-c", _PEER, _PEERS[peer], str(path)]
                command.append(str(arguments.seconds))
                found = answer(command, 30.0 * arguments.seconds)
                if found is None:
                    cells.append(f"{'-':>22}")
                    continue
                other = runs(matrix, found[1])
                cells.append(f"{f'{other} in {found[0]:.1f} s':>22}")
                is_beaten |= other < length
        print("  ".join(cells), flush=True)
    return int(is_beaten)


if __name__ == "__main__":
    sys.exit(main())
