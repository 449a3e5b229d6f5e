"""Window check: whether an export with given masks copies nothing that its model did not copy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reorder_solver.core.prices import Objective
from reorder_solver.torch_adapter.apply import rewrite
from reorder_solver.torch_adapter.extract import extract
from reorder_solver.torch_adapter.masks import masked
from reorder_solver.torch_adapter.optimise import SolverSettings, best_transformed
from reorder_solver.torch_adapter.traffic import copied_bytes
from reorder_solver.torch_adapter.transformed_plan import Transformations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from reorder_solver.core.result import Result
    from reorder_solver.torch_adapter.extract import Extraction
    from reorder_solver.torch_adapter.masks import Masks

#: Copies that come of choosing channels. What an operator does to its own arguments is another
#: matter: it depends on the batch size and on the library, and a slice of any order meets it.
_CHOOSING = ("gather", "cat", "copy", "shuffle")


@dataclass(frozen=True, slots=True)
class Copies:
    """What an export copies beyond what its model, not pruned, copies.

    Attributes
    ----------
    cost : int
        Bytes per sample that the instance counts.
    layers : tuple of str
        Layers that read what is copied, or share its tensor.
    excess : dict of str to int
        Bytes by kind (see :class:`Traffic`), as counted in a run.
    """

    cost: int
    layers: tuple[str, ...]
    excess: dict[str, int]

    @property
    def chosen(self) -> int:
        """Bytes copied to choose channels."""
        return self.cost or sum(self.excess.get(kind, 0) for kind in _CHOOSING)


class CopyCounter:
    """Counts the copies of exports of one model.

    Parameters
    ----------
    model : torch.nn.Module
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
        Copies are counted in runs on these.
    time_limit : float or None
        For each solve.
    seed : int
    """

    def __init__(
        self, model: nn.Module, example_inputs: Any, time_limit: float | None, seed: int
    ) -> None:
        self._model = model
        self._inputs = example_inputs
        self._settings = SolverSettings(Objective.BYTES.value, time_limit, seed, 1)

    def count(self, masks: Masks) -> Copies:
        """Export as :func:`compact` does, and count."""
        cost, layers, traffic = self._exported(masks)
        found = Copies(cost, layers, _excess(self._before, traffic))
        if not found.chosen:
            return found
        # Some models cannot be exported without a copy, pruned or not.
        least, _, own = self._unpruned
        more = {
            kind: max(own.get(kind, 0), self._before.get(kind, 0)) for kind in {*own, *self._before}
        }
        return Copies(max(0, cost - least), layers, _excess(more, traffic))

    @cached_property
    def _before(self) -> dict[str, int]:
        return copied_bytes(masked(self._model), self._inputs).by_kind

    @cached_property
    def _unpruned(self) -> tuple[int, tuple[str, ...], dict[str, int]]:
        return self._exported({})

    def _exported(self, masks: Masks) -> tuple[int, tuple[str, ...], dict[str, int]]:
        plain = extract(self._model, self._inputs, masks)
        extraction, result = best_transformed(
            plain, Transformations(), self._settings, self._inputs
        )
        module = rewrite(extraction, result).module
        traffic = copied_bytes(module, self._inputs).by_kind
        return result.cost or 0, _layers(extraction, result), traffic


def _excess(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Kinds of which there is more; a shuffle may have become a concatenation."""
    chosen, allowed = (sum(each.get(kind, 0) for kind in _CHOOSING) for each in (after, before))
    same = chosen <= allowed and after.get("gather", 0) <= before.get("gather", 0)
    return {
        kind: size - before.get(kind, 0)
        for kind, size in after.items()
        if size > before.get(kind, 0) and not (same and kind in _CHOOSING)
    }


def _layers(extraction: Extraction, result: Result) -> tuple[str, ...]:
    culprits = [access for access, facts in result.accesses.items() if facts.cost]
    own = [extraction.plan.planned[access].layer for access in culprits]
    found = dict.fromkeys(layer.module for layer in own if layer is not None)
    if len(found) < len(culprits):
        tensors = {
            part.tensor
            for access in extraction.instance.accesses
            if access.id in culprits
            for part in access.parts
        }
        for access in extraction.instance.accesses:
            layer = extraction.plan.planned[access.id].layer
            if layer is not None and any(part.tensor in tensors for part in access.parts):
                found[layer.module] = None
    return tuple(found)
