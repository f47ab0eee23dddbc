"""A sharp spot on a blurred image: two levels, blended by a Gaussian bump about the fixation.

Source: Schwinn, Precup, Eskofier and Zanca 2022 (NeVA). Plain torch on every device: after the blur, which is computed
once per image, a picture is one bump and one fused multiply-add, and a kernel would hardly reduce memory traffic.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.kernels.foveate.acuity import check_fixation, check_positive, squared_distance_px
from gazekit.kernels.foveate.pyramid import check_image

__all__ = ["blur_residual", "gaussian_bump", "reveal"]


def blur_residual(image: Tensor, sigma_px: float, kernel_px: int) -> Tensor:
    """The change due to a blur, b = G * x - x, with G a sampled Gaussian of unit sum and reflection at the border.

    Args:
        image: [B, C, H, W] floating, both sides longer than half the kernel.
        sigma_px: standard deviation of the Gaussian.
        kernel_px: odd number of samples per side; the source has 5 samples with a sigma of 5 px, and 41 with
            10 px.
    Returns:
        [B, C, H, W], differentiable.
    Raises:
        TypeError, ValueError: image is not floating or not [B, C, H, W] or too small; sigma_px is not positive;
            kernel_px is even or below 1.
    """
    check_image(image)
    check_positive("sigma_px", sigma_px)
    if kernel_px < 1 or kernel_px % 2 == 0:
        raise ValueError(f"kernel_px must be odd and positive, got {kernel_px}")
    half = kernel_px // 2
    if min(image.shape[-2:]) <= half:
        raise ValueError(
            f"image must be larger than kernel_px // 2 = {half} for reflection, got {list(image.shape)}"
        )
    rows, columns = (_blur_matrix(side, sigma_px, kernel_px).to(image) for side in image.shape[-2:])
    with torch.autocast(image.device.type, enabled=False):  # it would reduce the products' precision
        return rows @ image @ columns.T - image


def _blur_matrix(side: int, sigma_px: float, kernel_px: int) -> Tensor:
    """[side, side] matrix that blurs a line of pixels: a matrix product is faster than a sum of shifted
    copies.
    """
    offset = torch.arange(kernel_px) - kernel_px // 2
    taps = torch.exp(-0.5 * (offset.double() / sigma_px) ** 2)
    source = (torch.arange(side)[:, None] + offset).abs()  # reflected at the middle of the border's pixels
    source = torch.where(source < side, source, 2 * (side - 1) - source)
    matrix = torch.zeros(side, side, dtype=torch.float64)
    return matrix.scatter_add_(1, source, (taps / taps.sum()).expand(side, kernel_px))


def gaussian_bump(fixation_xy_px: Tensor, height: int, width: int, sigma_px: float) -> Tensor:
    """M(xi) = exp(-|p - xi|^2 / (2 sigma^2)) at every pixel p.

    NeVA's spread s divides the squared distance in units of half an image of S pixels:
    sigma_px = sqrt(s / 2) (S - 1) / 2, 35.3 px for s = 0.2 at 224 pixels.

    Args:
        fixation_xy_px: [..., 2] floating (x, y); may lie outside.
        height, width: of the image, pixels.
        sigma_px: standard deviation of the bump.
    Returns:
        [..., height, width] from 0 to 1 in at least single precision, differentiable in the fixation; NaN for a NaN
        fixation.
    Raises:
        TypeError, ValueError: the fixation is not floating [..., 2]; a size or sigma_px is not positive and finite.
    """
    check_fixation(fixation_xy_px)
    check_positive("sigma_px", sigma_px)
    return torch.exp(squared_distance_px(fixation_xy_px, height, width) / (-2 * sigma_px**2))


def reveal(image: Tensor, residual: Tensor, seen: Tensor) -> Tensor:
    """Blur what has not been seen: x + clip(1 - seen, 0, 1) b.

    The gradient to `seen`, hence to the fixation, is -sum_c b g where `seen` lies between 0 and 1.

    Args:
        image: [B, C, H, W].
        residual: [B, C, H, W] from `blur_residual`.
        seen: [B, H, W] or, for T pictures of each image, [B, T, H, W]: `gaussian_bump` of the fixation, plus NeVA's
            memory R_(t+1) = gamma R_t + M(xi_t) of the earlier ones, if any.
    Returns:
        [B, C, H, W] or [B, T, C, H, W].
    Raises:
        ValueError: inconsistent shapes.
    """
    if residual.shape != image.shape:
        raise ValueError(
            f"residual must have the shape of image {list(image.shape)}, got {list(residual.shape)}"
        )
    batch, _, height, width = image.shape
    if seen.ndim not in (3, 4) or seen.shape[0] != batch or seen.shape[-2:] != (height, width):
        raise ValueError(f"seen must be [{batch}, {height}, {width}] or [{batch}, T, {height}, {width}], "
                         f"got {list(seen.shape)}")  # fmt: skip
    hidden = (1 - seen).clamp(0, 1).unsqueeze(-3).to(image.dtype)
    if seen.ndim == 4:
        image, residual = image[:, None], residual[:, None]
    return torch.addcmul(image, hidden, residual)
