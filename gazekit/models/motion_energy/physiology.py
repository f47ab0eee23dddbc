"""Experiments on the model as on a visual area: gratings, plaids, and motion that people see the other way round.

Directions are radians from the x axis towards y, which points down; responses are those in the middle of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gazekit.base import System
from gazekit.datasets.motion_world import Clip, grating, plaid
from gazekit.metrics.functional.moments import moments
from gazekit.metrics.functional.motion import partial_correlation
from gazekit.models.motion_energy.bank import MotionEnergy

__all__ = ["Physiology", "grating_energy", "measure", "pattern_index"]

DIRECTIONS = 16
SPATIAL, SPEED = 0.08, 1.5
"""Of gratings and of plaids' components: cycles per px, px per frame."""
HALF_ANGLE = np.pi / 3
"""Between a plaid's direction and that of each component."""
SIZE_PX = (48, 48)


class Physiology(NamedTuple):
    """What was measured; S = stage I and each iteration.

    Args:
        directions: [D] radians.
        tuning: [S, D, C] responses to gratings.
        plaid_tuning: [S, D, C] to plaids.
        pattern: [S, C] `pattern_index` of each unit.
        plaid_speed: [S] decoded speed of plaids over the true one.
        plaid_error_deg: [S] mean angle between the decoded and the true direction of plaids.
    """

    directions: np.ndarray
    tuning: Tensor
    plaid_tuning: Tensor
    pattern: Tensor
    plaid_speed: Tensor
    plaid_error_deg: Tensor


@torch.no_grad()
def grating_energy(
    bank: MotionEnergy,
    spatial: Sequence[float],
    temporal: Sequence[float],
    theta: Sequence[float],
    phase: Sequence[float] | None = None,
    level: int = 0,
    size_px: tuple[int, int] = SIZE_PX,
) -> Tensor:
    """[G, U] energy of the units of one level for drifting gratings, at the middle pixel and the last time.

    Args:
        bank: of which the units are.
        spatial: [G] cycles per px of the *scaled* picture of that level; `temporal` [G] cycles per frame.
        theta: [G] directions; `phase` [G], 0 by default.
        level: from 0.
        size_px: of the scaled picture.
    """
    from gazekit.kernels.motion_energy import motion_energy

    phase = np.zeros(len(theta)) if phase is None else phase
    frames = bank.taps + 1 - bank.taps % 2
    clips = [
        grating(size_px, frames, *one, contrast=1.0).frames
        for one in zip(spatial, temporal, theta, phase, strict=True)
    ]
    filters = bank.filters()
    frames = torch.from_numpy(np.stack(clips)).to(filters[0][level].dtype)
    energy = motion_energy(frames, filters[0][level], filters[1][level], bank.impl)
    return energy[:, :, -1, size_px[1] // 2, size_px[0] // 2]


@torch.no_grad()
def measure(system: System, phases: int = 4) -> Physiology:
    """Gratings and plaids in `DIRECTIONS` directions, means over phases.

    The plaids' components have the gratings' frequencies; so a plaid moves at twice their speed.
    """
    frames = int(system.facts["frames"])
    directions = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    temporal = SPATIAL * SPEED
    turns = np.arange(phases) * 2 * np.pi / phases
    single = [grating(SIZE_PX, frames, SPATIAL, temporal, d, p) for d in directions for p in turns]
    double = [
        plaid(SIZE_PX, frames, [SPATIAL] * 2, [temporal] * 2, [d - HALF_ANGLE, d + HALF_ANGLE], [p, 2 * p])
        for d in directions
        for p in turns
    ]
    tuning, _ = _answers(system, single, phases)
    plaid_tuning, flow = _answers(system, double, phases)
    true = torch.from_numpy(np.stack([np.cos(directions), np.sin(directions)], 1)).to(flow)
    speed = flow.norm(dim=2)
    cosine = (flow * true).sum(2) / speed.clamp(min=1e-9)
    return Physiology(
        directions,
        tuning,
        plaid_tuning,
        pattern_index(tuning, plaid_tuning),
        speed.mean(1) / (SPEED / np.cos(HALF_ANGLE)),
        cosine.clamp(-1, 1).acos().rad2deg().mean(1),
    )


def pattern_index(tuning: Tensor, plaid_tuning: Tensor) -> Tensor:
    """Z_p - Z_c of units: do plaids excite them like a grating in the pattern's direction, or like both components?

    Partial correlations of the tuning for plaids with either prediction, given the other, in Fisher's z, scaled by the
    root of the number of directions - 3. Above 1.28: a pattern unit; below -1.28: a component unit.

    Source: Movshon et al. 1985 (Pattern Recognition Mechanisms, 117); Smith, Majaj and Movshon 2005 (Nature
    Neuroscience 8, 220).

    Args:
        tuning: [..., D, C] responses to gratings in D evenly spaced directions.
        plaid_tuning: likewise to plaids, whose components lie `HALF_ANGLE` to both sides.
    Returns:
        [..., C]; NaN for a unit without tuning.
    """
    number = tuning.shape[-2]
    steps = HALF_ANGLE / (2 * np.pi) * number
    component = _turned(tuning, steps) + _turned(tuning, -steps)
    sides = [x.double().movedim(-2, 0) for x in (plaid_tuning, tuning, component)]
    z = []
    for order in ((0, 1, 2), (0, 2, 1)):
        r = partial_correlation(moments(*(sides[k] for k in order)))
        z.append((r.clamp(-0.9999, 0.9999)).atanh() * (number - 3) ** 0.5)
    return z[0] - z[1]


def _turned(tuning: Tensor, steps: float) -> Tensor:
    """Tuning [..., D, C] around the circle by a number of steps, interpolated linearly."""
    whole = int(np.floor(steps))
    share = steps - whole
    return (1 - share) * tuning.roll(whole, -2) + share * tuning.roll(whole + 1, -2)


def _answers(system: System, clips: list[Clip], phases: int) -> tuple[Tensor, Tensor]:
    """[S, D, C] codes and [S, D, 2] flows around the middle, means over phases."""
    frames = torch.from_numpy(np.stack([clip.frames for clip in clips])).to(next(system.parameters()))
    codes, flows = [], []
    for part in frames.split(16):
        found = system.sequence(part)
        codes.append(torch.stack([_middle(code) for code in found.codes]))
        flows.append(torch.stack([_middle(flow) for flow in found.convex]))
    return tuple(torch.cat(x, 1).unflatten(1, (-1, phases)).mean(2) for x in (codes, flows))


def _middle(maps: Tensor) -> Tensor:
    """[B, C] the mean over the middle quarter of each side."""
    h, w = maps.shape[-2:]
    return maps[..., 3 * h // 8 : 5 * h // 8 + 1, 3 * w // 8 : 5 * w // 8 + 1].mean((-2, -1))
