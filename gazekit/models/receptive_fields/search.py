"""Where a fit begins: the best of a grid of Gaussians, and the response function that makes all voxels likeliest."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.models.receptive_fields.fields import Frames, gaussian_sums
from gazekit.models.receptive_fields.hemodynamics import CANONICAL, Hemodynamics, responses

__all__ = ["Found", "best_of_grid", "candidate_drives", "candidates", "chosen_by_training", "likely_hrf"]

ACROSS, DOWN = 30, 18  # centres
SDS_DVA = (0.3, 0.45, 0.65, 0.9, 1.3, 1.8, 2.6, 3.7, 5.0)
PEAKS_S, WIDTHS_S, UNDERSHOOTS = (2.0, 2.75, 3.5, 4.25, 5.0), (0.7, 1.3, 2.0), (0.15, 0.35)
TELLING = 0.7  # r from which a voxel has a say in the response function
_CHUNK = 1024


class Found(NamedTuple):
    """Best candidates. r2: [V], 0 where the response is constant. which: [V] rows of the candidates."""

    r2: Tensor
    which: Tensor


def candidates(half_screen_dva: Sequence[float]) -> Tensor:
    """[K, 3] x, y, sd in degrees: a grid that reaches 7 % beyond the screen."""
    width, height = (1.07 * half for half in half_screen_dva)
    return torch.cartesian_prod(
        torch.linspace(-width, width, ACROSS), torch.linspace(-height, height, DOWN), torch.tensor(SDS_DVA)
    )


def candidate_drives(frames: Frames, grid: Tensor) -> Tensor:
    """[T, K]."""
    return torch.cat([gaussian_sums(frames, *part.T) for part in grid.split(_CHUNK)], 1)


def best_of_grid(predicted: Tensor, response: Tensor) -> Found:
    """The candidate [T, K] with the largest r^2 with each response [T, V]: amplitudes may be negative."""
    candidate, measured = _unit(predicted), _unit(response)
    best = [part.T.matmul(candidate).square().max(1) for part in measured.split(_CHUNK, 1)]
    r2, which = (torch.cat([getattr(found, name) for found in best]) for name in ("values", "indices"))
    return Found(r2, which)


def likely_hrf(drives: Tensor, response: Tensor, time: Tensor, tr_s: float) -> tuple[float, float, float]:
    """Peak (s), width (s) and undershoot of the likeliest response function, each voxel with its best candidate.

    The log likelihood with Gaussian noise of unknown size is, up to constants, -T/2 log(1 - r^2). Only voxels with r
    above .7 under the canonical response count. Where the bar passes each place once, a later response and a shifted
    field look alike; the volumes in which the bar comes back tell them apart.

    Args:
        drives: [T, K] of the candidates. response: [B, V], at the volumes `time` [B].
    """
    first = best_of_grid(responses(drives, Hemodynamics.of(CANONICAL, tr_s))[time], response)
    telling = response[:, first.r2.sqrt() > TELLING]
    few = drives[:, ::2]  # every other size at each place, which is enough to compare response functions
    if not telling.shape[1]:
        return CANONICAL
    losses = {}
    for shape in itertools.product(PEAKS_S, WIDTHS_S, UNDERSHOOTS):
        r2 = best_of_grid(responses(few, Hemodynamics.of(shape, tr_s))[time], telling).r2
        losses[shape] = float(torch.log1p(-r2.clamp(max=1 - 1e-6)).sum())
    return min(losses, key=losses.get)


def chosen_by_training(drives: Tensor, response: Tensor, hrf: Tensor, folds: int, gap: int) -> Tensor:
    """[V] r of responses with cross-validated predictions of the best candidate; NaN where a response is constant.

    Folds are stretches of time; a candidate, its amplitude and baseline are fitted to the other volumes without the
    `gap` ones on both sides.

    Args:
        drives: [T, K]. response: [T, V]. hrf: [L].
    """
    predicted = responses(drives, hrf)
    time = torch.arange(len(response))
    said = torch.zeros_like(response)
    for held in time.tensor_split(folds):
        used = (time < held[0] - gap) | (time > held[-1] + gap)
        found = best_of_grid(predicted[used], response[used])
        own = predicted[:, found.which]
        centred = own[used] - own[used].mean(0)
        slope = (centred * response[used]).sum(0) / centred.square().sum(0).clamp(min=1e-12)
        said[held] = (own[held] - own[used].mean(0)) * slope + response[used].mean(0)
    r = (_unit(said) * _unit(response)).sum(0)
    return torch.where(response.std(0) > 0, r, torch.nan)


def _unit(x: Tensor) -> Tensor:
    """Centred over time and of length 1; 0 where constant."""
    x = x - x.mean(0)
    return x / x.norm(dim=0).clamp(min=1e-9)
