"""Digest: a fingerprint of the problem an instance poses, whatever file it came from."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reorder_solver.core.instance import Instance


def digest(instance: Instance) -> str:
    """SHA-256 (hex) of the problem: tensors and accesses with all their fields, in order.

    The name and the metadata do not count, so that a converted or renamed file keeps its digest.
    """
    sha = hashlib.sha256(b"channel-ordering/1\n")
    for tensor in instance.tensors:
        sha.update(_line("tensor", tensor.id, tensor.channels, tensor.fixed))
    for access in instance.accesses:
        prices = access.prices.to_mapping() if access.prices else None
        sha.update(
            _line(
                "access",
                access.id,
                access.role.value,
                access.bytes,
                access.weight,
                access.required,
                prices,
            )
        )
        for part in access.parts:
            sha.update(_line("part", part.tensor, int(part.channels.size)))
            sha.update(part.channels.astype("<i8").tobytes())
    return sha.hexdigest()


def _line(*values: object) -> bytes:
    return (json.dumps(values) + "\n").encode()
