"""Searchers without a net: chance, and the target's own pixels as a template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.models.visual_search.search import Priority
from gazekit.models.visual_search.search_row import SearchRow, one_background

__all__ = ["Chance", "Template"]

BLUR_PX, BLUR_SIGMA_PX = 7, 3.0


class Chance(SearchRow):
    """Every pixel of the cells that were not looked at is equally likely to be fixated."""

    def guide(self, batch: Mapping[str, Any], generator: torch.Generator) -> Priority:
        size = tuple(batch["picture"].shape[1:3])

        def priority(rows: Tensor, xy_px: Tensor, painted: tuple[Tensor, Tensor]) -> Tensor:
            return torch.rand(len(rows), *size, generator=generator)

        return priority


class Template(SearchRow):
    """The target's pixels are slid over the display's: their cross-correlation, blurred, is the priority.

    Source: Gupta et al. 2021, the pixel baseline: a 7 x 7 Gaussian of 3 px. Pixels are grey levels less the mean of
    ImageNet's pictures, as they are preprocessed there.
    """

    MEAN = (123.68, 116.779, 103.939)

    def guide(self, batch: Mapping[str, Any], generator: torch.Generator) -> Priority:
        background = one_background(batch)
        pictures, targets, colour = (
            x.float() - torch.tensor(self.MEAN)
            for x in (batch["picture"], batch["target_picture"], background)
        )
        height, width = pictures.shape[1:3]

        def priority(rows: Tensor, xy_px: Tensor, painted: tuple[Tensor, Tensor]) -> Tensor:
            for row, (x0, y0, x1, y1) in zip(*(x.tolist() for x in painted), strict=True):
                pictures[row, y0:y1, x0:x1] = colour
            found = _correlated(pictures[rows], targets[rows])[..., :height, :width]
            return _blurred(found)

        return priority


def _correlated(pictures: Tensor, targets: Tensor) -> Tensor:
    """[B, H, W] sum over channels of the cross-correlation, the target centred; 0 outside the picture."""
    height, width = pictures.shape[1:3]
    high, wide = targets.shape[1:3]
    size = (height + high, width + wide)
    spectrum = torch.fft.rfft2(pictures, size, (1, 2)) * torch.fft.rfft2(targets, size, (1, 2)).conj()
    found = torch.fft.irfft2(spectrum.sum(-1), size, (1, 2))  # [.., y, x] of the target's upper left corner
    return found.roll((high // 2, wide // 2), (1, 2))


def _blurred(x: Tensor) -> Tensor:
    weight = torch.from_numpy(cv2.getGaussianKernel(BLUR_PX, BLUR_SIGMA_PX)[:, 0]).to(x)
    x = F.pad(x[:, None], (BLUR_PX // 2,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(x, weight.view(1, 1, 1, -1)), weight.view(1, 1, -1, 1))[:, 0]
