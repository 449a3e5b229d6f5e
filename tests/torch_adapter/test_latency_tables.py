"""Latency: what is timed, in which order, and what the table makes of the samples."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import reorder_solver as rs
from reorder_solver.torch_adapter.latency import LatencyTable, compare_latency
from reorder_solver.torch_adapter.timing import threads_set_to, timed_in_turn


class Noted(nn.Module):
    """Says when it runs, and how."""

    def __init__(self, name: str, log: list[Any]) -> None:
        super().__init__()
        self.name, self.log = name, log

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.log.append((self.name, self.training, torch.get_num_threads(), x))
        return x @ x


def table(*columns: list[float]) -> LatencyTable:
    names = tuple("abc"[: len(columns)])
    return LatencyTable(names, np.array(columns).T * 1e6, 1, "cpu")


def test_every_module_once_per_round_on_the_same_inputs() -> None:
    """All run equally often, in evaluation mode, with the threads asked for, and are put back."""
    log: list[Any] = []
    inputs = torch.ones(300, 300)
    modules = {name: Noted(name, log) for name in ("first", "second")}
    threads = torch.get_num_threads()
    found = compare_latency(modules, inputs, rounds=4, threads=1, warm_up=2)
    assert found.names == ("first", "second")
    assert found.samples.shape == (4, 2)
    assert (found.samples > 0).all()
    assert all(x is inputs and not training and used == 1 for _, training, used, x in log)
    assert min(Counter(name for name, *_ in log).values()) >= 2 + 1 + 4
    assert torch.get_num_threads() == threads
    assert all(module.training for module in modules.values())


def test_orders_are_drawn_for_each_round() -> None:
    """No task always goes first, and the seed decides the orders."""

    def order(seed: int) -> list[int]:
        log: list[int] = []

        def task(number: int) -> Any:
            def run() -> None:
                log.append(number)
                sum(range(20_000))

            return run

        timed_in_turn([task(0), task(1), task(2)], 12, seed=seed, warm_up=0)
        return log

    log = order(0)
    # One call each to see how long it takes, perhaps several per sample.
    firsts = {log[place] for place in range(3, len(log))}
    assert firsts == {0, 1, 2}
    assert order(1) != log


def test_time_on_the_processor_leaves_out_waiting() -> None:
    """A module that sleeps takes wall time only."""

    class Sleepy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            time.sleep(0.02)
            return x

    tables = {
        clock: compare_latency({"a": Sleepy()}, torch.ones(1), rounds=2, warm_up=0, clock=clock)
        for clock in ("wall", "cpu")
    }
    assert tables["wall"].quartiles_ms("a")[1] >= 20
    assert tables["cpu"].quartiles_ms("a")[1] < 20
    assert tables["cpu"].to_dict()["clock"] == "cpu"


def test_budget_ends_the_rounds() -> None:
    """With no time left, the least number of rounds is done."""
    assert len(timed_in_turn([int], 50, budget_s=0.0, least_rounds=4)) == 4
    assert len(timed_in_turn([int], 3, budget_s=0.0, least_rounds=3)) == 3
    assert timed_in_turn([], 2).shape == (2, 0)


def test_ratio_of_medians() -> None:
    """The ratio is that of the medians; rounds disturbed as a whole do not widen it."""
    found = table([2.0, 4.0, 20.0, 2.0, 2.0], [1.0, 2.0, 10.0, 1.0, 1.0])
    ratio = found.ratio("a", "b")
    assert (ratio.value, ratio.low, ratio.high) == (2.0, 2.0, 2.0)
    assert found.quartiles_ms("a") == (2.0, 2.0, 4.0)


def test_interval_covers_noise() -> None:
    """The interval holds the value, grows with the noise, and is the same for the same seed."""
    rng = np.random.default_rng(3)
    widths = []
    for noise in (0.01, 0.3):
        base = rng.lognormal(0, noise, 40)
        found = table(list(base), list(rng.lognormal(0, noise, 40)))
        ratio = found.ratio("a", "b")
        assert ratio.low <= ratio.value <= ratio.high
        assert ratio == found.ratio("a", "b")
        assert found.ratio("a", "b", confidence=0.5).high <= ratio.high
        widths.append(ratio.high - ratio.low)
    assert widths[1] > 3 * widths[0]


def test_words() -> None:
    """One line per module, compared with the first."""
    lines = str(table([2.0] * 5, [1.0] * 5)).splitlines()
    assert lines[0] == "5 rounds, 1 threads, cpu, wall time"
    assert lines[2].split() == [
        "b", "1.000", "ms", "(1.000-1.000)", "0.500", "(0.500-0.500)", "of", "a"
    ]  # fmt: skip
    assert table([1.0]).to_dict()["quartiles_ms"] == {"a": [1.0, 1.0, 1.0]}


def test_bad_arguments() -> None:
    """Each is one clear line."""
    with pytest.raises(rs.InputError, match="no modules"):
        compare_latency({}, torch.ones(1))
    with pytest.raises(rs.InputError, match="rounds must be at least 1"):
        compare_latency({"a": nn.Identity()}, torch.ones(1), rounds=0)
    with pytest.raises(rs.InputError, match="threads must be at least 1"), threads_set_to(0):
        pass
    for settings in ({"clock": "sun"}, {"clock": "cpu", "threads": 2}):
        with pytest.raises(rs.InputError, match="clock"):
            compare_latency({"a": nn.Identity()}, torch.ones(1), **settings)
    with pytest.raises(rs.InputError, match="nothing called 'c'"):
        table([1.0], [1.0]).ratio("a", "c")
