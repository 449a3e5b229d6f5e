"""Set partitions, for whatever is checked against all of them."""

from __future__ import annotations


def partitions(items):
    """All set partitions."""
    if not items:
        yield []
        return
    first, *rest = items
    for smaller in partitions(rest):
        yield [[first], *smaller]
        for number in range(len(smaller)):
            yield [*smaller[:number], [first, *smaller[number]], *smaller[number + 1 :]]
