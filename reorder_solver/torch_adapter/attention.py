"""Attention: heads of queries, keys and values, of which features and whole heads may go.

All heads that stay keep equally many features, as they share a tensor; what is dropped is chosen
head by head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reorder_solver.torch_adapter.grouped import any_of, even
from reorder_solver.torch_adapter.operations import Opaque
from reorder_solver.torch_adapter.program import Operation, Source, marked
from reorder_solver.torch_adapter.schema import bind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import fx

    from reorder_solver.torch_adapter.emitter import Emitter
    from reorder_solver.torch_adapter.facts import Facts
    from reorder_solver.torch_adapter.flow import BoolArray, IndexArray
    from reorder_solver.torch_adapter.heads import Gathered, Operand
    from reorder_solver.torch_adapter.operations import Place
    from reorder_solver.torch_adapter.program import Constants, Value


def chosen_labels(labels: IndexArray, chosen: BoolArray) -> IndexArray:
    """The channels of the heads that have some chosen, equally many of each."""
    alive = any_of(chosen)
    found: IndexArray = labels[chosen].reshape(int(alive.sum()), -1)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Queries and keys, multiplied feature by feature.

    A feature of which the query or the key is always zero adds nothing. If the sums go into a
    softmax over the keys, neither does one whose key is another constant: it adds the same to
    the scores of all keys.
    """

    query: Operand
    key: Operand
    into_softmax: bool

    def wanted(self, facts: Facts, alive: BoolArray, least: int = 1) -> BoolArray:
        """By head the features that are multiplied, equally many in each that is alive."""
        query = facts.constants(self.query.value)[self.query.heads.labels]
        key = facts.constants(self.key.value)[self.key.heads.labels]
        idle = (query == 0) | (key == 0)
        if self.into_softmax:
            idle |= ~np.isnan(key)
        return even(~idle & alive[:, None], alive, least)

    def needs(
        self, facts: Facts, alive: BoolArray, least: int = 1
    ) -> list[tuple[Value, BoolArray]]:
        """Their channels."""
        wanted = self.wanted(facts, alive, least)
        return [
            (one.value, marked(one.value.channels, one.heads.labels[wanted]))
            for one in (self.query, self.key)
        ]

    def get(self, emitter: Emitter, alive: BoolArray, least: int = 1) -> tuple[fx.Node, fx.Node]:
        """Both, with these features alone."""
        wanted = self.wanted(emitter.facts, alive, least)
        query, key = (
            one.get(chosen_labels(one.heads.labels, wanted), emitter)
            for one in (self.query, self.key)
        )
        return query, key


class Scores(Opaque):
    """Products of queries and keys written out: every head stays."""

    pins = False

    def __init__(self, node: fx.Node, pairs: Pairs, places: tuple[Place, Place]) -> None:
        super().__init__(node, [pairs.query.value, pairs.key.value], "queries and keys meet")
        self._pairs = pairs
        self._places = places

    def inputs(self) -> Iterable[fx.Node]:
        """None: queries and keys are taken from the values behind their views."""
        return ()

    def _alive(self) -> BoolArray:
        return np.ones(len(self._pairs.query.heads.labels), dtype=np.bool_)

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """The features that are multiplied."""
        return self._pairs.needs(facts, self._alive())

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The product over fewer features."""
        query, key = self._pairs.get(emitter, self._alive())
        return emitter.call(self.node, dict(zip(self._places, (query, key), strict=True)))


class Weighted(Operation):
    """Values weighted by attention, their heads side by side.

    Parameters
    ----------
    call : torch.fx.Node
        The operator that weights the values.
    values : Operand
    gathered : Gathered
    place : (str, int or None)
        Of the values among the arguments.
    pairs : Pairs or None
        Queries and keys, if the operator takes them itself; heads may go only then.
    mask : torch.fx.Node or None
        What is added to the scores.
    settings : dict
        Further arguments of the operator.
    """

    ordered = True

    def __init__(
        self,
        call: fx.Node,
        values: Operand,
        gathered: Gathered,
        place: Place,
        *,
        pairs: Pairs | None = None,
        mask: fx.Node | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.call = call
        self.values = values
        self.gathered = gathered
        self.place = place
        self.pairs = pairs
        self.mask = mask
        self.settings = settings or {}

    def inputs(self) -> Iterable[fx.Node]:
        """What the operator takes as it was."""
        if self.pairs is not None:
            return [] if self.mask is None else [self.mask]
        name, element = self.place
        given = bind(self.call)[name]
        values = given if element is None else given[element]
        return [node for node in self.call.all_input_nodes if node is not values]

    def _by_head(self, live: BoolArray) -> BoolArray:
        """Output channels by head and feature of the values."""
        found = np.zeros(self.values.heads.labels.size, dtype=np.bool_)
        found[self.gathered.labels] = live
        return found.reshape(self.values.heads.labels.shape)

    def _outputs(self, by_head: BoolArray) -> BoolArray:
        found: BoolArray = by_head.ravel()[self.gathered.labels]
        return found

    def sources(self) -> Sequence[Source]:
        """The values, and queries and keys that may go."""
        index = self.values.heads.labels.ravel()[self.gathered.labels]
        found = [Source(self.values.value, index)]
        if self.pairs is not None:
            found += [Source(one.value, None) for one in (self.pairs.query, self.pairs.key)]
        return found

    def constants(self, facts: Facts) -> Constants:
        """Those of the values, as the weights of a softmax add up to one."""
        assert self.output is not None
        if self.pairs is None or self.mask is not None:
            return np.full(self.output.channels, np.nan)
        index = self.values.heads.labels.ravel()[self.gathered.labels]
        return facts.constants(self.values.value)[index] * self.values.factor

    def widen(self, live: BoolArray, facts: Facts) -> BoolArray:
        """Equally many features of each head; whole heads go where queries and keys can follow."""
        by_head = self._by_head(live)
        alive = any_of(by_head)
        if self.pairs is None and live.any():
            alive = np.ones_like(alive)
        return self._outputs(even(by_head, alive, self._least(facts, alive)))

    def _least(self, facts: Facts, alive: BoolArray) -> int:
        """Features that values keep at least.

        PyTorch's fused attention takes queries, keys and values of one width alone; what it
        falls back to is slower than a few features of zeros.
        """
        if self.pairs is None or not alive.any():
            return 1
        wanted = self.pairs.wanted(facts, alive)
        one_width = wanted.shape[1] == self.values.heads.labels.shape[1]
        return int(wanted[alive][0].sum()) if one_width else 1

    def _width(self, by_head: BoolArray) -> int:
        """Features that queries and keys keep at least, for the same reason."""
        assert self.pairs is not None
        one_width = self.pairs.query.heads.labels.shape[1] == by_head.shape[1]
        return int(by_head.sum(axis=1).max()) if one_width else 1

    def needs(self, live: BoolArray, facts: Facts) -> list[tuple[Value, BoolArray]]:
        """The values of these features, and what their heads attend by."""
        by_head = self._by_head(self.widen(live, facts))
        labels = self.values.heads.labels[by_head]
        found = [(self.values.value, marked(self.values.value.channels, labels))]
        if self.pairs is not None:
            found += self.pairs.needs(facts, any_of(by_head), self._width(by_head))
        return found

    def lower(self, sequence: IndexArray, emitter: Emitter) -> fx.Node:
        """The operator on fewer heads and features, its result put side by side."""
        assert self.output is not None
        made = marked(self.output.channels, sequence)
        by_head = self._by_head(self.widen(made, emitter.facts))
        values = self.values.get(chosen_labels(self.values.heads.labels, by_head), emitter)
        if self.pairs is None:
            node = emitter.call(self.call, {self.place: values})
        else:
            node = self._attention(values, by_head, emitter)
        node = self.gathered.put(node, int(by_head.sum()), emitter)
        places = np.argsort(self.gathered.labels)
        order = places[np.flatnonzero(by_head.ravel())]
        return emitter.select(node, self.output.flow, order, sequence)

    def _attention(self, values: fx.Node, by_head: BoolArray, emitter: Emitter) -> fx.Node:
        assert self.pairs is not None
        alive = any_of(by_head)
        query, key = self.pairs.get(emitter, alive, self._width(by_head))
        settings = dict(self.settings)
        if self.mask is not None:
            mask = emitter.original(self.mask)
            shape = self.mask.meta["val"].shape
            if not alive.all() and len(shape) > 2 and shape[-3] == alive.size > 1:
                heads = emitter.indices(np.flatnonzero(alive))
                mask = emitter.emit(torch.ops.aten.index_select.default, mask, -3, heads)
            settings["attn_mask"] = mask
        target = torch.ops.aten.scaled_dot_product_attention.default
        return emitter.graph.call_function(target, (query, key, values), settings)
