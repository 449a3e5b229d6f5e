"""Real architectures of torchvision and timm, in double precision.

Inputs are as small as each architecture allows; weights are random, from a fixed seed.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from reorder_solver import torch_adapter as ta


@dataclass(frozen=True, slots=True)
class Case:
    """An architecture.

    Attributes
    ----------
    name : str
        As torchvision or timm calls it.
    size : int
        Side of the square input.
    options : dict
        For the function that builds it.
    source : {"torchvision", "timm"}
    """

    name: str
    size: int = 64
    options: dict[str, Any] = field(default_factory=dict)
    source: str = "torchvision"

    @property
    def id(self) -> str:
        """``timm:dla34``."""
        return f"{self.source}:{self.name}"


def _timm(name: str, size: int = 64, **options: Any) -> Case:
    return Case(name, size, options, "timm")


_SEGMENTATION = {"weights_backbone": None}

#: The 27 torchvision models that other exporters were measured on.
TORCHVISION = (
    Case("alexnet"),
    Case("vgg11_bn"),
    Case("resnet18"),
    Case("resnet50"),
    Case("resnext50_32x4d"),
    Case("wide_resnet50_2"),
    Case("densenet121"),
    Case("densenet169"),
    Case("googlenet", options={"init_weights": False}),
    Case("inception_v3", 96, {"init_weights": False}),
    Case("mobilenet_v2"),
    Case("mobilenet_v3_small"),
    Case("mobilenet_v3_large"),
    Case("mnasnet1_0"),
    Case("efficientnet_b0"),
    Case("efficientnet_v2_s"),
    Case("regnet_y_400mf"),
    Case("regnet_x_400mf"),
    Case("shufflenet_v2_x1_0"),
    Case("squeezenet1_1"),
    Case("convnext_tiny"),
    Case("swin_t"),
    Case("vit_b_16", options={"image_size": 64}),
    # Its windows of 7 x 7 must fill the last of five halvings.
    Case("maxvit_t", 224),
    Case("fcn_resnet50", options=_SEGMENTATION),
    Case("deeplabv3_resnet50", options=_SEGMENTATION),
    Case("lraspp_mobilenet_v3_large", options=_SEGMENTATION),
)

#: One small member of each timm family.
TIMM = (
    _timm("hrnet_w18_small"),
    _timm("dla34"),
    _timm("dpn48b"),
    _timm("regnetz_005"),
    _timm("ghostnet_050"),
    _timm("cspresnet50"),
    _timm("res2net50_14w_8s"),
    _timm("resnest14d"),
    _timm("inception_resnet_v2", 96),
    _timm("inception_v4", 96),
    _timm("xception41"),
    _timm("rexnet_100"),
    _timm("mixer_s32_224", img_size=64),
    _timm("convnext_atto"),
    _timm("convnextv2_atto"),
    _timm("efficientvit_b0"),
    _timm("efficientvit_m0", 224),
    _timm("mobilenetv4_conv_small_050"),
    _timm("mobilenetv4_hybrid_medium"),
    _timm("mobilenetv3_small_050"),
    _timm("efficientnetv2_rw_t"),
    _timm("fbnetc_100"),
    _timm("lcnet_050"),
    _timm("tinynet_e"),
    _timm("mixnet_s"),
    _timm("repvgg_a0"),
    _timm("repghostnet_050"),
    _timm("repvit_m0_9"),
    _timm("selecsls42b"),
    _timm("skresnet18"),
    _timm("legacy_seresnet18"),
    _timm("ecaresnet26t"),
    _timm("gernet_s"),
    _timm("resnetv2_50"),
    _timm("nf_regnet_b0"),
    _timm("nfnet_l0"),
    _timm("ese_vovnet19b_slim"),
    _timm("resnext26ts"),
    _timm("resnetaa50"),
    _timm("botnet26t_256", 256),
    _timm("halonet26t", 256),
    _timm("lambda_resnet26t", 256),
    _timm("coatnet_nano_rw_224", img_size=64),
    _timm("visformer_tiny", 224),
    _timm("levit_128s", 224),
    _timm("pit_ti_224", 224),
    _timm("deit_tiny_patch16_224", img_size=64),
    _timm("swin_tiny_patch4_window7_224", img_size=64),
    _timm("swinv2_cr_tiny_224", img_size=64),
    _timm("poolformer_s12"),
    _timm("edgenext_xx_small"),
    _timm("mobilevit_xxs"),
    _timm("mobilevitv2_050"),
    _timm("mobileone_s0"),
    _timm("fastvit_t8"),
    _timm("starnet_s1"),
    _timm("inception_next_atto"),
    _timm("hgnet_tiny"),
    _timm("hgnetv2_b0"),
    _timm("rdnet_tiny"),
    _timm("tresnet_m"),
    _timm("xcit_nano_12_p16_224"),
    _timm("gmlp_s16_224", img_size=64),
    _timm("resmlp_12_224", img_size=64),
    _timm("focalnet_tiny_srf"),
    _timm("mvitv2_tiny", img_size=64),
    _timm("pvt_v2_b0"),
    _timm("twins_svt_small"),
    _timm("crossvit_tiny_240", 240),
    _timm("convmixer_768_32"),
    _timm("nest_tiny", 128, img_size=128),
    _timm("cait_xxs24_224", img_size=64),
    _timm("davit_tiny"),
    _timm("efficientformer_l1", 224),
    _timm("nextvit_small"),
    _timm("mambaout_femto"),
    _timm("sequencer2d_s"),
    _timm("volo_d1_224", img_size=64),
    _timm("gcvit_xxtiny", 224),
    _timm("shvit_s1"),
    _timm("swiftformer_xs"),
    _timm("cspdarknet53"),
    _timm("dla46x_c"),
    # Large ones with fewer blocks.
    _timm("beit_base_patch16_224", img_size=64, depth=3),
    _timm("coat_tiny", img_size=64),
    _timm("convit_tiny", img_size=64),
    _timm("cpubone_nano"),
    _timm("csatv2", 128),
    _timm("cspnext_tiny"),
    _timm("efficientformerv2_s0", 224),
    _timm("efficientvim_m1"),
    _timm("vit_tiny_patch16_dinov3_qkvb", img_size=64, depth=4),
    _timm("eva02_tiny_patch14_224", 56, img_size=56, depth=4),
    _timm("fasternet_t0"),
    _timm("gemma4_vit_167m", 96, depth=2),
    _timm("hardcorenas_b"),
    _timm("hiera_tiny_224", img_size=64),
    _timm("sam2_hiera_tiny", 128),
    _timm("iformer_t"),
    _timm("lcnetv2_small"),
    _timm("lowformer_b0"),
    _timm("mobilenetv5_base"),
    _timm("naflexvit_base_patch16_parfac_gap", depth=3),
    _timm("nasnetalarge", 96),
    _timm("pnasnet5large", 96),
    _timm("qwen3_vit_88m", 96, depth=3),
    _timm("swinv2_tiny_window8_256", img_size=64, window_size=4),
    _timm("tiny_vit_5m_224", 224),
    _timm("tnt_s_legacy_patch16_224", img_size=64, depth=4),
    _timm("vgg11"),
    _timm("test_vit", img_size=64),
    _timm("vit_tiny_r_s16_p8_224", img_size=64),
    _timm("test_vit_relpos", img_size=64),
    _timm("samvit_base_patch16_224", img_size=64, depth=4),
    _timm("vitamin_small_224", img_size=64),
    _timm("legacy_xception", 96),
    _timm("caformer_s18"),
)

CASES = {case.id: case for case in (*TORCHVISION, *TIMM)}


def find(name: str) -> Case:
    """The case called ``timm:dla34``, or ``dla34`` where only one has that name."""
    found = [case for case in CASES.values() if name in (case.id, case.name)]
    if len(found) != 1:
        raise SystemExit(f"no architecture {name!r}; known: {', '.join(CASES)}")
    return found[0]


def images(case: Case, batch: int, seed: int = 1) -> torch.Tensor:
    """Normally distributed, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, 3, case.size, case.size)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def network(case: Case) -> nn.Module:
    """The model in double precision: constants are folded in the model's own."""
    return _network(case.id)


@lru_cache(maxsize=1)
def _network(name: str) -> nn.Module:
    case = CASES[name]
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        model = _build(case).double().eval()
        _stir(model)
    return ta.calibrate(model, images(case, 8, seed=7))


def _build(case: Case) -> nn.Module:
    if case.source == "timm":
        import timm

        return timm.create_model(case.name, pretrained=False, **case.options)
    from torchvision import models

    return models.get_model(case.name, weights=None, **case.options)


def _stir(model: nn.Module) -> None:
    """Random numbers for parameters that are all equal at first.

    Norms that do nothing and residual branches scaled by (nearly) zero would hide mistakes.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            first = float(parameter.flatten()[0])
            if not bool((parameter == first).all()):
                continue
            if first:
                parameter.uniform_(0.5, 1.5).mul_(max(abs(first), 0.3))
            else:
                parameter.uniform_(-0.3, 0.3)
