"""Attention: features and whole heads go, in every way in which heads are written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from programme_oracles import (
    assert_constants_are,
    assert_exports_are_right,
    facts_of,
    operations_of,
    prepare,
    sample,
    thin_out,
)
from torch import nn

import reorder_solver as rs
from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.attention import Scores, Weighted

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[["Block", torch.Tensor], torch.Tensor]

HEADS, EACH = 3, 4
WIDTH = HEADS * EACH


def fused(net: Block, x: torch.Tensor) -> torch.Tensor:
    batch, places, width = x.shape
    qkv = net.qkv(x).reshape(batch, places, 3, HEADS, EACH).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, places, width)


def masked(net: Block, x: torch.Tensor) -> torch.Tensor:
    batch, places, _ = x.shape
    q, k, v = (
        one.view(batch, places, HEADS, EACH).transpose(1, 2) for one in net.qkv(x).chunk(3, -1)
    )
    mask = net.table[None, :, None, :places].sin()
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.3)
    return out.permute(0, 2, 1, 3).flatten(2)


def causal(net: Block, x: torch.Tensor) -> torch.Tensor:
    q, k, v = (
        layer(x).unflatten(-1, (HEADS, EACH)).transpose(1, 2) for layer in (net.q, net.k, net.v)
    )
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(-2)


def written_out(net: Block, x: torch.Tensor) -> torch.Tensor:
    batch, places, width = x.shape
    qkv = net.qkv(x).reshape(batch, places, 3, HEADS, EACH).permute(2, 0, 3, 1, 4)
    q, k, v = qkv[0] * EACH**-0.5, qkv[1], qkv[2]
    weights = (q @ k.transpose(-2, -1) + net.table[None, :, None, :places]).softmax(-1)
    return (weights @ v).transpose(1, 2).reshape(batch, places, width)


def interleaved(net: Block, x: torch.Tensor) -> torch.Tensor:
    batch, places, width = x.shape
    q, k, v = net.qkv(x).view(batch, places, HEADS, 3 * EACH).split([EACH, EACH, EACH], dim=3)
    q, k, v = q.permute(0, 2, 1, 3), k.permute(0, 2, 3, 1), v.permute(0, 2, 1, 3)
    return ((q @ k) * 0.5).softmax(-1).matmul(v).transpose(1, 2).reshape(batch, places, width)


def einstein(net: Block, x: torch.Tensor) -> torch.Tensor:
    batch, places, width = x.shape
    windows = x.view(batch, 2, places // 2, width)
    q, k, v = (
        one.reshape(batch, 2, places // 2, HEADS, EACH).permute(0, 1, 3, 2, 4)
        for one in net.qkv(windows).chunk(3, -1)
    )
    weights = torch.einsum("bghid,bghjd->bghij", q, k).softmax(-1)
    out = torch.einsum("bghij,bghjd->bghid", weights, v)
    return out.permute(0, 1, 3, 2, 4).reshape(batch, 2, places // 2, width).view(x.shape)


def convolved(net: Block, x: torch.Tensor) -> torch.Tensor:
    batch, places, width = x.shape
    image = x.transpose(1, 2).reshape(batch, width, 2, places // 2)
    q, k, v = (
        one.flatten(2).view(batch, HEADS, EACH, places).transpose(2, 3)
        for one in (net.image_q(image), net.image_k(image), net.image_v(image))
    )
    out = F.scaled_dot_product_attention(q, k, v).transpose(2, 3)
    return out.reshape(batch, width, 2, places // 2).flatten(2).transpose(1, 2)


def one_head(net: Block, x: torch.Tensor) -> torch.Tensor:
    weights = (net.q(x) @ net.k(x).transpose(1, 2)).softmax(-1)
    return weights @ net.v(x)


def module(net: Block, x: torch.Tensor) -> torch.Tensor:
    return net.attention(x, x, x, need_weights=False)[0]


def sequence_first(net: Block, x: torch.Tensor) -> torch.Tensor:
    x = x.transpose(0, 1)
    return net.sequence(x, x, x, need_weights=True)[0].transpose(0, 1)


STEPS: dict[str, Step] = {
    step.__name__: step
    for step in (
        fused, masked, causal, written_out, interleaved, einstein, convolved, one_head, module,
        sequence_first,
    )
}  # fmt: skip


class Block(nn.Module):
    """A residual stream with one attention."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.stem, self.norm = nn.Linear(5, WIDTH), nn.LayerNorm(WIDTH)
        name = step.__name__
        if name in ("causal", "one_head"):
            self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        elif name == "convolved":
            self.image_q, self.image_k, self.image_v = (
                nn.Conv2d(WIDTH, WIDTH, 1) for _ in range(3)
            )
        elif name == "module":
            self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        elif name == "sequence_first":
            self.sequence = nn.MultiheadAttention(WIDTH, HEADS)
        else:
            self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.table = nn.Parameter(torch.zeros(HEADS, 8))
        self.proj, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.proj(self.step(self, self.norm(x)))
        return self.head(x) + self.table.sum() * 0


@pytest.mark.parametrize("name", STEPS)
def test_attention_is_exported_right(name: str) -> None:
    """Zeros and constants among queries, keys and values, any columns of the projection."""
    net = prepare(Block(STEPS[name]))
    thin_out(net, np.random.default_rng(len(name)), rows=0.3, columns=0.3)
    extraction = assert_exports_are_right(net, sample(2, 6, 5))
    assert_constants_are(extraction, sample(2, 6, 5))


@pytest.mark.parametrize("name", ["written_out", "interleaved", "einstein"])
def test_features_of_values_go_head_by_head(name: str) -> None:
    """Each head keeps as many as the projection wants of the one of which it wants most."""
    net = prepare(Block(STEPS[name]))
    with torch.no_grad():
        net.proj.weight[:, [0, 5, 9, 10, 11]] = 0
    extraction = assert_exports_are_right(net, sample(2, 6, 5))
    (operation,) = operations_of(extraction, Weighted)
    live = facts_of(extraction).live(operation.output)
    assert live.reshape(HEADS, EACH).sum(1).tolist() == [3, 3, 3]


def attention_widths(extraction: ta.Extraction) -> list[int]:
    """Features of queries, keys and values that the export gives to the fused operator."""
    found: list[int] = []
    original = F.scaled_dot_product_attention

    def spy(*operands: torch.Tensor, **settings: object) -> torch.Tensor:
        found.extend(each.shape[-1] for each in operands[:3])
        return original(*operands, **settings)

    export = ta.apply(extraction, rs.Layout.identity(extraction.instance))
    for node in export.graph.nodes:
        if "scaled_dot_product_attention" in str(node.target):
            node.target = spy
    export.recompile()
    export(sample(2, 6, 5))
    return found


@pytest.mark.parametrize("name", ["fused", "masked", "causal", "convolved", "module"])
@pytest.mark.parametrize(("zeros", "width"), [(0, EACH), (1, 3), (3, 2)])
def test_fused_attention_keeps_one_width(name: str, zeros: int, width: int) -> None:
    """Of queries, keys and values, as PyTorch has no fast kernel for others."""
    net = prepare(Block(STEPS[name]))
    layer = net.attention.out_proj if name == "module" else net.proj
    features = np.arange(WIDTH).reshape(HEADS, EACH)
    with torch.no_grad():
        layer.weight[:, features[:, :2].ravel()] = 0
        for parameter in queries_of(net, name):
            parameter[torch.from_numpy(features[:, :zeros].ravel())] = 0
    extraction = assert_exports_are_right(net, sample(2, 6, 5))
    assert attention_widths(extraction) == [width] * 3


def queries_of(net: Block, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of the layer that makes the queries."""
    if name == "causal":
        return net.q.weight, net.q.bias
    if name == "convolved":
        return net.image_q.weight, net.image_q.bias
    if name == "module":
        return net.attention.in_proj_weight, net.attention.in_proj_bias
    return net.qkv.weight, net.qkv.bias


@pytest.mark.parametrize("name", ["fused", "masked", "causal", "convolved", "module"])
def test_whole_heads_go(name: str) -> None:
    """With their queries and keys, and their share of the mask."""
    net = prepare(Block(STEPS[name]))
    layer = net.attention.out_proj if name == "module" else net.proj
    with torch.no_grad():
        layer.weight[:, EACH : 2 * EACH] = 0
    extraction = assert_exports_are_right(net, sample(2, 6, 5))
    state = ta.apply(extraction, rs.Layout.identity(extraction.instance)).state_dict()
    rows = {
        "fused": ("qkv.weight", 24), "masked": ("qkv.weight", 24), "causal": ("q.weight", 8),
        "convolved": ("image_k.weight", 8), "module": ("attention.in_proj_weight", 24),
    }  # fmt: skip
    weight, expected = rows[name]
    assert len(state[weight]) == expected


@pytest.mark.parametrize("name", ["fused", "written_out", "interleaved", "einstein"])
def test_queries_go_where_keys_are_zero(name: str) -> None:
    """And the other way round, as far as all heads keep equally many."""
    net = prepare(Block(STEPS[name]))
    channels = np.arange(3 * WIDTH)
    if name == "interleaved":
        key = channels.reshape(HEADS, 3, EACH)[:, 1]
        query = channels.reshape(HEADS, 3, EACH)[:, 0]
    else:
        query, key, _ = channels.reshape(3, HEADS, EACH)
    with torch.no_grad():
        for rows in (key[:, 1], query[:, 3], key[0, :1]):
            net.qkv.weight[torch.from_numpy(rows)] = 0
            net.qkv.bias[torch.from_numpy(rows)] = 0
    extraction = assert_exports_are_right(net, sample(2, 6, 5))
    operation = operations_of(extraction, Scores if name not in ("fused",) else Weighted)[0]
    pairs = getattr(operation, "pairs", None) or operation._pairs
    wanted = pairs.wanted(facts_of(extraction), np.ones(HEADS, dtype=np.bool_))
    assert wanted.sum(1).tolist() == [2, 2, 2]


@pytest.mark.parametrize("name", STEPS)
def test_the_stream_around_attention_stays_free(name: str) -> None:
    """Its order is not pinned, whatever attention wants."""
    extraction = ta.extract(prepare(Block(STEPS[name])), sample(2, 6, 5))
    fixed = {tensor.id for tensor in extraction.instance.tensors if tensor.fixed}
    (stream,) = [t.id for t in extraction.instance.tensors if t.id.startswith("stem")]
    assert stream not in fixed
