"""Window scores (provisional until channel_scores is merged)."""

from __future__ import annotations

from typing import Any

from reorder_solver.torch_adapter.pruning import _Layers
from reorder_solver.torch_adapter.joint import channels_of
from reorder_solver.torch_adapter.masks import masked
from reorder_solver.torch_adapter.scores import Scorer
import numpy as np

def scores_of(model, inputs, scores, sides, *, seed=0, **scoring):
    if not isinstance(scores, str):
        return scores
    layers=_Layers(masked(model).eval(), inputs)
    sc=Scorer(scores, seed)
    out={}
    for name, call in layers.first_calls.items():
        for side in sides:
            if name in layers.prunable[side]:
                ch=channels_of(call,side)
                f=sc(name,layers.modules[name],ch,side)
                out.setdefault(name,{})[side]=(f/np.maximum(np.bincount(ch.owner),1))[ch.owner]
    return out
