"""Motion energy of units with Gabors in space and damped oscillations in time, trainable through every parameter."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from gazekit.kernels.dispatch import check_tensors
from gazekit.kernels.motion_energy.filters import (
    SCALE,
    SIGMA_PX,
    TAU_FRAMES,
    scaled_frames,
    spatial_pairs,
    temporal_pairs,
)
from gazekit.kernels.motion_energy.reference import motion_energy_reference
from gazekit.kernels.motion_energy.separable import motion_energy_separable

__all__ = [
    "SCALE",
    "SIGMA_PX",
    "TAU_FRAMES",
    "motion_energy",
    "scaled_frames",
    "spatial_pairs",
    "temporal_pairs",
]


def motion_energy(
    frames: Tensor, spatial: Tensor, temporal: Tensor, impl: Literal["auto", "reference"] = "auto"
) -> Tensor:
    """Energy of motion in each unit's direction, at every pixel and time:

        e = (even * I) * c - (odd * I) * s,    o = (even * I) * s + (odd * I) * c,    E = e^2 + o^2

    Gabors are correlated with the frame, temporal filters convolved with the past; so the preferred direction is
    that of theta, and the preferred speed temporal / spatial frequency. There is no opponent stage.

    Source: Sun et al. 2023 (NeurIPS, arXiv 2305.09156). The spontaneous rate is added by the caller. Deviation: edges
    of the frames are repeated, so that a uniform field has no energy anywhere. There is no Triton kernel yet.

    Args:
        frames: [B, T, H, W] luminance.
        spatial: [2, U, K, K] even and odd Gabors, K odd; see `spatial_pairs`.
        temporal: [2, U, taps] even and odd filters, now first; see `temporal_pairs`.
        impl: "auto", in two steps; "reference", the definition.
    Returns:
        [B, U, T - taps + 1, H, W] at the frames taps - 1 ... T - 1.
    Raises:
        ValueError: shapes that do not fit, fewer frames than taps, an unknown `impl`.
        TypeError: not tensors, or of several dtypes.

    Example:
        >>> import torch
        >>> one = torch.ones(1)
        >>> spatial = spatial_pairs(3 * one, one, one / 8, 0 * one)
        >>> temporal = temporal_pairs(one / 8, 2 * one)
        >>> x, t = torch.arange(32.0), torch.arange(6.0)[:, None, None]
        >>> right = torch.cos(2 * torch.pi * (x - t) / 8).expand(1, 6, 32, 32)    # 1 px per frame
        >>> energy = [motion_energy(clip, spatial, temporal)[0, 0, 0, 16, 16] for clip in (right, right.flip(3))]
        >>> bool(energy[0] > 4 * energy[1])
        True
    """
    check_tensors(frames=frames, spatial=spatial, temporal=temporal)
    if frames.dim() != 4:
        raise ValueError(f"frames must be [B, T, H, W], got {list(frames.shape)}")
    if (
        spatial.dim() != 4
        or len(spatial) != 2
        or spatial.shape[2] != spatial.shape[3]
        or not spatial.shape[3] % 2
    ):
        raise ValueError(f"spatial must be [2, U, K, K] with K odd, got {list(spatial.shape)}")
    if temporal.dim() != 3 or temporal.shape[:2] != spatial.shape[:2]:
        raise ValueError(f"temporal must be [2, U={spatial.shape[1]}, taps], got {list(temporal.shape)}")
    if frames.shape[1] < temporal.shape[2]:
        raise ValueError(f"{temporal.shape[2]} taps need as many frames, got {frames.shape[1]}")
    if not frames.dtype == spatial.dtype == temporal.dtype:
        raise TypeError(
            f"frames and filters must have one dtype, got {frames.dtype}, {spatial.dtype}, {temporal.dtype}"
        )
    if impl not in ("auto", "reference"):
        raise ValueError(f"impl must be 'auto' or 'reference', got {impl!r}; there is no Triton kernel yet")
    return (motion_energy_reference if impl == "reference" else motion_energy_separable)(
        frames, spatial, temporal
    )
