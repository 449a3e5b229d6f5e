"""Union-find over any hashable items."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

Item = TypeVar("Item", bound=Hashable)


class UnionFind(Generic[Item]):
    """Classes of items; one that was never named is a class of its own."""

    def __init__(self) -> None:
        self._parent: dict[Item, Item] = {}

    def find(self, item: Item) -> Item:
        """The representative of the class of `item`."""
        root = item
        while (parent := self._parent.get(root, root)) is not root:
            root = parent
        while item is not root:
            following = self._parent.get(item, item)
            self._parent[item] = root
            item = following
        return root

    def union(self, one: Item, other: Item) -> None:
        """Make one class of two."""
        self._parent[self.find(other)] = self.find(one)

    def copy(self) -> UnionFind[Item]:
        """An independent copy."""
        copied: UnionFind[Item] = UnionFind()
        copied._parent = dict(self._parent)
        return copied

    def numbered(self, items: Iterable[Item]) -> dict[Item, int]:
        """For each item the number of its class, in order of appearance."""
        numbers: dict[Item, int] = {}
        return {item: numbers.setdefault(self.find(item), len(numbers)) for item in items}
