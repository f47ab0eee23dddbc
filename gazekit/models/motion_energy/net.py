"""The two stages with their decoder: clips to a sequence of flows, from stage I and each iteration of stage II."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gazekit.models.motion_energy.bank import MotionEnergy
from gazekit.models.motion_energy.decoder import ConvexUpsampling, FlowDecoder, bilinear_flow
from gazekit.models.motion_energy.integration import GraphMotionIntegration

__all__ = ["FlowSequence", "MotionNet", "flow_loss", "sequence_loss"]

LONGEST = 400.0
"""Flow of this length or more, in px per frame, does not count in the loss."""


class FlowSequence(NamedTuple):
    """K + 1 flows [B, 2, H, W] in px per frame: of stage I, then of each iteration.

    Args:
        convex: up-sampled by learned weights (stage I: interpolated).
        bilinear: interpolated.
        codes: the population codes [B, C, h, w] that were decoded.
    """

    convex: list[Tensor]
    bilinear: list[Tensor]
    codes: list[Tensor]


class MotionNet(nn.Module):
    """Luminance [B, T, H, W] to flow; sides are multiples of 8 px.

    Args:
        levels: scales of stage I; units: of each.
        frames: T.
        iterations: K of stage II.
        grid_px: side of a place.
    """

    def __init__(
        self, levels: int = 8, units: int = 32, frames: int = 11, iterations: int = 6, grid_px: int = 8
    ) -> None:
        super().__init__()
        channels = levels * units
        self.grid_px = grid_px
        self.bank = MotionEnergy(levels, units, frames, grid_px=grid_px)
        self.integration = GraphMotionIntegration(channels, iterations)
        self.decoder = FlowDecoder(channels)
        self.upsampling = ConvexUpsampling(channels, grid_px)

    def forward(self, frames: Tensor) -> FlowSequence:
        """All flows.

        Raises:
            ValueError: sides that are not multiples of `grid_px`.
        """
        if any(side % self.grid_px for side in frames.shape[-2:]):
            raise ValueError(
                f"height and width must be multiples of {self.grid_px} px, got {list(frames.shape[-2:])}"
            )
        energy = self.bank(frames)
        codes, features = self.integration(energy)
        coarse = [self.decoder(code) for code in (energy, *codes)]
        bilinear = [bilinear_flow(flow, self.grid_px) for flow in coarse]
        convex = [self.upsampling(flow, feature) for flow, feature in zip(coarse[1:], features, strict=True)]
        return FlowSequence([bilinear[0], *convex], bilinear, [energy, *codes])


def sequence_loss(flows: list[Tensor], true_flow: Tensor, decay: float = 0.85) -> Tensor:
    """Mean absolute error in u and v of each flow [B, 2, H, W], of which later ones weigh more: decay^(K - 1 - i).

    Pixels whose truth is not finite, or at least `LONGEST`, are left out; 0 if there are no others.
    """
    valid = true_flow.isfinite().all(1) & (true_flow.nan_to_num().square().sum(1) < LONGEST**2)
    known = torch.where(valid[:, None], true_flow, 0.0)
    weight = torch.tensor([decay ** (len(flows) - 1 - i) for i in range(len(flows))])
    errors = [
        torch.where(valid, (flow - known).abs().sum(1), 0.0).sum() / (2 * valid.sum().clamp(min=1))
        for flow in flows
    ]
    return (torch.stack(errors) * weight.to(errors[0])).sum() / weight.sum()


def flow_loss(sequence: FlowSequence, true_flow: Tensor) -> Tensor:
    """Mean of `sequence_loss` of both ways of up-sampling."""
    return (sequence_loss(sequence.convex, true_flow) + sequence_loss(sequence.bilinear, true_flow)) / 2
