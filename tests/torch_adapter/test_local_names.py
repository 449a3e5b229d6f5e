"""Names in generated code: few of them, and the code computes the same."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from adapter_nets import build, image
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.local_names import with_few_names


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # A result is there before what it is made from is let go.
        (
            "a_5 = f(x);  x = None\na_6 = f(a_5);  a_5 = None\na_7 = f(a_6);  a_6 = None\n"
            "return a_7\n",
            "a = f(x);  x = None\na_1 = f(a);  a = None\na_7 = f(a_1);  a_1 = None\nreturn a_7\n",
        ),
        (
            "a = f(x)\na_1 = f(a);  a = None\na_2 = f(a_1);  a_1 = None\nb = f(a_2);  a_2 = None\n",
            "a = f(x)\na_1 = f(a);  a = None\na = f(a_1);  a_1 = None\nb = f(a);  a = None\n",
        ),
        # Attributes are named by what they are; what is no name of a value stays.
        (
            'p_w = self.p.w\nq_w = self.q.w\ny = f(p_w, m = "q_w", p_w = q_w);  p_w = q_w = None\n'
            'r = getattr(self.p, "0").w\nu = f(y.p_w, r, self);  r = None\nreturn u\n',
            'w = self.p.w\nw_1 = self.q.w\ny = f(w, m = "q_w", p_w = w_1);  w = w_1 = None\n'
            'w_1 = getattr(self.p, "0").w\nu = f(y.p_w, w_1, self);  w_1 = None\nreturn u\n',
        ),
        # Modules are named by what they are, too; results of functions by the function's name.
        (
            "a_norm1 = self.a.norm1(x)\na_add_3 = torch.a.add(a_norm1);  a_norm1 = None\n"
            "y = (a_add_3,);  a_add_3 = None\n",
            "norm1 = self.a.norm1(x)\na_add = torch.a.add(norm1);  norm1 = None\n"
            "y = (a_add,);  a_add = None\n",
        ),
        # Names that the code has for something else are not taken.
        (
            "p_w = self.p.w\nz = w(p_w);  p_w = None\nreturn z\n",
            "w_1 = self.p.w\nz = w(w_1);  w_1 = None\nreturn z\n",
        ),
        # Assigned twice, never let go, in a block: left alone.
        ("a_1 = f(x)\na_1 = f(a_1)\nb_1 = a_1\nreturn b_1\n",) * 2,
        ("a_1 = f(x)\na_1 = f(a_1)\nb_1 = a_1;  a_1 = None\nreturn b_1\n",) * 2,
        ("if x:\n    a_1 = f(x)\n    a_1 = None\nreturn x\n",) * 2,
        ("a_1, b_1 = x;  x = None\na_1 = b_1 = None\n",) * 2,
        # With types, and behind letters of several bytes.
        (
            'a_4 : torch.Tensor = f("é", x)\nb = f("é", a_4, a_4);  a_4 = None\nreturn b\n',
            'a : torch.Tensor = f("é", x)\nb = f("é", a, a);  a = None\nreturn b\n',
        ),
        # Counters of nodes are comments.
        (
            "# COUNTER: 0\na_1 = x\n# a_1 = 1\nb = a_1;  a_1 = None\n",
            "# COUNTER: 0\na = x\n# a_1 = 1\nb = a;  a = None\n",
        ),
        # Lines of other forms: nothing is changed.
        ("a_1 = x\nb_1 = a_1\na_1 = None\nreturn b_1\n",) * 2,
        ("a_1 = b_1 = x\nb = f(a_1, b_1);  a_1 = b_1 = None\n",) * 2,
        ("a_1 = x\na_1 += 1\nb = a_1;  a_1 = None\n",) * 2,
        ("a_1 = x\nprint(a_1)\nb = a_1;  a_1 = None\n",) * 2,
        # Names that are numbers, and those that are words of Python without theirs.
        (
            '_3 = getattr(self, "3")(x)\nif_1 = f(_3);  _3 = None\nb = (if_1,);  if_1 = None\n',
            '_3 = getattr(self, "3")(x)\nif_1 = f(_3);  _3 = None\nb = (if_1,);  if_1 = None\n',
        ),
        # What begins a string, or stands in one, is no name.
        (
            "a_1 = x\nb = f(a_1, b'a_1', '\\'a_1', a_1 == 1, d(a_1='c'));  a_1 = None\n",
            "a = x\nb = f(a, b'a_1', '\\'a_1', a == 1, d(a_1='c'));  a = None\n",
        ),
        ("pass\n", "pass\n"),
    ],
)  # fmt: skip
def test_bodies(body: str, expected: str) -> None:
    """Line by line."""
    assert with_few_names(body.splitlines(keepends=True)) == expected.splitlines(keepends=True)


@given(st.data())
def test_code_computes_the_same(data: st.DataObject) -> None:
    """Straight-line code with random reads, each value let go behind its last use or never."""
    kinds = ("a", "b", "self_w", "a_1")
    steps = [
        (data.draw(st.sampled_from(kinds)), data.draw(st.lists(st.integers(0, k), max_size=3)))
        for k in range(data.draw(st.integers(1, 12)))
    ]
    names = ["x", *(f"{kind}_{100 + number}" for number, (kind, _) in enumerate(steps))]
    last = {read: number for number, (_, reads) in enumerate(steps) for read in reads}
    lines = []
    for number, (_, reads) in enumerate(steps):
        terms = "".join(f" + {place + 2} * {names[read]}" for place, read in enumerate(reads))
        line = f"{names[number + 1]} = {number}{terms}"
        done = [names[read] for read in sorted({*reads}) if last[read] == number]
        keeps = data.draw(st.booleans()) or number == len(steps) - 1
        lines.append(line + "\n" if keeps or not done else f"{line};  {' = '.join(done)} = None\n")
    # What the last line made.
    lines.append(f"found = {names[-1]}\n")

    def run(body: list[str]) -> int:
        values: dict[str, Any] = {"x": 7}
        exec("".join(body), values)
        found: int = values["found"]
        return found

    assert run(with_few_names(lines)) == run(lines)


class Deep(nn.Module):
    """Many layers, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(60)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


def test_exports_have_few_local_names() -> None:
    """However deep: also as copies, recompiled, and they can be stored and read."""
    model, inputs = build(Deep), image(2)
    module: Any = ta.compact(model, inputs, ta.prune_inputs(model, inputs, amount=0.3)).module
    expected = module(inputs)
    copied = copy.deepcopy(module)
    copied.recompile()
    for each in (module, copied):
        assert each.forward.__func__.__code__.co_nlocals < 20
        assert torch.equal(each(inputs), expected)
    assert len(module.graph.nodes) > 180
    stream = io.BytesIO()
    torch.save(module, stream)
    assert b"reorder_solver" not in stream.getvalue(), "exports need nothing of this package"
    stream.seek(0)
    assert torch.equal(torch.load(stream, weights_only=False)(inputs), expected)
