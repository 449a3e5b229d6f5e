"""Which operators of real networks stop channels from moving, most values pinned first.

    python bench_instances/studies/operator_coverage.py torchvision:swin_t timm:hrnet_w18_small

Each model is captured with random weights and seen as a programme over channels; nothing is
masked or solved. A row is an operator and the reason why its operands must be there as they
were. *Values* counts the operands so pinned that carry channels, *models* in how many networks.
Without names, a list of small networks of torchvision and timm. A second table lists the models:
their values with channels, and how many of them are pinned inside (not at the model's ends).
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from reorder_solver import torch_adapter as ta
from reorder_solver.torch_adapter.build import build
from reorder_solver.torch_adapter.capture import capture
from reorder_solver.torch_adapter.facts import Facts
from reorder_solver.torch_adapter.operations import Adopt, Opaque
from reorder_solver.torch_adapter.rules import RULES
from reorder_solver.torch_adapter.schema import operator_name

TORCHVISION = (
    "alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 "
    "maxvit_t mnasnet0_5 mobilenet_v2 mobilenet_v3_small regnet_y_400mf regnet_x_400mf resnet18 "
    "resnet50 resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_1 swin_t swin_v2_t vgg11 vit_b_16 "
    "wide_resnet50_2 fcn_resnet50 deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large"
)
TIMM = (
    "hrnet_w18_small dla34 dpn48b regnetz_005 ghostnet_050 ghostnetv2_100 cspresnet50 cspdarknet53 "
    "res2net50_26w_4s resnest14d inception_resnet_v2 inception_v4 xception xception41 rexnet_100 "
    "mixer_s32_224 resmlp_12_224 gmlp_ti16_224 convnext_atto convnextv2_atto efficientvit_b0 "
    "efficientvit_m0 mobilenetv4_conv_small mobilenetv4_hybrid_medium edgenext_xx_small "
    "mobilevit_xxs mobilevitv2_050 mobileone_s0 repvgg_a0 nfnet_l0 skresnet18 seresnet18 "
    "ese_vovnet19b_dw selecsls42b tresnet_m pnasnet5large nasnetalarge hardcorenas_a "
    "lcnet_050 tinynet_e fbnetc_100 vit_tiny_patch16_224 deit_tiny_patch16_224 "
    "swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 maxvit_tiny_rw_224 coatnet_nano_rw_224 "
    "poolformer_s12 caformer_s18 convformer_s18 focalnet_tiny_srf gcvit_xxtiny inception_next_atto "
    "levit_128s pvt_v2_b0 mvitv2_tiny twins_pcpvt_small twins_svt_small xcit_nano_12_p16_224 "
    "volo_d1_224 visformer_tiny tnt_s_patch16_224 tiny_vit_5m_224 swiftformer_xs starnet_s1 "
    "shvit_s1 sequencer2d_s repvit_m0_9 repghostnet_050 pit_ti_224 nextvit_small nest_tiny "
    "mambaout_femto hgnetv2_b0 fastvit_t8 fasternet_t0 efficientformer_l1 efficientformerv2_s0 "
    "davit_tiny crossvit_9_240 convmixer_768_32 convit_tiny coat_lite_tiny cait_xxs24_224 "
    "beit_base_patch16_224 rdnet_tiny eca_nfnet_l0 botnet26t_256 halonet26t lambda_resnet26t "
    "resnetv2_50 legacy_seresnet18 gernet_s darknet53 vovnet39a"
)
ENDS = ("model input", "model output")


@dataclass
class Counts:
    """What was found over all models."""

    values: Counter[tuple[str, str]] = field(default_factory=Counter)
    models: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    rows: list[tuple[str, ...]] = field(default_factory=list)


def load(spec: str) -> tuple[torch.nn.Module, int]:
    """A model with random weights, and the size of image that it is made for."""
    source, _, name = spec.rpartition(":")
    if source == "timm":
        import timm

        torch.manual_seed(0)
        model = timm.create_model(name, pretrained=False).eval()
        return model, int(model.pretrained_cfg["input_size"][-1])
    if source == "torchvision" and name.startswith(("fcn", "deeplab", "lraspp")):
        from torchvision import models

        torch.manual_seed(0)
        return models.get_model(name, weights=None, weights_backbone=None).eval(), 224
    return ta.load_model(spec), 224


def captured_small(model: torch.nn.Module, own_size: int) -> Any:
    """The capture at the smallest size of image that the model takes."""
    error: Exception | None = None
    for size in (64, 96, own_size):
        try:
            return capture(model, torch.randn(2, 3, size, size))
        except ta.CaptureError as refusal:
            error = refusal
    assert error is not None
    raise error


def inspect(spec: str, counts: Counts) -> None:
    """Capture one model and count what is pinned in it."""
    start = time.perf_counter()
    model, size = load(spec)
    captured = captured_small(model, size)
    middle = time.perf_counter()
    facts = Facts(build(captured, RULES, {}), captured.attributes)
    pinned = set()
    for operation in facts.program.operations:
        if isinstance(operation, Opaque) and facts.is_needed(operation.node):
            sources = [one.value for one in operation.sources()]
            reason = operation.reason
            if not sources or reason == "model output":
                continue
            name = operator_name(operation.node)
        elif isinstance(operation, Adopt) and facts.live(operation.output).any():
            sources, reason = [operation.output], operation.reason
            name = operator_name(operation.node)
            reason = "taken up again: " + reason
        else:
            continue
        if reason.endswith(ENDS) and isinstance(operation, Adopt):
            continue
        key = name, re.sub(r"^(.*: )?\S+ \(\S+\): ", r"\1", reason)
        counts.values[key] += len(sources)
        counts.models[key].add(spec.rpartition(":")[2])
        pinned |= set(sources)
    total = sum(1 for one in facts.program.operations if one.output is not None)
    counts.rows.append(
        (
            spec,
            str(len(captured.graph.nodes)),
            str(total),
            str(len(pinned)),
            f"{middle - start:.1f}",
            f"{time.perf_counter() - middle:.1f}",
            "; ".join(captured.notes),
        )
    )


def show(counts: Counts) -> None:
    """Print both tables."""
    console = Console(width=170) if not sys.stdout.isatty() else Console()
    table = Table("operator", "reason", "values", "models", "such as")
    for key, number in counts.values.most_common():
        models = sorted(counts.models[key])
        table.add_row(*key, str(number), str(len(models)), " ".join(models[:3]))
    console.print(table)
    table = Table("model", "nodes", "values", "pinned", "capture s", "build s", "notes")
    for row in counts.rows:
        table.add_row(*row)
    console.print(table)


def main() -> None:
    """Go through the models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="torchvision:name or timm:name")
    arguments = parser.parse_args()
    names = arguments.models or [
        *(f"torchvision:{name}" for name in TORCHVISION.split()),
        *(f"timm:{name}" for name in TIMM.split()),
    ]
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    counts = Counts()
    for name in names:
        try:
            inspect(name, counts)
        except Exception as error:  # the others are still worth looking at
            message = f"{type(error).__name__}: {error}".splitlines()[0]
            counts.rows.append((name, "", "", "", "", "", message))
        print(name, counts.rows[-1][1:], file=sys.stderr)
    show(counts)


if __name__ == "__main__":
    main()
