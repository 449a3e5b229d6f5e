"""Local names: generated code that keeps few of them, however many operators it calls.

CPython keeps local variables on a stack that comes in chunks of 16 KB. A function with some two
thousand of them, as the code of a large graph is, can fill a chunk so nearly that every operator
it calls is given a chunk of its own, from the system and back to it. That took DenseNet-121 twice
the time of all its operators, and one name more or less made the difference.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NUMBER = re.compile(r"_\d+$")


def with_few_names(body: list[str]) -> list[str]:
    """Code that computes the same, in which names are used again once their value is let go.

    A transformer for ``torch.fx.Graph.on_generate_code``. Graphs assign every name once, and set
    it to None behind its last use. Here values of a kind share names: for ``relu_7 =
    ops.relu(conv_8)`` it may be ``relu = ops.relu(conv)``, and a weight is ``weight``.

    Parameters
    ----------
    body : list of str
        Of the function, without its head.

    Returns
    -------
    list of str
        The lines.

    Notes
    -----
    Linear in the length of the code. A name that is assigned in any other way, or never set to
    None, is left alone.
    """
    source = "".join(body)
    statements = ast.parse(source).body
    found = list(_names(statements))
    chosen = _chosen(statements, found)
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    # From the last to the first: columns are those of the old text.
    for use in sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        name = chosen.get(use.id, use.id)
        if name != use.id:
            line = lines[use.lineno - 1]
            before, behind = line[: use.col_offset], line[use.end_col_offset :]
            lines[use.lineno - 1] = before + name.encode() + behind
    return [line.decode() for line in lines]


def _names(nodes: Iterable[ast.AST]) -> Iterator[ast.Name]:
    """All names in a tree; constants, most of what there is, are not looked into."""
    left = list(nodes)
    while left:
        node = left.pop()
        if isinstance(node, ast.Name):
            yield node
        elif not isinstance(node, ast.Constant):
            left.extend(ast.iter_child_nodes(node))


def _chosen(statements: list[ast.stmt], names: list[ast.Name]) -> dict[str, str]:
    """The new name of every one that is assigned once and let go once, both at the outer level."""
    given = Counter(one.id for one in names if not isinstance(one.ctx, ast.Load))
    made = Counter(_made(one) for one in statements)
    gone = Counter(name for one in statements for name in _let_go(one))
    renamed = {name for name in given if (made[name], gone[name], given[name]) == (1, 1, 2)}
    taken = {one.id for one in names} - renamed
    chosen: dict[str, str] = {}
    kinds: dict[str, str] = {}
    idle: dict[str, list[str]] = defaultdict(list)
    numbers: Counter[str] = Counter()
    for one in statements:
        new = _made(one)
        if new is not None and new in renamed:
            kind = kinds[new] = _kind(new, one)
            chosen[new] = idle[kind].pop() if idle[kind] else _new(kind, taken, numbers)
        for name in _let_go(one):
            if name in chosen:
                idle[kinds[name]].append(chosen[name])
    return chosen


def _new(kind: str, taken: set[str], numbers: Counter[str]) -> str:
    """A name that the code does not have."""
    while True:
        name = f"{kind}_{numbers[kind]}" if numbers[kind] else kind
        numbers[kind] += 1
        if name not in taken:
            taken.add(name)
            return name


def _made(statement: ast.stmt) -> str | None:
    """The one name that a statement gives to a value; None if it does something else."""
    if isinstance(statement, ast.Assign) and not _let_go(statement):
        target = statement.targets[0] if len(statement.targets) == 1 else None
    else:
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
    return target.id if isinstance(target, ast.Name) else None


def _let_go(statement: ast.stmt) -> list[str]:
    """The names that a statement sets to None."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Constant):
        return []
    is_none = statement.value.value is None
    return [one.id for one in statement.targets if is_none and isinstance(one, ast.Name)]


def _kind(name: str, statement: ast.stmt) -> str:
    """What a value is: the attribute or module that it comes from, or its name without number."""
    value = getattr(statement, "value", None)
    value = value.func if isinstance(value, ast.Call) else value
    root = value
    while isinstance(root, ast.Attribute | ast.Call):
        # Attributes that are no names are read by getattr(owner, "0").
        root = root.value if isinstance(root, ast.Attribute) else next(iter(root.args), None)
    is_own = isinstance(root, ast.Name) and root.id == "self"
    return value.attr if is_own and isinstance(value, ast.Attribute) else _NUMBER.sub("", name)
