"""Extract: the channel-ordering problem that a pruned model poses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from reorder_solver.torch_adapter.build import build
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.facts import Facts
from reorder_solver.torch_adapter.masks import masked_with_kept
from reorder_solver.torch_adapter.partial_sums import insert_partial_sums
from reorder_solver.torch_adapter.plain_plan import PlainPlan
from reorder_solver.torch_adapter.rules import RULES
from reorder_solver.torch_adapter.share import insert_copies
from reorder_solver.torch_adapter.transformed_plan import TransformedPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from reorder_solver.core.instance import Instance
    from reorder_solver.torch_adapter.capture import Captured
    from reorder_solver.torch_adapter.flow import BoolArray
    from reorder_solver.torch_adapter.joining import JoinCosts
    from reorder_solver.torch_adapter.masks import DeclaredMasks, Masks
    from reorder_solver.torch_adapter.partial_sums import PartialOperand
    from reorder_solver.torch_adapter.plan import Pin, Plan
    from reorder_solver.torch_adapter.program import Value
    from reorder_solver.torch_adapter.share import SharedCopy
    from reorder_solver.torch_adapter.transformed_plan import Transformations
    from reorder_solver.torch_adapter.usage import Usage


@dataclass(frozen=True, eq=False)
class Extraction:
    """A channel-ordering problem and what it takes to apply a layout.

    Attributes
    ----------
    instance : Instance
        Reads are named after modules, the other accesses after what the graph calls them.
    pins : tuple of Pin
        Every tensor that keeps its order, and why.
    notes : tuple of str
        What a user should know about the capture.
    name : str
        Class of the model.
    captured, declared, facts, plan
        The graph, the masks given, constants and live channels, and what decodes a layout, for
        :func:`apply`.
    joins : JoinCosts
        What decides how concatenations are written.
    usage : Usage or None
        How the export is going to be called, if that is known: then it uses the kernels that are
        fastest there.
    sums : tuple of PartialOperand
        The operands that sums do not have whole.
    """

    instance: Instance
    pins: tuple[Pin, ...]
    notes: tuple[str, ...]
    name: str
    captured: Captured
    declared: DeclaredMasks
    facts: Facts
    plan: Plan
    joins: JoinCosts
    usage: Usage | None = None
    sums: tuple[PartialOperand, ...] = ()

    def __repr__(self) -> str:
        size = f"{len(self.instance.tensors)} tensors, {len(self.instance.accesses)} accesses"
        return f"Extraction({self.name}: {size}, {len(self.pins)} pins)"

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are; the CPU for a model without any."""
        stored = self.captured.attributes.values()
        tensors = (one for one in stored if isinstance(one, torch.Tensor))
        return next((one.device for one in tensors), torch.device("cpu"))

    def transformed(
        self,
        transformations: Transformations | None,
        usage: Usage | None = None,
        sums: Sequence[PartialOperand] = (),
    ) -> Extraction:
        """The problem that the same model poses with other transformations allowed.

        `sums` are operands that sums are not to have whole.
        """
        facts = self._facts((), sums) if sums else self.facts
        found = _planned(self.name, self.captured, self.declared, facts, transformations, usage)
        return replace(found, sums=tuple(sums))

    def with_copies(
        self, copies: Sequence[SharedCopy], transformations: Transformations
    ) -> Extraction:
        """The problem with copies that several readers share."""
        facts = self._facts(copies, self.sums)
        found = _planned(
            self.name, self.captured, self.declared, facts, transformations, self.usage
        )
        return replace(found, sums=self.sums)

    def _facts(self, copies: Sequence[SharedCopy], sums: Sequence[PartialOperand]) -> Facts:
        program = build(self.captured, RULES, self.declared.inputs)
        insert_partial_sums(program, sums)
        insert_copies(program, copies)
        return Facts(program, self.captured.attributes)


def extract(
    model: nn.Module,
    example_inputs: Any,
    masks: Masks | None = None,
    transformations: Transformations | None = None,
) -> Extraction:
    """Read the channel-ordering problem off a model.

    Parameters
    ----------
    model : torch.nn.Module
        Not changed. A copy is captured in evaluation mode.
    example_inputs : tensor, tuple of tensors, or mapping of str to tensor
        What the model is called with. Sizes other than the batch size are taken as fixed.
    masks : mapping, optional
        See :func:`masked`. A layer without a mask keeps the input channels whose weights are
        not exactly zero.
    transformations : Transformations, optional
        What may be done about copies besides ordering. By default nothing: channels are
        selected right before the layer that reads them, one access per call of a layer.

    Returns
    -------
    Extraction

    Raises
    ------
    InputError
        If the inputs or masks are wrong.
    CaptureError
        If the model cannot be captured by ``torch.export``.

    Notes
    -----
    A layer all of whose inputs are masked still reads one channel, with zero weights: a
    convolution needs an input. Layers whose results nobody reads pose no access and are removed.
    """
    copied, declared = masked_with_kept(model, masks)
    copied.eval()
    captured = capture(copied, example_inputs)
    facts = Facts(build(captured, RULES, declared.inputs), captured.attributes)
    return _planned(type(model).__name__, captured, declared, facts, transformations)


def _plan(
    name: str, facts: Facts, transformations: Transformations | None, usage: Usage | None
) -> Plan:
    if transformations is None:
        return PlainPlan(facts, name)
    return TransformedPlan(facts, name, transformations, usage)


def _planned(
    name: str,
    captured: Captured,
    declared: DeclaredMasks,
    facts: Facts,
    transformations: Transformations | None,
    usage: Usage | None = None,
) -> Extraction:
    plan = _plan(name, facts, transformations, usage)
    also: dict[Value, BoolArray] = {}
    while revived := plan.revived():
        also |= {value: mask | also.get(value, False) for value, mask in revived.items()}
        facts = facts.with_live(also)
        plan = _plan(name, facts, transformations, usage)
    pins, notes = plan.pins(), captured.notes
    joins = plan.joins
    return Extraction(
        plan.instance, pins, notes, name, captured, declared, facts, plan, joins, usage
    )
