"""The pooling window of every output pixel of an eccentricity-dependent layer.

Source: Gupta, Zhang, Wu, Wolfe and Kreiman 2021 (NeurIPS, arXiv 2106.02953), the eccNET network.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.kernels.foveate.acuity import check_fixation, check_positive, squared_distance_px

__all__ = ["Ring", "eccentric_rings", "eccentric_windows"]

SMALLEST_WINDOW, STRIDE = 2, 2


class Ring(NamedTuple):
    """A ring of output pixels with the same pooling window.

    Args:
        radius_px: outer radius (exclusive), in output pixels from the centre; infinite for the last ring.
        window_px: side of the pooling window, input pixels.
    """

    radius_px: float
    window_px: int


def eccentric_rings(
    side_px: int, px_per_dva: float, slope: float, fovea_dva: float = 4.0, ring_dva: float = 1.0
) -> list[Ring]:
    """The rings of a layer from the fovea outwards.

    With O = ceil(side / 2) output pixels per side, the foveal disc ends at e_0 = round(F p / 2) output pixels and
    ring k at e_k = e_0 + k round(q p / 2) as long as that is below O / 2; the last covers the rest. Ring k has the
    window r_k = 2 + round(g (2 e_k - F p)), the fovea 2. A layer with e_0 > O / 2 has window 2 throughout. `round`
    goes to the even neighbour at a half.

    Args:
        side_px: side of the layer's input; of the longer side if it is not square (the source pads to a square).
        px_per_dva: p, pixels of the layer's input per degree; the source rounds it.
        slope: g, growth of the window per pixel of 2 e.
        fovea_dva: F, the radius of the foveal disc in degrees.
        ring_dva: q, the width of a ring in degrees.
    Raises:
        ValueError: side_px, px_per_dva, fovea_dva or ring_dva is not positive and finite, the slope is negative, or
            a ring is narrower than half an output pixel.
    """
    for name, value in zip(
        ("side_px", "px_per_dva", "fovea_dva", "ring_dva"),
        (side_px, px_per_dva, fovea_dva, ring_dva),
        strict=True,
    ):
        check_positive(name, value)
    if not 0 <= slope < float("inf"):
        raise ValueError(f"slope must be 0 or more and finite, got {slope!r}")
    half, end, step = (
        (side_px + 1) // 2 / 2,
        round(fovea_dva * px_per_dva / 2),
        round(ring_dva * px_per_dva / 2),
    )
    if end > half:
        return [Ring(float("inf"), SMALLEST_WINDOW)]
    if step < 1:
        raise ValueError(
            f"ring_dva * px_per_dva / 2 must round to 1 or more pixels, got {ring_dva * px_per_dva / 2}"
        )
    rings, end = [Ring(end, SMALLEST_WINDOW)], end + step
    while True:
        window = SMALLEST_WINDOW + round(slope * (2 * end - fovea_dva * px_per_dva))
        if end >= half:
            return [*rings, Ring(float("inf"), window)]
        rings.append(Ring(end, window))
        end += step


def eccentric_windows(
    height: int,
    width: int,
    px_per_dva: float,
    slope: float,
    fixation_xy_px: Tensor | None = None,
    **rings: float,
) -> Tensor:
    """The window of every output pixel of `eccentric_avg_pool2d`.

    Args:
        height, width: of the layer's input.
        px_per_dva, slope, rings: as in `eccentric_rings`.
        fixation_xy_px: [B, 2] centre of the rings in pixels of the layer's input; None: the source's centre,
            output pixel floor(O / 2) on both axes. Output pixel i corresponds to input pixels 2 i and 2 i +
            1.
    Returns:
        [B, ceil(height / 2), ceil(width / 2)] int64, B = 1 without a fixation. A pixel at distance d belongs to the
        first ring with d < e_k. There is no gradient to the fixation: windows are whole pixels.
    Raises:
        TypeError, ValueError: as `eccentric_rings`, or the fixation is not [B, 2], floating and finite.
    """
    rows, columns = (height + 1) // STRIDE, (width + 1) // STRIDE
    table = eccentric_rings(max(height, width), px_per_dva, slope, **rings)
    if fixation_xy_px is None:
        centre = torch.tensor([[columns // 2 + 0.5, rows // 2 + 0.5]])
    else:
        check_fixation(fixation_xy_px)
        if fixation_xy_px.ndim != 2 or not fixation_xy_px.isfinite().all():
            raise ValueError(f"fixation_xy_px must be finite [B, 2], got shape {list(fixation_xy_px.shape)}")
        centre = fixation_xy_px.detach() / STRIDE
    distance = squared_distance_px(centre, rows, columns)
    ends = torch.tensor([ring.radius_px**2 for ring in table], dtype=distance.dtype, device=centre.device)
    windows = torch.tensor([ring.window_px for ring in table], device=centre.device)
    return windows[torch.bucketize(distance, ends, right=True)]
