"""Motion energy in two steps: all Gabors on each frame once, then the six taps as one matrix product a unit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from gazekit.kernels.motion_energy.reference import padded

__all__ = ["motion_energy_separable"]


def motion_energy_separable(frames: Tensor, spatial: Tensor, temporal: Tensor) -> Tensor:
    """[B, U, T - taps + 1, H, W]; see `motion_energy`.

    (even + i odd)(c + i s) needs each Gabor once for each frame: 2 K^2 T products a pixel and unit instead of
    2 K^2 taps (T - taps + 1), and 4 T (T - taps + 1) for the time.
    """
    b, t, h, w = frames.shape
    units, width = spatial.shape[1], spatial.shape[-1]
    seen = conv2d(padded(frames, width).flatten(0, 1)[:, None], spatial.flatten(0, 1)[:, None])
    seen = seen.view(b, t, 2, units, h * w).permute(0, 3, 2, 1, 4).reshape(b, units, 2 * t, h * w)
    both = _in_time(temporal, t) @ seen  # [B, U, 2 J, H W]
    return both.view(b, units, 2, -1, h, w).square().sum(2)


def _in_time(temporal: Tensor, frames: int) -> Tensor:
    """[U, 2 J, 2 T]: the even and odd response at each of J times from those of even and odd Gabors at T times."""
    taps = temporal.shape[-1]
    back = torch.arange(taps - 1, frames, device=temporal.device)[:, None]
    back = back - torch.arange(frames, device=temporal.device)  # [J, T] frames before now
    inside = (back >= 0) & (back < taps)
    c, s = torch.where(inside, temporal[..., back.clamp(0, taps - 1)], 0.0)  # [U, J, T] each
    return torch.cat([torch.cat([c, -s], 2), torch.cat([s, c], 2)], 1)
