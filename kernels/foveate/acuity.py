"""From a fixation to the pyramid level of every pixel.

Source: Geisler and Perry 1998 (SPIE 3299, 294), contrast threshold and cut-off frequency; Perry and Geisler 2002
(SPIE 4662, 57), transfer functions of a pyramid. Degrees are pixels / px_per_dva everywhere (no arctan): the
fixation may be anywhere on the display, and the acuity law is not more accurate than that.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gazekit.kernels.dispatch import check_tensors

__all__ = ["acuity_level", "cutoff_cycles_per_dva", "eccentricity_dva", "levels_needed", "transfer_level"]

MIN_DISTANCE_PX2 = 1e-12  # sqrt has no gradient at 0; fixations are not accurate to a millionth of a pixel


def eccentricity_dva(fixation_xy_px: Tensor, height: int, width: int, px_per_dva: float) -> Tensor:
    """Distance of every pixel from the fixation in degrees, e(p) = |p - xi| / px_per_dva.

    Args:
        fixation_xy_px: [..., 2] floating (x, y); pixel (column 3, row 5) covers [3, 4) x [5, 6), as for the
            metrics, so that its centre is at (3.5, 5.5). May lie outside.
        height, width: of the image, pixels.
        px_per_dva: pixels per degree of visual angle.
    Returns:
        [..., height, width] in at least single precision, differentiable in the fixation (gradient 0 at a pixel whose
        very centre is fixated); NaN for a NaN fixation.
    Raises:
        TypeError: the fixation is not floating.
        ValueError: its last dimension is not 2, a size or px_per_dva is not positive and finite.
    """
    check_fixation(fixation_xy_px)
    check_positive("px_per_dva", px_per_dva)
    return squared_distance_px(fixation_xy_px, height, width).clamp_min(MIN_DISTANCE_PX2).sqrt() / px_per_dva


def squared_distance_px(fixation_xy_px: Tensor, height: int, width: int) -> Tensor:
    """[..., height, width] squared distance of the pixels from [..., 2] points, in at least single precision.

    256 pixels squared exceeds float16, and bfloat16 represents integers exactly only up to 256.
    """
    check_positive("height", height)
    check_positive("width", width)
    xy = fixation_xy_px.to(torch.promote_types(fixation_xy_px.dtype, torch.float32))
    like = {"dtype": xy.dtype, "device": xy.device}
    dx = torch.arange(width, **like) + 0.5 - xy[..., :1]  # [..., W]
    dy = torch.arange(height, **like) + 0.5 - xy[..., 1:]  # [..., H]
    return dy.square()[..., :, None] + dx.square()[..., None, :]


def cutoff_cycles_per_dva(
    eccentricity_dva: Tensor, min_contrast: float = 1 / 64, decay_dva: float = 0.106, half_dva: float = 2.3
) -> Tensor:
    """Highest spatial frequency seen at full contrast, f_c(e) = e2 ln(1 / CT0) / (alpha (e + e2)).

    It solves CT(f, e) = CT0 exp(alpha f (e + e2) / e2) = 1.

    Args:
        eccentricity_dva: any shape, degrees from the fixation.
        min_contrast: CT0, threshold at zero frequency.
        decay_dva: alpha, decay of contrast sensitivity per cycle/degree.
        half_dva: e2, eccentricity at which the cut-off has fallen to half.
    Returns:
        Cycles per degree, the input's shape; 39.2 at the fixation with the default constants.
    """
    return half_dva * math.log(1 / min_contrast) / (decay_dva * (eccentricity_dva + half_dva))


def acuity_level(eccentricity_dva: Tensor, px_per_dva: float, **constants: float) -> Tensor:
    """Pyramid level that keeps exactly the visible frequencies: L(e) = max(0, log2(f_n / f_c(e))).

    f_n = px_per_dva / 2 is the Nyquist frequency of the display; level l of an octave pyramid keeps frequencies up
    to f_n / 2^l. The OpenGL implementation of the law uses f_n / f_c itself as the level; the logarithm is
    consistent with the pyramid.

    Args:
        eccentricity_dva: any shape; infinite = no fixation.
        px_per_dva: pixels per degree.
        constants: constants of `cutoff_cycles_per_dva`.
    Returns:
        Continuous levels, the input's shape: 0 = the image, unbounded above (infinite for an infinite eccentricity).
    """
    check_positive("px_per_dva", px_per_dva)
    return torch.log2(0.5 * px_per_dva / cutoff_cycles_per_dva(eccentricity_dva, **constants)).clamp_min(0)


def levels_needed(height: int, width: int, px_per_dva: float) -> int:
    """Number of levels above the image, 1 or more, that `acuity_level` can need: from one corner to the opposite."""
    farthest = torch.tensor(math.hypot(height, width) / px_per_dva, dtype=torch.float64)
    return max(1, math.ceil(acuity_level(farthest, px_per_dva)))


def transfer_level(
    eccentricity_dva: Tensor,
    levels: int = 5,
    sharpness: float = 1.5,
    half_dva: float = 2.5,
    sigma: float = 0.248,
) -> Tensor:
    """Perry and Geisler's transfer law, as used for COCO-Search18 inputs, written as a continuous level.

    With the relative resolution R = a / (e + a) and the thresholds omega_i = 2^(3-i) sigma sqrt(ln 2 / k), a pixel
    with omega_(i+1) <= R <= omega_i shows B A_(i-1) + (1 - B) A_i of the pyramid A, where
    B = (1/2 - T_(i+1)) / (T_i - T_(i+1)) and T_i = exp(-k (2^(i-3) R / sigma)^2) = 2^-(R / omega_i)^2, T beyond the
    last level being 0: that is level i - B. Above omega_1 the image is shown as it is. The far periphery tends to
    `levels` - 1/2. Deviations: no 1e-5 in B's denominator, which is never 0, so that the level is continuous; meant
    for `gaussian_levels`, whose filter is not the source's 5 x 5 kernel.

    Args:
        eccentricity_dva: any shape.
        levels: levels above the image; the source has 5.
        sharpness: k, larger = a larger sharp disc; the source uses 1.5, 3, 4 or 30.
        half_dva: a, eccentricity of half resolution.
        sigma: of the transfer functions.
    Returns:
        Continuous levels from 0 to `levels` - 1/2, the input's shape.
    """
    first = 4 * sigma * math.sqrt(math.log(2) / sharpness)  # omega_1
    below = torch.log2(first * (eccentricity_dva + half_dva) / half_dva).clamp_min(0)  # log2(omega_1 / R)
    layer = below.detach().floor().clamp(max=levels - 1)  # i - 1
    own = torch.exp2(-torch.exp2(2 * (layer - below)))  # T_i
    nxt = torch.where(layer < levels - 1, own**4, 0.0)
    return torch.where(below > 0, layer + 1 - (0.5 - nxt) / (own - nxt), 0.0)


def check_fixation(fixation_xy_px: Tensor) -> None:
    """A floating tensor of points."""
    check_tensors(fixation_xy_px=fixation_xy_px)
    if not fixation_xy_px.is_floating_point():
        raise TypeError(f"fixation_xy_px must be floating, got {fixation_xy_px.dtype}")
    if fixation_xy_px.shape[-1:] != (2,):
        raise ValueError(f"fixation_xy_px must be [..., 2] (x, y), got shape {list(fixation_xy_px.shape)}")


def check_positive(name: str, value: float) -> None:
    """A positive finite number."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
