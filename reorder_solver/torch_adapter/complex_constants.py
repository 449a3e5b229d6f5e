"""Complex constants: stored as pairs of real numbers, which any precision of a module keeps.

A module that is brought into another precision casts what it stores to a real type, and complex
numbers would lose their imaginary part. The constants that a model makes itself are not stored in
the model, so that happens to none of its own; in an export they are buffers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import fx


def store_as_pairs(
    graph: fx.Graph, attributes: dict[str, Any], own: Collection[str]
) -> dict[str, torch.dtype]:
    """Let a graph make its complex constants of stored pairs of real numbers.

    Parameters
    ----------
    graph : torch.fx.Graph
        Changed, and so are the `attributes`, which get the pairs in double precision.
    attributes : dict of str to object
    own : collection of str
        What the model stores itself; that stays as it is.

    Returns
    -------
    dict of str to torch.dtype
        The names of the pairs, and the types of their numbers in the model.
    """
    found: dict[str, torch.dtype] = {}
    for node in [one for one in graph.nodes if one.op == "get_attr"]:
        name = str(node.target)
        stored = attributes[name]
        if name in found:
            pairs = attributes[name]
        elif isinstance(stored, torch.Tensor) and stored.is_complex() and name not in own:
            pairs = torch.view_as_real(stored.detach().resolve_conj())
            found[name] = pairs.dtype
            attributes[name] = pairs = pairs.double()
        else:
            continue
        with graph.inserting_after(node):
            made = graph.call_function(torch.ops.aten.view_as_complex.default, (node,))
        made.meta = dict(node.meta)
        node.replace_all_uses_with(made, delete_user_cb=lambda user, made=made: user is not made)
        node.meta["val"] = pairs.to("meta", found[name])
    return found
