"""A read-out whose Gaussian pool is searched on a grid and whose weights are a ridge regression (fwRF)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gazekit.models.brain_encoding.fitting import masked_r
from gazekit.models.brain_encoding.readouts import Readout, weighted_sum

__all__ = ["FeatureWeightedRF", "gaussian_pools"]


def gaussian_pools(
    height: int, width: int, positions: int, sigmas: Sequence[float], own_sigma: float = 0.0
) -> Tensor:
    """Gaussians of several widths at the points of a grid.

    Args:
        positions: along each side; their centres are spread over -1 ... 1, the centres of the outermost cells.
        sigmas: standard deviations in the same units (2 is the whole map).
        own_sigma: of the receptive field of a cell of the map, which widens a pool: pools are made narrower, to
            sqrt(sigma^2 - own_sigma^2), but never below a quarter of a cell.
    Returns:
        [P, height * width] pools of sum 1, the narrow ones of all positions first.
    """
    line = torch.linspace(-1, 1, positions) if positions > 1 else torch.zeros(1)
    least = 0.5 / max(height, width)
    pools = []
    for sigma in sigmas:
        narrowed = max(max(sigma**2 - own_sigma**2, 0.0) ** 0.5, least)
        x, y = (
            torch.exp(-((line[:, None] - _centres(cells)) ** 2) / (2 * narrowed**2))
            for cells in (width, height)
        )
        pools.append((y[:, None, :, None] * x[None, :, None, :]).flatten(2).flatten(0, 1))
    together = torch.cat(pools)
    return together / together.sum(1, keepdim=True)


def _centres(cells: int) -> Tensor:
    return torch.linspace(-1, 1, cells) if cells > 1 else torch.zeros(1)


class FeatureWeightedRF(Readout):
    """One Gaussian pool per voxel for all channels, and ridge weights: y_v = w_v . (sum_n g_vn x_n) + b_v.

    Source: St-Yves & Naselaris 2018 (NeuroImage), the feature-weighted receptive field. Pool and penalty of a voxel
    are those of the highest correlation with held-out responses. Maps of several layers go in as one map, channels
    behind one another. It learns in closed form, by `fit`, not by `fit_readout`. Deviations: candidates are judged by
    r, and pools reach only as far as the map.

    Args:
        shape: C, H, W of the maps.
        voxels: V.
        positions, sigmas, own_sigma: of the candidates, see `gaussian_pools`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        voxels: int,
        positions: int = 7,
        sigmas: Sequence[float] = (0.1, 0.2, 0.4, 0.8, 1.6),
        own_sigma: float = 0.0,
    ) -> None:
        super().__init__(shape, voxels)
        if positions < 1 or not sigmas or min(sigmas) <= 0:
            raise ValueError(f"positions and sigmas must be positive, got {positions} and {list(sigmas)}")
        channels, height, width = self.shape
        self.register_buffer("pools", gaussian_pools(height, width, positions, sigmas, own_sigma))  # [P, N]
        self.register_buffer("pool", torch.zeros(self.voxels, dtype=torch.long))
        self.register_buffer("alpha", torch.full((self.voxels,), torch.nan))
        self.register_buffer("weight", torch.zeros(self.voxels, channels))
        self.register_buffer("bias", torch.zeros(self.voxels))

    def fit(
        self,
        features: Tensor,
        response: Tensor,
        val: tuple[Tensor, Tensor],
        alphas: Sequence[float] = (1.0, 10.0, 1e2, 1e3, 1e4, 1e5),
        progress: Callable[[float], None] | None = None,
    ) -> Tensor:
        """Try all pools and penalties.

        Args:
            features: [n, C, H, W] of the training pictures.
            response: [n, V].
            val: the same of held-out pictures.
            alphas: penalties of the squared weights of standardised features.
            progress: told the share that is done.
        Returns:
            [V] held-out correlation of what was chosen. A voxel without any (constant) keeps weight 0, and NaN.
        Raises:
            ValueError: a training response is NaN: fit the voxels that lack other pictures apart.
        """
        if response.isnan().any():
            raise ValueError("a training response is NaN: fit voxels with other missing pictures apart")
        self.standardise(features, response)
        target = (response.to(self.response_mean) - self.response_mean) / self.response_scale
        tokens, held = (self.standardised(maps).flatten(2) for maps in (features, val[0]))
        best = target.new_full((self.voxels,), -torch.inf)
        for number, pool in enumerate(self.pools):
            for alpha, weight, bias in _ridges(tokens @ pool, target, alphas):
                r = masked_r((held @ pool) @ weight.T + bias, val[1]).to(best)
                better = r > best
                best = torch.where(better, r, best)
                self.pool[better], self.alpha[better] = number, alpha
                self.weight[better], self.bias[better] = weight[better], bias[better]
            if progress:
                progress((number + 1) / len(self.pools))
        return torch.where(best.isfinite(), best, torch.nan)

    def places(self) -> Tensor:
        """[V, H * W] the pool of each voxel."""
        return self.pools[self.pool]

    def read(self, maps: Tensor) -> Tensor:
        return weighted_sum(maps, self.places(), self.weight) + self.bias

    def attention(self, maps: Tensor) -> Tensor:
        return self.places().expand(len(self.checked(maps)), -1, -1)


def _ridges(x: Tensor, y: Tensor, alphas: Sequence[float]) -> list[tuple[float, Tensor, Tensor]]:
    """Penalty, weights [V, C] and intercepts [V] of ridge regressions of y [n, V] on x [n, C], for each penalty."""
    mean, y_mean = x.mean(0), y.mean(0)
    u, s, vt = torch.linalg.svd(x - mean, full_matrices=False)
    turned = u.T @ (y - y_mean)  # [K, V]
    found = []
    for alpha in alphas:
        weight = (vt.T @ (turned * (s / (s**2 + alpha))[:, None])).T
        found.append((alpha, weight, y_mean - weight @ mean))
    return found
