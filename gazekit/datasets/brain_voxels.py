"""Voxels whose responses are known: three ways to take features from the places of a picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["KINDS", "Voxels", "cell_centres"]

KINDS = ("retinotopic", "content_routed", "whole_picture")
GAIN = 2.5  # of the detector in the softmax over places
POOL_SD = (0.06, 0.16)  # smallest and largest, as a share of the picture's side


def cell_centres(height: int, width: int) -> Tensor:
    """[H * W, 2] centres (x, y) of the cells of a map, row by row, as shares of the picture."""
    y, x = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )
    return torch.stack([x, y], -1).reshape(-1, 2)


class Voxels(NamedTuple):
    """The voxels of one person, V of each kind of `KINDS`, in this order.

    Args:
        xy, sd: [V, 2] and [V] centres and sds of the pools of the retinotopic ones, as shares of the picture.
        weight: [3, K, V] how much of each component they answer to.
    """

    xy: Tensor
    sd: Tensor
    weight: Tensor

    @classmethod
    def sample(cls, seed: list[int], count: int, components: int) -> Voxels:
        """Pools anywhere in the picture, weights without a preference."""
        draw = np.random.default_rng(seed)
        xy, sd = draw.uniform(0.1, 0.9, (count, 2)), draw.uniform(*POOL_SD, count)
        weight = draw.normal(0, 1, (len(KINDS), components, count))
        return cls(*(torch.from_numpy(values).float() for values in (xy, sd, weight)))

    def hemisphere(self) -> np.ndarray:
        """[3 V] 0 left, 1 right: pools on the right are seen on the left; the others alternate."""
        others = np.arange(2 * len(self.xy)) % 2
        return np.concatenate([self.xy[:, 0].numpy() < 0.5, others]).astype(int)

    def signal(self, components: Tensor, face: Tensor, size: tuple[int, int], fixation_xy: Tensor) -> Tensor:
        """[n, 3 V] responses without noise, up to a constant and a factor of each voxel.

        - retinotopic: components in a Gaussian pool, sum_t G(t) w.f_t; the pool moves with the eye.
        - content-routed: components where the detector finds a face, sum_t softmax_t(GAIN d_t) w.f_t.
        - whole-picture: the mean over places through a compressive nonlinearity, sign(m) |m|^(1/2) of m = w.mean f_t.

        Args:
            components, face: [n, T, K] and [n, T], see `brain_world.Front`.
            size: rows and columns of the T cells.
            fixation_xy: [n, 2] where people looked, (0.5, 0.5) is the middle.
        """
        at = cell_centres(*size)
        shifted = self.xy + (fixation_xy - 0.5)[:, None]  # [n, V, 2]
        apart = ((at - shifted[:, :, None]) ** 2).sum(-1)
        pool = torch.exp(-apart / (2 * self.sd[:, None] ** 2))
        unmoved = torch.exp(-((at - self.xy[:, None]) ** 2).sum(-1) / (2 * self.sd[:, None] ** 2)).sum(-1)
        answers = torch.einsum("ntk,kv->nvt", components, self.weight[0])
        retinotopic = (pool * answers).sum(-1) / unmoved
        routed = torch.einsum("nt,ntk->nk", torch.softmax(GAIN * face, 1), components) @ self.weight[1]
        mean = components.mean(1) @ self.weight[2]
        return torch.cat([retinotopic, routed, mean.sign() * mean.abs().sqrt()], 1)
