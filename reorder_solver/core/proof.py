"""Proofs: why no layout costs less, in a form that a checker can follow without the solver.

A proof is a list of parts about different accesses; each bounds what its accesses cost together,
and as prices are never negative the sum of the parts bounds the whole. Accesses and nodes are
named by *labels*: numbers of a component's accesses and classes where a backend makes a part,
ids and channels of the instance once :func:`reorder_solver.solve` has put the parts together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

#: How an access is named: by number in a component, by id in an instance.
A = TypeVar("A")
#: How a node is named: (tensor number, class number), or (tensor id, channel).
N = TypeVar("N")
B = TypeVar("B")
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class ViewsPart(Generic[A]):
    """Some accesses cannot be views and pay, whatever the layout (``copies`` and ``bytes``).

    Attributes
    ----------
    constraints : tuple of (tuple of label, int)
        Of these accesses at least so many are no views in any layout. With three accesses and
        a demand of one, a conflicting triple; with k and k - 2, every triple conflicts. In
        general: every ``k - demand + 1`` of them conflict. The required accesses are views in
        any layout that is a solution, so a conflict may be one with all of them only.
    bound : int
        The cheapest choice of accesses that meets all constraints costs this much.
    """

    constraints: tuple[tuple[tuple[A, ...], int], ...]
    bound: int

    def relabel(self, access: Callable[[A], B]) -> ViewsPart[B]:
        """The same with other labels."""
        constraints = tuple(
            (tuple(access(each) for each in members), demand)
            for members, demand in self.constraints
        )
        return ViewsPart(constraints, self.bound)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A dual solution of the subtour programme, in integers over ``2**exponent``.

    Lengths are weighted Hamming distances, the weights divided by their common divisor.

    Attributes
    ----------
    nodes : tuple of int
        ``pi`` of every node, the outside node last; of any sign.
    sets : tuple of (tuple of int, int)
        Sets of nodes (by place in the list of nodes, the outside node not among them) and their
        ``mu``. Negative only for a set that every layout in question keeps together.
    exponent : int
    """

    nodes: tuple[int, ...]
    sets: tuple[tuple[tuple[int, ...], int], ...]
    exponent: int


@dataclass(frozen=True, slots=True)
class Split:
    """Two cases: the nodes `tail` and `head` (by place) are no neighbours, or they are.

    Where that is decided already, the other case is not looked at.

    Attributes
    ----------
    tail, head : int
    apart, adjacent : Tree
        Proofs of the bound in either case.
    """

    tail: int
    head: int
    apart: Tree
    adjacent: Tree


@dataclass(frozen=True, slots=True)
class Sieve:
    """Edges that `leaf` shows to be in no tour below the bound claimed are out in `rest`.

    With ``v`` the numerator of the bound that `leaf` proves, and ``rc`` the reduced cost of an
    edge that is neither out nor split above, tours with that edge have a length of at least
    ``(v + max(0, rc)) / 2**exponent``. The edge is out if that, rounded up to an even number,
    reaches the length that the whole tree is to prove. Edges that are out count as `apart`.

    Attributes
    ----------
    leaf : Leaf
    rest : Tree
    """

    leaf: Leaf
    rest: Tree


@dataclass(frozen=True, slots=True)
class Claim:
    """In no tour in question is the part from a node on, away from the core, below a value.

    Attributes
    ----------
    node : int
        The node of a tensor (by place among those of the tensor) that is nearest to the core.
    value : int
        Of the path from there through the tensor, and on through all beyond it to the outside.
    tree : Leaf, Split or Sieve
        About the tours through the tensor's nodes and two terminals, the one away from the core
        first.
    """

    node: int
    value: int
    tree: Tree


@dataclass(frozen=True, slots=True)
class Fold:
    """A chain of tensors taken apart: neighbours meet in just one edge.

    Attributes
    ----------
    goal : int
        Costs of this much and more are not told apart; at least the length that is to be proven.
    behind : tuple of tuple of Claim
        For each tensor behind the core, the last tensor first, its entries.
    before : tuple of tuple of Claim
        For each tensor before the core, the first tensor first.
    core : Leaf, Split or Sieve
        About the tours through the core's nodes and two terminals: behind and before, or before
        and behind if no tensor is behind the core.
    """

    goal: int
    behind: tuple[tuple[Claim, ...], ...]
    before: tuple[tuple[Claim, ...], ...]
    core: Tree


Tree: TypeAlias = Leaf | Split | Sieve | Fold


@dataclass(frozen=True, slots=True)
class RunsPart(Generic[A, N]):
    """The weighted runs of some accesses are at least so many (``runs``).

    Laid end to end in the sequence `tensors`, the tensors are one tensor in which every access
    wants a subset; required are then also the order of the tensors and that each keeps together.

    Attributes
    ----------
    accesses : tuple of label
        Accesses whose parts are neighbours in `tensors`, in the same sequence.
    tensors : tuple of tensor label
        Numbers of a component's tensors, or ids.
    nodes : tuple of label
        One channel for each class of channels that the same of these accesses want, tensor by
        tensor in the sequence `tensors`. The outside node (wanted by none) comes after them and
        is not listed.
    tree : Leaf, Split, Sieve or Fold
        Every leaf at its end proves the bound on tours through all nodes, the edges split and
        sifted out above it given.
    bound : int
        On the sum of weight times (runs - 1).
    """

    accesses: tuple[A, ...]
    tensors: tuple[int | str, ...]
    nodes: tuple[N, ...]
    tree: Tree
    bound: int

    def relabel(
        self,
        access: Callable[[A], B],
        tensor: Callable[[int | str], int | str],
        node: Callable[[N], M],
    ) -> RunsPart[B, M]:
        """The same with other labels."""
        return RunsPart(
            tuple(access(each) for each in self.accesses),
            tuple(tensor(each) for each in self.tensors),
            tuple(node(each) for each in self.nodes),
            self.tree,
            self.bound,
        )


@dataclass(frozen=True, slots=True)
class JunctionsPart(Generic[A]):
    """The weighted runs of some accesses are at least so many, whatever joins (``runs``).

    Where two parts of an access meet that both want something, their runs can join. That saves the
    price of a run, divided into shares of the two channels that it takes: the last one of the
    one tensor, and the first one of the other. What the best two ends of every tensor earn bounds
    what is saved.

    Attributes
    ----------
    accesses : tuple of label
    shares : tuple of tuple of int
        For each of `accesses`, at every place where two parts meet that both want something, the
        share of the last channel, in units of ``2**-exponent``; the first has the rest.
    exponent : int
    bound : int
        On the sum of weight times (runs - 1).
    """

    accesses: tuple[A, ...]
    shares: tuple[tuple[int, ...], ...]
    exponent: int
    bound: int

    def relabel(self, access: Callable[[A], B]) -> JunctionsPart[B]:
        """The same with other labels."""
        names = tuple(access(each) for each in self.accesses)
        return JunctionsPart(names, self.shares, self.exponent, self.bound)


@dataclass(frozen=True, slots=True)
class ConstantPart(Generic[A]):
    """Accesses whose runs and span no layout changes: their cost is what it is.

    Attributes
    ----------
    accesses : tuple of label
    bound : int
        What they cost.
    """

    accesses: tuple[A, ...]
    bound: int


#: A part made by a backend, about one component.
ComponentPart: TypeAlias = "ViewsPart[int] | RunsPart[int, tuple[int, int]] | JunctionsPart[int]"
#: A part of an instance's proof.
InstancePart: TypeAlias = (
    "ViewsPart[str] | RunsPart[str, tuple[str, int]] | JunctionsPart[str] | ConstantPart[str]"
)


@dataclass(frozen=True, slots=True)
class Proof:
    """Why no layout of an instance costs less than `bound`.

    Attributes
    ----------
    parts : tuple of ViewsPart, RunsPart, JunctionsPart or ConstantPart
        About different accesses.
    """

    parts: tuple[InstancePart, ...]

    @property
    def bound(self) -> int:
        """The sum of the parts' bounds."""
        return sum(part.bound for part in self.parts)
