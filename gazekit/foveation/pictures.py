"""What all transforms of pictures share: the forms in which pictures and fixations come and go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Transform", "to_points"]


class Transform(nn.Module, ABC):
    """A picture as seen from a fixation: `transform(images, fixation_xy_px)`.

    What comes in goes out. Floating pictures [B, C, H, W], values from 0 to 1, stay floating and differentiable.
    Pictures of bytes, [H, W] or [H, W, C] or several [B, H, W, C] (arrays or tensors, C = 1, 3 or 4), come back as
    rounded bytes of the same form, so that a transform is one step of a data loader; a fourth channel is opacity and
    is kept as it is. T fixations of a picture add a dimension T before the picture's own.

    Pixel (0, 0) covers [0, 1) x [0, 1). A fixation may lie outside the picture.

    Args of the call:
        images: as above; sides of 1 pixel or more.
        fixation_xy_px: [B, 2] or [B, T, 2], T from 0; for one picture [H, W] or [H, W, C] also [T, 2]. [2] is one
            fixation of all pictures, None their centre.
    Returns:
        [B, C, H, W], or [B, T, C, H, W], or the same in bytes.
    Raises:
        TypeError: pictures that are neither floating nor uint8.
        ValueError: a wrong shape, or a fixation that is NaN or infinite.
    """

    def forward(self, images: Any, fixation_xy_px: Any = None) -> Any:
        if not isinstance(images, Tensor):
            return self(torch.from_numpy(np.array(images)), fixation_xy_px).numpy()
        if images.dtype == torch.uint8:
            return self._bytes(images, fixation_xy_px)
        if not images.is_floating_point():
            raise TypeError(f"pictures must be floating in [0, 1] or uint8, got {images.dtype}")
        if images.ndim != 4 or 0 in images.shape[1:]:
            raise ValueError(
                f"floating pictures must be [B, C, H, W] with pixels, got shape {list(images.shape)}; one picture is "
                "images[None]"
            )
        points, has_steps = to_points(fixation_xy_px, images)
        wide = images.to(torch.promote_types(images.dtype, torch.float32))
        seen = self.render(wide, points.to(wide)).to(images.dtype)
        return seen if has_steps else seen[:, 0]

    @abstractmethod
    def render(self, images: Tensor, points: Tensor) -> Tensor:
        """Floating [B, C, H, W] and finite [B, T, 2] to [B, T, C, H, W]."""

    def _bytes(self, images: Tensor, fixation_xy_px: Any) -> Any:
        many = images.ndim == 4
        if images.ndim not in (2, 3, 4) or (images.ndim > 2 and images.shape[-1] not in (1, 3, 4)):
            raise ValueError(
                "pictures of bytes must be [H, W] or [H, W, C] or [B, H, W, C] with 1, 3 or 4 channels, "
                f"got shape {list(images.shape)}"
            )
        stack = images[..., None] if images.ndim == 2 else images
        stack = stack if many else stack[None]
        if fixation_xy_px is not None and not many:
            fixation_xy_px = torch.as_tensor(fixation_xy_px)
            fixation_xy_px = fixation_xy_px[None] if fixation_xy_px.ndim == 2 else fixation_xy_px
        colour = stack[..., : 3 if stack.shape[-1] == 4 else None]
        seen = self(colour.movedim(-1, 1) / 255, fixation_xy_px)
        seen = (seen.detach().clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1)
        if stack.shape[-1] == 4:
            opacity = stack[..., 3:] if seen.ndim == 4 else stack[:, None, ..., 3:]
            seen = torch.cat((seen, opacity.expand(*seen.shape[:-1], 1)), -1)
        seen = seen if many else seen[0]
        return seen[..., 0] if images.ndim == 2 else seen


def to_points(fixation_xy_px: Any, images: Tensor) -> tuple[Tensor, bool]:
    """Fixations as [B, T, 2], and whether they came with T; see `Transform`."""
    batch, (height, width) = len(images), images.shape[-2:]
    if fixation_xy_px is None:
        fixation_xy_px = (width / 2, height / 2)
    points = torch.as_tensor(fixation_xy_px, device=images.device)
    points = (
        points if points.is_floating_point() else points.to(torch.promote_types(images.dtype, torch.float32))
    )
    if points.shape == (2,):
        points = points.expand(batch, 2)
    if points.ndim not in (2, 3) or points.shape[-1] != 2 or len(points) != batch:
        raise ValueError(
            f"fixation_xy_px must be [2], [{batch}, 2] or [{batch}, T, 2] (x, y), got shape {list(points.shape)}"
        )
    has_steps = points.ndim == 3
    points = points if has_steps else points[:, None]
    wrong = (~points.isfinite().all(-1)).nonzero().tolist()
    if wrong:
        b, t = wrong[0]
        raise ValueError(
            f"fixation_xy_px must be finite, but fixation {t} of picture {b} is {points[b, t].tolist()}; leave out "
            f"fixations that are unknown ({len(wrong)} of {points[..., 0].numel()})"
        )
    return points, has_steps
