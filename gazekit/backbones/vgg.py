"""VGG16 (Simonyan & Zisserman 2015), with torchvision's names of tensors."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.backbone import Halvings, Layer, Net

__all__ = ["VGG16"]

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(Net):
    """Layers "conv1_1" .. "conv5_3" (after ReLU), "pool1" .. "pool5", "fc6", "fc7" (after ReLU) and "logits".

    Source: arXiv 1409.1556, configuration D. Maps take any size from 32 pixels; "fc6" and later pool any map to
    7 x 7 first.
    """

    halvings = (1, 2, 4, 8, 16)
    max_pools = True

    def __init__(self):
        super().__init__()
        modules: list[nn.Module] = []
        channels = 3
        for stage in STAGES:
            for width in stage:
                modules += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            modules.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*modules)
        full = [
            nn.Linear(512 * 49, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(),
        ]
        self.classifier = nn.Sequential(*full, nn.Linear(4096, 1000))
        self.layers = {}
        for i, stage in enumerate(STAGES, 1):
            self.layers |= {f"conv{i}_{j}": Layer(width, 2 ** (i - 1)) for j, width in enumerate(stage, 1)}
            self.layers[f"pool{i}"] = Layer(stage[-1], 2**i)
        self.layers |= {"fc6": Layer(4096, None), "fc7": Layer(4096, None), "logits": Layer(1000, None)}

    def halved(self, x: Tensor, stride: int) -> Tensor:
        return F.max_pool2d(x, 2)

    def walk(self, images: Tensor, halve: Halvings | None = None) -> Iterator[tuple[str, Tensor]]:
        names, x, own, stride = iter(self.layers), images, halve or {}, 1
        for module in self.features:
            if isinstance(module, nn.MaxPool2d):
                x, stride = own.get(stride, module)(x), 2 * stride
            else:
                x = module(x)
            if not isinstance(module, nn.Conv2d):
                yield next(names), x
        x = F.adaptive_avg_pool2d(x, 7).flatten(1)
        for i, module in enumerate(self.classifier):
            x = module(x)
            if i in (1, 4, 6):  # two ReLUs and the classes
                yield next(names), x
