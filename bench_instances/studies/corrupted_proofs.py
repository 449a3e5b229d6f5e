"""Spoil true proofs in every way there is, and count how many the checker rejects.

Instances are small and random. Their proofs are by turns those of the tests' own producers,
which branch where there is no need, of the package's backends, of a backend that takes every
chain of tensors apart, and by junctions. What is done to them, and why each is then certainly
wrong, is in ``tests/proofs/corruptions.py`` and the modules it names.
Exit code 1 if a spoiled proof is accepted, or a true one rejected.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from itertools import chain, islice
from pathlib import Path

import reorder_solver as rs

_TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path[:0] = [str(_TESTS), str(_TESTS / "proofs")]

from corruptions import CORRUPTIONS  # noqa: E402
from proof_samples import (  # noqa: E402
    corrupted,
    folded_samples,
    proven_samples,
    shuffled_samples,
)


def is_accepted(instance: rs.Instance, result: rs.Result) -> bool:
    """Whether the checker lets the proof of `result` pass."""
    try:
        rs.check_proof(instance, result)
    except rs.VerificationError:
        return False
    return True


def main() -> int:
    """Print a table of kinds of corruption: tried, rejected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proofs", type=int, default=200, help="true proofs to spoil")
    parser.add_argument("--seed", type=int, default=0, help="of the first instance")
    arguments = parser.parse_args()
    tried: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    accepted_true = 0
    sources = [proven_samples(arguments.seed, by_package=each) for each in (False, True)]
    sources += [folded_samples(arguments.seed), shuffled_samples(arguments.seed)]
    samples = islice(chain.from_iterable(zip(*sources, strict=True)), arguments.proofs)
    for number, proven in enumerate(samples):
        accepted_true += is_accepted(proven.instance, proven.result)
        for kind in CORRUPTIONS:
            spoiled = corrupted(kind, proven, number)
            if spoiled is not None:
                tried[kind] += 1
                rejected[kind] += not is_accepted(proven.instance, spoiled)
    print(f"{'corruption':<28}{'tried':>8}{'rejected':>10}")
    for kind in CORRUPTIONS:
        print(f"{kind:<28}{tried[kind]:>8}{rejected[kind]:>10}")
    print(f"{'all':<28}{tried.total():>8}{rejected.total():>10}")
    print(f"{accepted_true} of {arguments.proofs} true proofs accepted")
    return int(rejected != tried or accepted_true != arguments.proofs)


if __name__ == "__main__":
    sys.exit(main())
