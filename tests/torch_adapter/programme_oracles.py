"""Oracles for channel programmes: real runs, disturbed channels, and lowering in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from masks_and_layouts import layouts
from torch import fx, nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.emitter import Emitter
from reorder_solver.torch_adapter.joining import FEWEST_BYTES
from reorder_solver.torch_adapter.operations import Select

if TYPE_CHECKING:
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.program import Operation, Program, Value

#: An export is wrong beyond this share of the output's scale.
EXACT = 1e-12


def sample(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def prepare(model: nn.Module, seed: int = 0) -> nn.Module:
    """Double precision, every parameter and statistic random."""
    torch.manual_seed(seed)
    model = model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
        for name, buffer in model.named_buffers():
            if "running_var" in name:
                buffer.copy_(torch.rand_like(buffer) + 0.5)
            elif buffer.is_floating_point():
                buffer.copy_(torch.randn_like(buffer))
    return model


def thin_out(
    model: nn.Module, rng: np.random.Generator, rows: float = 0.3, columns: float = 0.4
) -> nn.Module:
    """Zero some rows and columns of every weight, and now and then a bias or a scale.

    Rows without a bias make zeros, rows with one make other constants.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                for axis, share in ((0, rows), (1, columns)):
                    zero = torch.from_numpy(rng.random(parameter.shape[axis]) < share)
                    parameter.index_fill_(axis, zero.nonzero().ravel(), 0.0)
            else:
                parameter.mul_(torch.as_tensor(rng.random(parameter.shape) > rows / 2))
    return model


def assert_exports_are_right(model: nn.Module, x: torch.Tensor, masks: Any = None) -> ta.Extraction:
    """Under the identity and random layouts, for other batches and memory formats."""
    extraction = ta.extract(model, x, masks)
    reference = ta.masked(model, masks)
    for layout in layouts(extraction.instance, count=2):
        assert_equal(reference, ta.apply(extraction, layout), x)
    assert_lowers_in_any_order(extraction, reference, x)
    return extraction


def assert_equal(reference: nn.Module, module: nn.Module, x: torch.Tensor) -> None:
    for batch in (1, 3):
        other = sample(batch, *x.shape[1:], seed=batch)
        assert ta.max_relative_error(reference, module, other) <= EXACT
    if x.ndim == 4:
        other = sample(2, *x.shape[1:]).to(memory_format=torch.channels_last)
        assert ta.max_relative_error(reference, module, other) <= EXACT


def assert_lowers_in_any_order(
    extraction: ta.Extraction, reference: nn.Module, x: torch.Tensor, seeds: int = 2
) -> None:
    """Every value stored with a random superset of its live channels, in a random order."""
    captured = extraction.captured
    facts = extraction.plan.facts
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        keep = {
            value: rng.random(value.channels) < rng.choice([0.0, 0.3, 1.0])
            for value in values_of(facts.program)
            if facts.live(value).any()
        }
        kept = facts.close(keep)
        sequences = {value: rng.permutation(np.flatnonzero(mask)) for value, mask in kept.items()}
        emitter = Emitter(facts, captured.attributes, sequences, {}, FEWEST_BYTES)
        emitter.write()
        used = {str(node.target) for node in emitter.graph.nodes if node.op == "get_attr"}
        module = fx.GraphModule({name: emitter.values[name] for name in used}, emitter.graph)
        assert_equal(reference, module, x)


def values_of(program: Program) -> list[Value]:
    """Values that take up memory of their own."""
    return [
        operation.output
        for operation in program.operations
        if operation.output is not None and not isinstance(operation, Select)
    ]


def facts_of(extraction: ta.Extraction) -> Facts:
    return extraction.plan.facts


def run(extraction: ta.Extraction, x: torch.Tensor) -> dict[fx.Node, Any]:
    """All values of the captured graph."""
    values: dict[fx.Node, Any] = {}
    for node in extraction.captured.graph.nodes:
        if node.op == "placeholder":
            values[node] = x
        elif node.op == "get_attr":
            stored = extraction.captured.attributes[str(node.target)]
            values[node] = stored.detach() if isinstance(stored, torch.Tensor) else stored
        elif node.op == "call_function":
            values[node] = call(node, values, {})
    return values


def call(node: fx.Node, values: dict[fx.Node, Any], replaced: dict[fx.Node, Any]) -> Any:
    """The operator's result, some of its operands replaced."""
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda one: replaced.get(one, values[one]))
    with torch.no_grad():
        return node.target(*args, **kwargs)


def channel(value: Value, tensor: torch.Tensor, number: int) -> torch.Tensor:
    """The features of one channel."""
    features = torch.from_numpy(value.flow.features(np.array([number])))
    return tensor.index_select(value.flow.axis, features)


def assert_constants_are(extraction: ta.Extraction, x: torch.Tensor) -> int:
    """Every channel said to be constant is, in a real run; returns how many there are."""
    values = run(extraction, x)
    count = 0
    for node, value in extraction.plan.facts.program.values.items():
        for number, constant in enumerate(extraction.plan.facts.constants(value)):
            if not np.isnan(constant):
                found = channel(value, values[node], number)
                scale = max(1.0, abs(constant), float(values[node].abs().max()))
                assert float((found - constant).abs().max()) <= EXACT * scale
                count += 1
    return count


def assert_needs_suffice(
    extraction: ta.Extraction, operation: Operation, x: torch.Tensor, seed: int = 0
) -> int:
    """Disturbing channels that an operation says it does not need leaves the live ones alone.

    Returns how many channels were disturbed.
    """
    facts = extraction.plan.facts
    program = facts.program
    nodes = {value: node for node, value in program.values.items()}
    values = run(extraction, x)
    rng = np.random.default_rng(seed)
    assert operation.output is not None
    node = nodes[operation.output]
    count = 0
    for share in (1.0, 0.5, 0.2):
        live = operation.widen(rng.random(operation.output.channels) < share, facts)
        if not live.any():
            continue
        replaced = {}
        for value, needed in operation.needs(live, facts):
            idle = ~needed & np.isnan(facts.constants(value))
            features = torch.from_numpy(value.flow.features(np.flatnonzero(idle)))
            disturbed = values[nodes[value]].clone()
            noise = torch.rand_like(disturbed.index_select(value.flow.axis, features))
            disturbed.index_add_(value.flow.axis, features, noise)
            replaced[nodes[value]] = disturbed
            count += int(idle.sum())
        after = call(node, values, replaced)
        for number in np.flatnonzero(live):
            one = channel(operation.output, values[node], int(number))
            other = channel(operation.output, after, int(number))
            assert torch.allclose(one, other, rtol=0, atol=EXACT * 1e2)
    return count


def operations_of(extraction: ta.Extraction, kind: type[Operation]) -> list[Any]:
    found = [one for one in extraction.plan.facts.program.operations if isinstance(one, kind)]
    assert found, f"the network has no {kind.__name__}"
    return found
