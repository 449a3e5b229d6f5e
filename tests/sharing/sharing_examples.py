"""Readers in general position, and what an instance costs at best."""

from __future__ import annotations

import numpy as np
from brute_force import brute_force

import reorder_solver as rs


def optimum(instance, objective):
    """Least cost, by enumeration; None if nothing is allowed."""
    found = brute_force(instance, objective)
    return None if found is None else found[0]


def venn(readers, each=4, **options):
    """Readers in general position: every combination of them wants a channel of its own."""
    channels = np.arange(1, 1 << readers)
    return rs.Instance(
        "venn",
        [rs.Tensor("layer1", channels.size)],
        [
            rs.Access(
                f"conv{number}",
                [rs.Part("layer1", np.flatnonzero(channels >> number & 1))],
                bytes=each,
                **options,
            )
            for number in range(readers)
        ],
    )


def optimum_of(instance):
    """Solved and proven."""
    result = rs.solve(instance)
    rs.verify(instance, result)
    assert result.status is rs.Status.OPTIMAL
    return result.cost
