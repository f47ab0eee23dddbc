"""Means over the voxels of regions with intervals over pictures and over subjects, in bounded memory.

Of each voxel only moments of blocks of pictures are kept. Up to a limit of memory every picture (group) is a block of
its own; more are dealt out to the blocks in turn, at least 32, which makes intervals about 2 % too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gazekit.metrics import Score
from gazekit.metrics.bootstrap import bootstrap_draws
from gazekit.metrics.functional.moments import block_moments, merge_moments

__all__ = ["PictureBlocks", "drawn_blocks", "over_subjects", "region_draws", "region_means"]

_BLOCKS = 32
_MOMENTS = 7  # count, two means, 2 x 2 products
_BYTES = 32 * 2**20
_VOXELS = 1024  # at once, in a bootstrap

Statistic = Callable[[slice], Callable[[Tensor], Tensor]]
"""Which v voxels, to a function from how often each block is drawn [R, W] to M measures of them [M, R, v]."""


class PictureBlocks:
    """Which block a picture belongs to, in the order in which pictures come.

    Args:
        voxels: V; the moments of all blocks take at most 32 MiB, or those of 32 blocks.
    """

    def __init__(self, voxels: int) -> None:
        self.most = max(_BLOCKS, _BYTES // (8 * _MOMENTS * max(1, voxels)))
        self.voxels = voxels
        self._number: dict[int, int] = {}

    def __len__(self) -> int:
        """Number of blocks that have pictures."""
        return min(self.most, len(self._number))

    @property
    def pictures(self) -> int:
        """Number of pictures (groups)."""
        return len(self._number)

    def of(self, group: Tensor) -> Tensor:
        """[n] blocks of pictures by their groups [n]."""
        numbers = [self._number.setdefault(int(g), len(self._number)) for g in group]
        return torch.tensor(numbers, dtype=torch.long) % self.most

    def empty(self) -> Tensor:
        """[7, W, V] moments of nothing, of all blocks that there may be."""
        return torch.zeros(_MOMENTS, self.most, self.voxels, dtype=torch.float64)

    def add(self, state: Tensor, block: Tensor, prediction: Tensor, response: Tensor) -> None:
        """Add pictures [n, V] to moments in place; NaN responses are left out."""
        used, place = block.unique(return_inverse=True)
        prediction, response = prediction.double(), response.double()
        new = block_moments(place, len(used), ~response.isnan(), prediction, response)
        state[:, used] = merge_moments(torch.stack([state[:, used], new]))


def drawn_blocks(blocks: int, n_resamples: int, seed: int) -> Tensor:
    """[R, W] how often each block is drawn, the same for all rows of a report, so that they can be subtracted."""
    return torch.cat(list(bootstrap_draws(blocks, n_resamples, seed)))


def region_draws(statistic: Statistic, draws: Tensor, members: Tensor) -> Tensor:
    """[R, M, K] means over the voxels of regions in each draw.

    Args:
        statistic: of blocks drawn, voxel by voxel; NaN where undefined, which the mean leaves out.
        draws: [R, W].
        members: [M, V, K] bool, the voxels of each of K regions that count for each of M measures.
    """
    measures, voxels, regions = members.shape
    total = torch.zeros(len(draws), measures, regions, dtype=torch.float64)
    number = torch.zeros_like(total)
    rows = max(1, _BYTES // (8 * 4 * _MOMENTS * min(_VOXELS, max(1, voxels))))
    for start in range(0, voxels, _VOXELS):
        chosen = slice(start, start + _VOXELS)
        weight, of = members[:, chosen].double(), statistic(chosen)
        for first in range(0, len(draws), rows):
            part = slice(first, first + rows)
            values = of(draws[part])
            known = ~values.isnan()
            total[part] += torch.einsum("mrv,mvk->rmk", torch.where(known, values, 0.0), weight)
            number[part] += torch.einsum("mrv,mvk->rmk", known.double(), weight)
    return total / number


def region_means(values: Tensor, members: Tensor) -> Tensor:
    """[M, K] means of values [M, V] over the voxels of regions [M, V, K]; NaN for none."""
    weight = (members & ~values.isnan()[..., None]).double()
    return torch.einsum("mv,mvk->mk", values.nan_to_num(0.0), weight) / weight.sum(1)


def over_subjects(values: Tensor) -> Score:
    """The mean of [S] subjects with its 95 % interval by Student's t.

    Subjects without a value are left out and counted as undefined. One subject has no interval (NaN); two have one of
    9 standard deviations to either side.
    """
    from scipy.stats import t as student

    known = values[values.isfinite()].double()
    lost = len(values) - len(known)
    mean = float(known.mean()) if len(known) else math.nan
    if len(known) < 2:
        return Score(mean, math.nan, math.nan, len(known), lost)
    half = float(student.ppf(0.975, len(known) - 1) * known.std() / math.sqrt(len(known)))
    return Score(mean, mean - half, mean + half, len(known), lost)
