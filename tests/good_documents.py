"""A correct instance and a correct result for it, as JSON documents, and how to spoil them."""

from __future__ import annotations

import copy
from typing import Any

#: In place of a value: the field is left out.
MISSING = object()

#: A correct instance.
INSTANCE: dict[str, Any] = {
    "format": "channel-ordering",
    "version": 1,
    "name": "good",
    "meta": {"seed": 1},
    "tensors": [{"id": "x", "channels": 8}, {"id": "y", "channels": 4, "fixed": True}],
    "accesses": [
        {
            "id": "a",
            "role": "read",
            "parts": [{"tensor": "x", "channels": "0-3,7"}],
            "bytes": 4,
            "weight": 2,
            "prices": {"gather": [1200, 31], "cat": [900, 31, 150], "cover": [95], "split": [4]},
        },
        {
            "id": "b",
            "parts": [{"tensor": "y", "channels": [1, 2]}, {"tensor": "x", "channels": ""}],
            "required": True,
        },
        {"id": "c", "role": "pass", "parts": [{"tensor": "x", "channels": "5"}]},
    ],
}

#: A correct result for it.
RESULT: dict[str, Any] = {
    "format": "channel-layout",
    "version": 1,
    "instance": {"name": "good", "sha256": ""},
    "objective": "bytes",
    "status": "feasible",
    "stop_reason": "time_limit",
    "cost": 20,
    "lower_bound": None,
    "tie_break": 2,
    "layout": {"x": [0, 1, 2, 3, 4, 5, 6, 7], "y": [0, 1, 2, 3]},
    "accesses": {
        "a": {"channels": 5, "runs": 2, "span": 6, "mode": "gather", "cost": 20},
        "b": {"channels": 2, "runs": 1, "span": 2, "mode": "view", "cost": 0},
        "c": {"channels": 1, "runs": 1, "span": 1, "mode": "view", "cost": 0},
    },
    "backend": "identity",
    "seed": 0,
    "threads": 1,
    "time_limit": None,
    "versions": {"reorder-solver": "0.1.0"},
    "times": {"total": 0.5},
    # Well-formed, but no proof of anything.
    "proof": {
        "parts": [
            {"kind": "constant", "bound": 3, "accesses": ["c"]},
            {"kind": "views", "bound": 20, "accesses": ["a", "b"], "constraints": [["0-1", 1]]},
            {
                "kind": "runs",
                "bound": 1,
                "accesses": ["b"],
                "tensors": ["y", "x"],
                "nodes": [[1, 3], [5]],
                "tree": [
                    {"split": [0, 3]},
                    {"sieve": {"exponent": 1, "nodes": [1, -2, 0, 4], "sets": [["0,2", -1]]}},
                    {"leaf": {"exponent": 0, "nodes": [0, 0, 0, 0], "sets": []}},
                    {"leaf": {"exponent": 2, "nodes": [9, 9, 9, 9], "sets": [["1", 5]]}},
                ],
            },
        ]
    },
}


def edited(document: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """A copy of a JSON document with the value at `path` replaced."""
    changed = copy.deepcopy(document)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    if value is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed
