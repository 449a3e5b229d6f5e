"""Spoiled proofs are rejected, every single one."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from corruptions import CORRUPTIONS
from proof_samples import corrupted, folded_samples, proven_samples, shuffled_samples

import reorder_solver as rs
from reorder_solver.formats import result_from_json, result_to_json

if TYPE_CHECKING:
    from proven import Proven


def _rejected(proven: Proven, result: rs.Result) -> None:
    with pytest.raises(rs.VerificationError) as caught:
        rs.check_proof(proven.instance, result)
    message = str(caught.value)
    assert message
    assert "\n" not in message


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_corrupted_proofs_are_rejected(kind: str, samples: list[Proven]) -> None:
    """Every way to spoil a proof is noticed, and named in one line."""
    tried = 0
    for seed, proven in enumerate(samples):
        result = corrupted(kind, proven, seed)
        if result is not None and tried < 6:
            _rejected(proven, result)
            tried += 1
    assert tried > 0


@pytest.mark.slow
@pytest.mark.parametrize("by_package", [False, True])
def test_thousands_of_corrupted_proofs_are_rejected(by_package: bool) -> None:
    """As above, thousands, and many of each kind; proofs of tests' producers and of backends."""
    tried: Counter[str] = Counter()
    samples = [
        *islice(proven_samples(5000, by_package=by_package), 250),
        *islice(folded_samples(5000 + by_package * 500), 80),
        *islice(shuffled_samples(5000 + by_package * 500), 80),
    ]
    for seed, proven in enumerate(samples):
        rs.check_proof(proven.instance, proven.result)
        for kind in CORRUPTIONS:
            result = corrupted(kind, proven, seed)
            if result is not None:
                _rejected(proven, result)
                tried[kind] += 1
    assert sum(tried.values()) >= 3000
    assert all(tried[kind] >= 5 for kind in CORRUPTIONS)


def test_any_change_of_a_file_is_read_or_refused(samples: list[Proven]) -> None:
    """With any value of a proof replaced, nothing but the errors meant for that are raised."""
    rng = np.random.default_rng(3)
    seen: Counter[str] = Counter()
    for proven in samples:
        for _ in range(8):
            document = json.loads(result_to_json(proven.result))
            _spoil(rng, document["proof"])
            try:
                rs.check_proof(proven.instance, result_from_json(json.dumps(document)))
                seen["accepted"] += 1
            except rs.InputError:
                seen["unreadable"] += 1
            except rs.VerificationError:
                seen["rejected"] += 1
    assert seen["unreadable"] > 50
    assert seen["rejected"] > 20


def _spoil(rng: np.random.Generator, document: Any) -> None:
    """Put an odd value in some place."""
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = keys[int(rng.integers(len(keys)))]
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.1:
            odd = [0, 1, -1, 5, 10**30, 2**63, "", "0", "0-3", "a0", None, True, 1.5, [], {}, [0]]
            place[key] = odd[int(rng.integers(len(odd)))]
            return
        place = inner
