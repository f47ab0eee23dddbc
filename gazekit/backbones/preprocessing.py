"""From pictures of any size to what a net was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["CLIP", "IMAGENET", "Preprocessing", "prepare"]

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}


@dataclass(frozen=True)
class Preprocessing:
    """Resize, then (x / 255 - mean) / std for each channel.

    Args:
        size_px: height and width that the net sees.
        fit: "crop": scale the shorter side to `short_side_px`, then cut the centre out; "stretch": give up the
            proportions; "pad": scale to fit (down only if `enlarge` is false) and fill up on the right and below.
        short_side_px: for "crop".
        fill: grey value of the padding, 0 to 255.
        enlarge: for "pad".
        interpolation: with antialiasing, as Pillow does it.
        mean, std: of values in [0, 1], in the order of `channels`.
        channels: the order that the net expects.
    """

    size_px: tuple[int, int]
    fit: Literal["crop", "stretch", "pad"] = "crop"
    short_side_px: int = 256
    fill: int = 0
    enlarge: bool = True
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channels: Literal["rgb", "bgr"] = "rgb"

    def plain(self) -> dict[str, Any]:
        """JSON values, without what plays no part in this `fit`."""
        unused = {
            "crop": ("fill", "enlarge"),
            "stretch": ("short_side_px", "fill", "enlarge"),
            "pad": ("short_side_px",),
        }
        facts = {key: value for key, value in asdict(self).items() if key not in unused[self.fit]}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()}

    def scale(self, height: int, width: int) -> float:
        """By how much "pad" scales a picture of this size."""
        scale = min(self.size_px[0] / height, self.size_px[1] / width)
        return scale if self.enlarge else min(1.0, scale)


def prepare(images: Any, how: Preprocessing, device: str | torch.device = "cpu") -> Tensor:
    """Pictures as [B, 3, H, W] float32; see `Backbone.preprocess`.

    They are resized as bytes on the CPU, as Pillow does to within one grey level, whatever the device.
    """
    import torch

    pictures = (
        _fit(_stack(images), how)
        if _same_size(images)
        else torch.cat([_fit(_stack([x]), how) for x in images])
    )
    pictures = pictures.to(device).float()  # [B, 3, H, W]
    if how.channels == "bgr":
        pictures = pictures.flip(1)
    mean, std = (torch.tensor(values, device=device)[:, None, None] * 255 for values in (how.mean, how.std))
    return (pictures - mean) / std


def _same_size(images: Any) -> bool:
    if len(images) == 0:
        raise ValueError("no pictures to prepare")
    return len({tuple(image.shape) for image in images}) == 1


def _stack(images: Sequence) -> Tensor:
    """[B, 3, H, W] bytes."""
    import numpy as np
    import torch

    if not isinstance(images, torch.Tensor):
        images = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
    if images.dtype != torch.uint8:
        raise TypeError(f"pictures must be uint8, got {str(images.dtype).removeprefix('torch.')}")
    if images.dim() != 4 or images.shape[-1] != 3:
        raise ValueError(f"pictures must be [B, H, W, 3], got {list(images.shape)}")
    return images.cpu().permute(0, 3, 1, 2)


def _fit(pictures: Tensor, how: Preprocessing) -> Tensor:
    import torch

    height, width = pictures.shape[-2:]
    if how.fit == "stretch":
        return _resize(pictures, how.size_px, how)
    if how.fit == "pad":
        scale = how.scale(height, width)
        inner = _resize(pictures, (max(1, int(height * scale)), max(1, int(width * scale))), how)
        padded = torch.full((len(inner), 3, *how.size_px), how.fill, dtype=torch.uint8)
        padded[..., : inner.shape[-2], : inner.shape[-1]] = inner
        return padded
    short = min(height, width)
    size = tuple(int(side * how.short_side_px / short) for side in (height, width))
    pictures = _resize(pictures, size, how)
    top, left = ((side - wanted) // 2 for side, wanted in zip(size, how.size_px, strict=True))
    return pictures[..., top : top + how.size_px[0], left : left + how.size_px[1]]


def _resize(pictures: Tensor, size: tuple[int, int], how: Preprocessing) -> Tensor:
    from torch.nn.functional import interpolate

    if tuple(pictures.shape[-2:]) == tuple(size):
        return pictures
    return interpolate(pictures, size, mode=how.interpolation, antialias=True)
