"""Exports side by side: latency, ratios with confidence intervals, and bytes that copies write.

    python bench_instances/studies/export_latency.py --results latency.jsonl

For each network and share of pruned channels (of the layers' inputs, unless told otherwise), all
exports are built and then timed in turn on the same inputs, for each batch size and number of
threads. Every network has a process and a time budget of its own. Rows go to a file as they come: a
run that was interrupted goes on where it stopped. Exports that this version does not offer are left
out. Exit code 1 if something failed.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latency_report import CONVERTED, EXPORTS, KEPT, ORIGINAL, report
from study import Row, add_output, progress, save

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MODELS = (
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "densenet121",
    "squeezenet1_1",
    "shufflenet_v2_x1_0",
    "regnet_y_400mf",
    "convnext_tiny",
)
_INPUT_SIZES = {"inception_v3": 299}
#: What tells rows apart.
_KEY = ("model", "amount", "batch", "threads", "settings")
SETTINGS = (
    "objective",
    "score",
    "side",
    "seed",
    "time_limit",
    "channels_last",
    "input_size",
    "clock",
)


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing, and print everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="of torchvision, or package.module:callable"
    )
    parser.add_argument("--amount", type=float, action="append", help="default: 0.25 and 0.5")
    parser.add_argument("--batch", type=int, action="append", help="default: 1 and 8")
    parser.add_argument("--threads", type=int, action="append", help="default: 1 and 2")
    parser.add_argument("--export", action="append", choices=EXPORTS, help="default: all")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--objective", default="bytes")
    parser.add_argument("--score", default="l2", help="what channels are pruned by")
    parser.add_argument("--side", default="input", choices=("input", "output", "mixed"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-limit", type=float, default=10.0, help="of the solver, per export")
    parser.add_argument("--input-size", type=int, help="default: as the network was made for")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"))
    parser.add_argument("--budget", type=float, default=600.0, help="seconds per model and amount")
    parser.add_argument("--results", type=Path, metavar="FILE.jsonl", help="rows; to resume from")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    add_output(parser)
    arguments = parser.parse_args(argv)
    if arguments.worker is not None:
        return work(json.loads(arguments.worker))
    jobs = list(planned(arguments))
    known = read_rows(arguments.results)
    failed = []
    for job in jobs:
        missing = [key for key in keys_of(job) if key not in known]
        if missing:
            progress(f"{job['model']} at {job['amount']}: {len(missing)} to measure")
            for row in rows_from_worker(job | {"pairs": [key[2:4] for key in missing]}):
                known[key_of(row)] = row
                append_row(arguments.results, row)
            if any(key not in known for key in missing):
                failed.append(f"{job['model']} at {job['amount']}")
    rows = [known[key] for job in jobs for key in keys_of(job) if key in known]
    report(rows)
    for name in failed:
        print(f"failed or out of time: {name}")
    save(arguments.output, "export_latency", {"rounds": arguments.rounds}, rows)
    return int(bool(failed))


def planned(arguments: argparse.Namespace) -> Iterator[Row]:
    """One job per model and amount."""
    settings = {name: getattr(arguments, name) for name in SETTINGS}
    settings["exports"] = list(arguments.export or EXPORTS)
    pairs = list(itertools.product(arguments.batch or (1, 8), arguments.threads or (1, 2)))
    for model in arguments.models or MODELS:
        for amount in arguments.amount or (0.25, 0.5):
            yield {
                "model": model,
                "amount": amount,
                "pairs": pairs,
                "rounds": arguments.rounds,
                "budget": arguments.budget,
                "settings": settings,
            }


def keys_of(job: Row) -> list[tuple[Any, ...]]:
    """The keys of the rows that a job yields."""
    return [key_of(job | {"batch": batch, "threads": threads}) for batch, threads in job["pairs"]]


def key_of(row: Row) -> tuple[Any, ...]:
    """What makes two rows the same measurement."""
    return tuple(
        json.dumps(row[name], sort_keys=True) if name == "settings" else row[name] for name in _KEY
    )


def read_rows(path: Path | None) -> dict[tuple[Any, ...], Row]:
    """The rows of an earlier run; a last line cut short by an interruption is dropped."""
    found: dict[tuple[Any, ...], Row] = {}
    if path is None or not path.exists():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            found[key_of(row)] = row
        except (ValueError, KeyError, TypeError):
            progress(f"{path.name}: a line that is no row is skipped")
    return found


def append_row(path: Path | None, row: Row) -> None:
    """Add a row on a line of its own."""
    if path is None:
        return
    data = path.read_bytes() if path.exists() else b""
    begin = b"" if not data or data.endswith(b"\n") else b"\n"
    with path.open("ab") as stream:
        stream.write(begin + json.dumps(row).encode() + b"\n")


def rows_from_worker(job: Row) -> Iterator[Row]:
    """Run a job in a process of its own, which is ended when its budget is spent."""
    command = [sys.executable, __file__, "--worker", json.dumps(job)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        timer = threading.Timer(job["budget"], process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                yield json.loads(line)
        finally:
            timer.cancel()
            process.kill()


def work(job: Row) -> int:
    """Build the exports of one network and print a row per batch size and number of threads."""
    begin = time.perf_counter()
    network = Network(job)
    for done, (batch, threads) in enumerate(job["pairs"]):
        modules = network.exports(batch, threads)
        # A tenth is kept for what comes around the measurements.
        left = 0.9 * job["budget"] - (time.perf_counter() - begin)
        row = measured(job, modules, batch, threads, left / (len(job["pairs"]) - done))
        print(json.dumps(row), flush=True)
    return 0


class Network:
    """A pruned network and its exports; those for `latency` are made anew for each setting."""

    def __init__(self, job: Row) -> None:
        import torch

        from reorder_solver import torch_adapter as ta

        self.job = job
        settings = job["settings"]
        name = job["model"]
        self.torch, self.ta = torch, ta
        self.model = ta.load_model(name if ":" in name else f"torchvision:{name}", settings["seed"])
        inputs = example_inputs(job, 2)
        ta.calibrate(self.model, inputs)
        self.masks = ta.prune(
            self.model,
            inputs,
            settings["score"],
            job["amount"],
            settings["seed"],
            side=settings["side"],
        )
        self.plain = ta.extract(self.model, inputs, self.masks)
        self.joint = None
        if "constrained" in settings["exports"]:
            joint = ta.constrain(self.model, inputs, self.masks)
            self.joint = ta.extract(self.model, inputs, joint)
        self.fixed = {ORIGINAL: self._called(ta.masked(self.model, self.masks).eval())}
        for export, backend in (("naive", "identity"), ("upscale", "upscale")):
            if export in settings["exports"]:
                solver = self._solver("bytes")
                self.fixed[export] = self._called(
                    ta.apply(self.plain, solver.solve(self.plain, backend))
                )

    def _solver(self, objective: str) -> Any:
        from reorder_solver.torch_adapter.optimise import SolverSettings

        settings = self.job["settings"]
        return SolverSettings(objective, settings["time_limit"], settings["seed"], 1)

    def exports(self, batch: int, threads: int) -> dict[str, Any]:
        """The modules to time, by export."""
        from reorder_solver.torch_adapter.optimise import best_transformed
        from reorder_solver.torch_adapter.timing import threads_set_to

        settings, ta = self.job["settings"], self.ta
        inputs = example_inputs(self.job, batch)
        solver = self._solver(settings["objective"])
        wanted = set(settings["exports"])
        modules = dict(self.fixed)
        everything = ta.Transformations()
        kinds = (
            ("optimal", self.plain, everything),
            ("constrained", self.joint, everything),
            (KEPT, self.plain, ta.Transformations(memory_format=False)),
        )
        with threads_set_to(threads):
            for export, plain, allowed in kinds:
                if export not in wanted or plain is None:
                    continue
                best = best_transformed(plain, allowed, solver, inputs)
                modules[export] = self._called(ta.apply(*best))
                if export == "optimal" and "oracle" in wanted:
                    modules["oracle"] = self._called(ta.apply(*best, free_copies=True))
        if CONVERTED in wanted and "upscale" in self.fixed:
            modules[CONVERTED] = self._converted(self.fixed["upscale"])
        # A network whose weights were stored before those of the others is 1-2 % faster than a copy
        # of itself; so all are copied, one after the other.
        return {name: copy.deepcopy(module) for name, module in modules.items()}

    def _called(self, module: Any) -> Any:
        """A module with its weights as its caller has them; one that converts images as it is."""
        converts = any(node.target == "contiguous" for node in _nodes(module))
        if converts or not self.job["settings"]["channels_last"]:
            return module
        return module.to(memory_format=self.torch.channels_last)

    def _converted(self, module: Any) -> Any:
        """A copy that computes in the memory format that its inputs are not in."""
        is_last = self.job["settings"]["channels_last"]
        form = self.torch.contiguous_format if is_last else self.torch.channels_last
        converted = copy.deepcopy(module).to(memory_format=form)
        converted.register_forward_pre_hook(
            lambda _, inputs: tuple(one.contiguous(memory_format=form) for one in inputs)
        )
        return converted


def _nodes(module: Any) -> Iterable[Any]:
    """Of an export's graph; none of a model."""
    return module.graph.nodes if hasattr(module, "graph") else ()


def example_inputs(job: Row, batch: int) -> Any:
    """Normally distributed images."""
    import torch

    settings = job["settings"]
    size = settings["input_size"] or _INPUT_SIZES.get(job["model"], 224)
    generator = torch.Generator().manual_seed(settings["seed"])
    inputs = torch.randn(batch, 3, size, size, generator=generator)
    if settings["channels_last"]:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    return inputs


def measured(job: Row, modules: dict[str, Any], batch: int, threads: int, budget: float) -> Row:
    """One row."""
    from reorder_solver.torch_adapter.latency import compare_latency
    from reorder_solver.torch_adapter.timing import threads_set_to
    from reorder_solver.torch_adapter.traffic import copied_bytes

    inputs = example_inputs(job, batch)
    with threads_set_to(threads):
        # Hidden copies differ by batch size and threads.
        copied = {name: copied_bytes(module, inputs).total for name, module in modules.items()}
    table = compare_latency(
        modules,
        inputs,
        job["rounds"],
        threads,
        seed=job["settings"]["seed"],
        budget_s=budget,
        clock=job["settings"]["clock"],
    )
    ratios = {}
    for name, rival in itertools.permutations(modules, 2):
        ratio = table.ratio(name, rival)
        ratios[f"{name}/{rival}"] = [ratio.value, ratio.low, ratio.high]
    return {
        "model": job["model"],
        "amount": job["amount"],
        "batch": batch,
        "threads": threads,
        "settings": job["settings"],
        "rounds": table.rounds,
        "quartiles_ms": {name: list(table.quartiles_ms(name)) for name in modules},
        "ratios": ratios,
        "copied": copied,
    }


if __name__ == "__main__":
    sys.exit(main())
