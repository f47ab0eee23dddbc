"""Motion energy in two steps beside its definition, one 3-D convolution with filters in space and time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gazekit.harness import Case
from gazekit.kernels.motion_energy import motion_energy, spatial_pairs, temporal_pairs

__all__ = ["Sizes", "cases"]


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        units: numbers of units; the published bank has 32 on a level.
        side_px: of the square frames.
        clips: per call, of `frames` each.
    """

    units: tuple[int, ...] = (8, 32)
    side_px: int = 64
    clips: int = 4
    frames: int = 11


def cases(device: str, sizes: Sizes | None = None) -> list[Case]:
    """Each number of units, forward and forward + backward."""
    sizes = sizes or Sizes()
    return [case for units in sizes.units for case in _pair(units, sizes, device)]


def _pair(units: int, sizes: Sizes, device: str) -> list[Case]:
    draw = torch.Generator().manual_seed(units)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(units, generator=draw)

    one = torch.ones(units)
    spatial = spatial_pairs(between(4, 5), one, between(0.05, 0.2), between(0, 6.28)).to(device)
    temporal = temporal_pairs(between(0.05, 0.2), between(1, 3)).to(device)
    clips = torch.rand(sizes.clips, sizes.frames, sizes.side_px, sizes.side_px, generator=draw).to(device)

    def forward(impl: str) -> Tensor:
        return motion_energy(clips, spatial, temporal, impl)

    def trained(impl: str) -> Tensor:
        leaves = [x.clone().requires_grad_() for x in (spatial, temporal)]
        energy = motion_energy(clips, *leaves, impl)
        energy.sum().backward()
        return energy.detach()

    return [
        Case(
            f"motion_energy {units} units, {what}",
            lambda run=run: run("auto"), sizes.clips, "clip", "conv3d",
            lambda run=run: run("reference"), sizes.clips, _agreement,
        )
        for what, run in (("forward", forward), ("forward and backward", trained))
    ]  # fmt: skip


def _agreement(ours: Tensor, reference: Tensor) -> dict[str, float]:
    return {"largest_difference": float((ours - reference).abs().max() / reference.abs().max())}
