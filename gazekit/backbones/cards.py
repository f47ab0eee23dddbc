"""Which backbones there are: whose they are, on what terms, where weights come from, what a net expects.

To add one: a `Net` in a file of this room, a card here, a page in conf/backbone. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gazekit.backbones.preprocessing import CLIP, IMAGENET, Preprocessing
from gazekit.download import Download

__all__ = ["CARDS", "Card"]

APACHE = "Apache-2.0"
_FACEBOOK = "https://dl.fbaipublicfiles.com/dinov2"
_HUB = "https://huggingface.co"
_TORCH = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class Card:
    """All that is known of a backbone before it is loaded.

    Args:
        title: one line.
        net: file and class in this room.
        settings: arguments of the class.
        preprocessing: what the net expects.
        licence, source: of the weights.
        weights: known sets of files, each file name to where it is; any one set will do, the first that can be
            downloaded is what `data fetch` gets.
        how_to_get: what to do where nothing can be downloaded.
    """

    title: str
    net: str
    preprocessing: Preprocessing
    licence: str
    source: str
    weights: tuple[Mapping[str, Download], ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    how_to_get: str = ""

    @property
    def downloads(self) -> Mapping[str, Download]:
        """The first set of files that can be downloaded; empty if none can."""
        return next((files for files in self.weights if all(file.url for file in files.values())), {})


def _imagenet(size_px: int, short_side_px: int = 256, **more: Any) -> Preprocessing:
    return Preprocessing((size_px, size_px), short_side_px=short_side_px, **(IMAGENET | more))


def _dinov2(letter: str, width: int, heads: int, registers: int, sha256: str | None) -> Card:
    kind, long = f"vit{letter}14", {"s": "small", "b": "base", "l": "large"}[letter]
    file = f"dinov2_{kind}{'_reg4' if registers else ''}_pretrain.pth"
    hub = f"{_HUB}/facebook/dinov2-{'with-registers-' if registers else ''}{long}/resolve/main/model.safetensors"
    return Card(
        title=f"DINOv2 ViT-{letter.upper()}/14{' with 4 registers' if registers else ''}, self-supervised (LVD-142M)",
        net="vit:ViT",
        settings={
            "width": width,
            "depth": 24 if letter == "l" else 12,
            "heads": heads,
            "patch_px": 14,
            "grid": 37,
            "registers": registers,
            "layer_scale": True,
            "antialias": bool(registers),
        },
        preprocessing=_imagenet(224, interpolation="bicubic"),
        licence=APACHE,
        source="github.com/facebookresearch/dinov2",
        weights=(
            {file: Download(f"{_FACEBOOK}/dinov2_{kind}/{file}", sha256)},
            {"model.safetensors": Download(hub)},
        ),
    )


def _resnet(block: str, depths: tuple[int, ...], *published: str) -> Card:
    """The digits in torchvision's file names are the first of the SHA-256."""
    depth = published[0].partition("-")[0]
    return Card(
        title=f"ResNet-{depth.removeprefix('resnet')}, ImageNet-1k",
        net="resnet:ResNet",
        settings={"block": block, "depths": depths},
        preprocessing=_imagenet(224),
        licence="BSD-3-Clause (torchvision)",
        source="pytorch.org/vision/stable/models",
        weights=tuple(_torchvision(file) for file in published),
    )


def _torchvision(file: str) -> dict[str, Download]:
    return {file: Download(f"{_TORCH}/{file}", file.removesuffix(".pth").rpartition("-")[2])}


def _clip(title: str, folder: str, **settings: int) -> Card:
    return Card(
        title=f"CLIP {title}, vision side",
        net="clip:ClipVision",
        settings=settings,
        preprocessing=Preprocessing((224, 224), short_side_px=224, interpolation="bicubic", **CLIP),
        licence="MIT",
        source="github.com/openai/CLIP",
        weights=({"model.safetensors": Download(f"{_HUB}/openai/{folder}/resolve/main/model.safetensors")},),
    )


def _converted(source: str, file: str, sha256: str, **card: Any) -> Card:
    """Weights that were converted from another framework's file."""
    return Card(
        source=source,
        licence=APACHE,
        weights=({file: Download("", sha256)},),
        how_to_get=f"nobody offers {file} for download: it was converted from {source}. Give its path as weights",
        **card,
    )


_YUNET, _YUNET_COMMIT = "yunet_n_dynamic.onnx", "0047ac24afb1a50a0c6105001c89d1b5b805dbf1"
_TINY = "vit_tiny_patch16_224_fp16-{}of3.safetensors"

CARDS: dict[str, Card] = {
    "squeezenet1_0": Card(
        title="SqueezeNet 1.0, ImageNet-1k",
        net="squeezenet:SqueezeNet",
        preprocessing=_imagenet(227),
        licence="BSD",
        source="pytorch.org/vision/stable/models; github.com/songhan/SqueezeNet-Deep-Compression (decoded)",
        weights=(
            _torchvision("squeezenet1_0-b66bff10.pth"),
            {
                "squeezenet1_0_imagenet.safetensors": Download(
                    "", "8d7e9aab2954d1e15aa64be61d8f6349dd8afdac6ac47dbd11d767f3982c10b7"
                )
            },
        ),
    ),
    "vit_tiny": Card(
        title="ViT-Tiny/16, ImageNet-21k then ImageNet-1k (AugReg)",
        net="vit:ViT",
        settings={"width": 192, "depth": 12, "heads": 3, "patch_px": 16, "grid": 14, "classes": 1000},
        preprocessing=Preprocessing(
            (224, 224), short_side_px=248, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
        ),
        licence=APACHE,
        source="github.com/google-research/vision_transformer, as timm offers it",
        weights=(
            {
                "model.safetensors": Download(
                    f"{_HUB}/timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k/resolve/main/model.safetensors"
                )
            },
            {
                _TINY.format(1): Download(
                    "", "cab1f3f04531d6686d87ce38b10b38d9ad9fa94788239ad29191cd50ca3c332c"
                ),
                _TINY.format(2): Download(
                    "", "c020bed1dd0f9ceb81c2f06401c116ac3dc920da05fabe3f7d780b270c77ef4e"
                ),
                _TINY.format(3): Download(
                    "", "ec27361b165f38078a47758e7ce280fb411cd71422c5ed8f2b46d9e835ee5707"
                ),
            },
        ),
    ),
    "mobilenet_v2": _converted(
        "github.com/google-coral/test_data: tf2_mobilenet_v2_1.0_224_ptq.tflite",
        "mobilenet_v2_int8.safetensors",
        "77111743dddd6aabb391e842c1200f88cd1e599077cd33be2eb79e18bc41bd74",
        title="MobileNetV2 1.0, ImageNet-1k, 8-bit weights",
        net="mobilenet:MobileNetV2",
        preprocessing=Preprocessing((224, 224), mean=(0.5,) * 3, std=(0.5,) * 3),
    ),
    "vgg16": Card(
        title="VGG16, ImageNet-1k",
        net="vgg:VGG16",
        preprocessing=_imagenet(224),
        licence="BSD-3-Clause (torchvision), CC BY 4.0 (original weights)",
        source="pytorch.org/vision/stable/models",
        weights=(_torchvision("vgg16-397923af.pth"),),
    ),
    "resnet18": _resnet("basic", (2, 2, 2, 2), "resnet18-f37072fd.pth"),
    "resnet50": _resnet("bottleneck", (3, 4, 6, 3), "resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth"),
    "dinov2_small": _dinov2(
        "s", 384, 6, 0, "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9"
    ),
    "dinov2_base": _dinov2(
        "b", 768, 12, 0, "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73"
    ),
    "dinov2_large": _dinov2("l", 1024, 16, 0, None),
    "dinov2_small_registers": _dinov2("s", 384, 6, 4, None),
    "dinov2_base_registers": _dinov2("b", 768, 12, 4, None),
    "clip_vit_b32": _clip(
        "ViT-B/32", "clip-vit-base-patch32", width=768, depth=12, heads=12, patch_px=32, projection=512
    ),
    "clip_vit_l14": _clip(
        "ViT-L/14", "clip-vit-large-patch14", width=1024, depth=24, heads=16, patch_px=14, projection=768
    ),
    "deeplab_voc": _converted(
        "github.com/google-coral/test_data: deeplabv3_mnv2_pascal_quant.tflite",
        "deeplabv3_mobilenetv2_voc_uint8.safetensors",
        "4c5cd1147c9c53c3f21bdb8ee3b148ab61a870d48d9947a0b9b0867378551a12",
        title="DeepLabV3 on MobileNetV2, 21 classes of Pascal VOC",
        net="mobilenet:DeepLab",
        preprocessing=Preprocessing((513, 513), fit="stretch", mean=(128 / 255,) * 3, std=(128 / 255,) * 3),
    ),
    "attention_center": _converted(
        "github.com/google/attention-center: model/center.tflite",
        "attention_center_fp16.safetensors",
        "81ae88d660ea5460c0078113a634b856f0ec4977f5550c128d68313240e40e7c",
        title="attention-center, fixation map learned from COCO pictures with SALICON data",
        net="attention_center:AttentionCenter",
        preprocessing=Preprocessing((480, 640), fit="stretch", interpolation="bicubic"),
    ),
    "yunet": Card(
        title="YuNet, faces with five landmarks (WIDER Face)",
        net="yunet:YuNet",
        preprocessing=Preprocessing((640, 640), fit="pad", enlarge=False, std=(1 / 255,) * 3, channels="bgr"),
        licence=APACHE,
        source=f"github.com/ShiqiYu/libfacedetection.train: onnx/{_YUNET}",
        weights=(
            {
                "yunet_n.safetensors": Download(
                    "", "55bba1b33d67232e932b610cc5b74a4a79377eebb3bd4ca9a8f429d7469f7768"
                )
            },
            {
                _YUNET: Download(
                    f"https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/{_YUNET_COMMIT}/onnx/{_YUNET}",
                    "104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
                )
            },
        ),
    ),
    "yolox_nano": _converted(
        "github.com/Megvii-BaseDetection/YOLOX",
        "yolox_nano_fp16.safetensors",
        "179cb3d3056e9a8aba8668c074449204c2404324e84f5c2ccf2d1aa225dba9dd",
        title="YOLOX-Nano, 80 classes of COCO",
        net="yolox:YOLOX",
        preprocessing=Preprocessing((416, 416), fit="pad", fill=114, std=(1 / 255,) * 3, channels="bgr"),
    ),
}
"""Name to card."""
