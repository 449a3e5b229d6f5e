"""STUB - replaced by branch windows."""
from __future__ import annotations
from dataclasses import dataclass, field, replace
from typing import Any
import numpy as np

@dataclass(frozen=True, eq=False)
class ScoredTensor:
    id: str
    channels: int
    fixed: bool = False
    live_limit: int | None = None
    live_cost: int = 0
    budget: str | None = None

@dataclass(frozen=True, eq=False)
class ScoredPart:
    tensor: str
    scores: Any

@dataclass(frozen=True, eq=False)
class ScoredAccess:
    id: str
    parts: tuple
    budget: str
    role: str = "read"
    cost: int = 1
    minimum: int = 0
    maximum: int | None = None
    gather: tuple[int, int] | None = None

@dataclass(frozen=True)
class Budget:
    id: str
    limit: int

@dataclass(frozen=True, eq=False)
class WindowsInstance:
    name: str
    tensors: tuple
    accesses: tuple
    budgets: tuple
    meta: dict = field(default_factory=dict)
    def replace(self, **k): return replace(self, **k)

@dataclass(frozen=True, eq=False)
class WindowsResult:
    status: str
    importance: int
    upper_bound: int
    selected: dict
    times: dict = field(default_factory=dict)
