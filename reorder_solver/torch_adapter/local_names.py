"""Local names: generated code that keeps few of them, however many operators it calls.

CPython keeps local variables on a stack that comes in chunks of 16 KB. A function with some two
thousand of them, as the code of a large graph is, can fill a chunk so nearly that every operator
it calls is given a chunk of its own, from the system and back to it. That took DenseNet-121 twice
the time of all its operators, and one name more or less made the difference.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter, defaultdict
from dataclasses import dataclass

#: A line that gives a name to a value, returns, or does nothing; then what is let go.
_LINE = re.compile(
    r"(?:(?P<made>[A-Za-z_]\w*)(?P<type> : [^=\n]*)? = |(?P<other>return |pass\b|#|$))"
    r"(?P<value>[^\n]*?)"
    r"(?:;  (?P<gone>(?:[A-Za-z_]\w* = )+)None *)?(?P<end>\n?)"
)
#: Strings, and names that are neither attributes, nor those of arguments, nor begin a string.
_NAME = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?<![\w.])[A-Za-z_]\w*\b(?! ?=[^=])(?!['"])"""
)
#: A module, or what one owns; an attribute that is no name is read by getattr(owner, "0").
_OWN = re.compile(r"""(?:getattr\()*self(?:\.\w+|, "\w+"\))*\.(?P<name>[A-Za-z_]\w*)(?:\(|$)""")
_NUMBER = re.compile(r"(?<=.)_\d+$")


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
        The lines. A name that is assigned in another way than that, or never set to None, stays;
        so does all of the code if it has other lines than graphs have.

    Notes
    -----
    Linear in the length of the code. Syntax trees would be simpler, but so many objects that the
    garbage collector takes longer than everything else.
    """
    lines = []
    for line in "".join(body).splitlines(keepends=True):
        found = _LINE.fullmatch(line)
        if found is None or _is_chained(found):
            return body
        lines.append(_Line.of(found))
    chosen = _chosen(lines)
    return [line.renamed(chosen) for line in lines]


def _is_chained(line: re.Match[str]) -> bool:
    """Whether several names are given to a value at once."""
    return re.match(r"[^('\"]* = ", line["value"]) is not None and not line["other"]


@dataclass(frozen=True, slots=True)
class _Line:
    """What a line does.

    Attributes
    ----------
    made : str or None
        The name that it gives to a value.
    between : str
        What stands before the value, without that name.
    value : str
    gone : list of str
        The names that it sets to None.
    end : str
    """

    made: str | None
    between: str
    value: str
    gone: list[str]
    end: str

    @classmethod
    def of(cls, line: re.Match[str]) -> _Line:
        """Read a line."""
        between = f"{line['type'] or ''} = " if line["made"] else line["other"]
        gone = (line["gone"] or "").split(" = ")[:-1]
        return cls(line["made"], between, line["value"], gone, line["end"])

    @property
    def kind(self) -> str:
        """What the value is: the attribute or module it comes from, or its name; no number."""
        own = _OWN.match(self.value)
        return _NUMBER.sub("", own["name"] if own else self.made or "")

    @property
    def names(self) -> list[str]:
        """Those of the value and its type, beside some that are none."""
        return [] if self.between == "#" else _NAME.findall(f"{self.between}{self.value}")

    def renamed(self, chosen: dict[str, str]) -> str:
        """The line with other names."""
        made = chosen.get(self.made, self.made) if self.made else ""
        value = self.value
        if self.between != "#":
            value = _NAME.sub(lambda name: chosen.get(name[0], name[0]), value)
        gone = "".join(f"{chosen.get(name, name)} = " for name in self.gone)
        return f"{made}{self.between}{value}{f';  {gone}None' if gone else ''}{self.end}"


def _chosen(lines: list[_Line]) -> dict[str, str]:
    """The new name of every one that is given once and let go once."""
    made = Counter(line.made for line in lines)
    gone = Counter(name for line in lines for name in line.gone)
    renamed = {name for name in gone if made[name] == gone[name] == 1}
    taken = {*made, *gone, *(name for line in lines for name in line.names)} - renamed
    chosen: dict[str, str] = {}
    kinds: dict[str, str] = {}
    idle: dict[str, list[str]] = defaultdict(list)
    numbers: Counter[str] = Counter()
    for line in lines:
        if line.made in renamed:
            kind = kinds[line.made] = line.kind
            chosen[line.made] = idle[kind].pop() if idle[kind] else _new(kind, taken, numbers)
        for name in line.gone:
            if name in chosen:
                idle[kinds[name]].append(chosen[name])
    return chosen


def _new(kind: str, taken: set[str | None], numbers: Counter[str]) -> str:
    """A name that the code does not have."""
    while True:
        name = f"{kind}_{numbers[kind]}" if numbers[kind] else kind
        numbers[kind] += 1
        if name not in taken and not keyword.iskeyword(name):
            taken.add(name)
            return name
