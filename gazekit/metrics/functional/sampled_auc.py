"""The two AUCs that draw their negatives at random, after the benchmark's MATLAB code, for comparison with it."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.fixated import OnOutside, distinct, fixated_pixels
from gazekit.metrics.functional.map_settings import check_splits
from gazekit.metrics.functional.maps import as_map, check_finite, over_images, precise
from gazekit.metrics.functional.sampling import distinct_draws, uniform_draws
from gazekit.scanpath import ScanpathsLike

__all__ = ["auc_borji", "auc_shuffled_matlab"]

_STEPS = 10  # thresholds 0, 0.1, ... of the map scaled to [0, 1]; those above the samples add no area


def auc_borji(
    saliency: ArrayLike,
    fixations: ScanpathsLike,
    n_splits: int = 100,
    seed: int = 0,
    negatives: ArrayLike | None = None,
    on_outside: OnOutside = "raise",
) -> Tensor:
    """AUC of the u fixated pixels against u random ones, at 11 thresholds, averaged over random splits.

    The map is scaled to [0, 1]; thresholds are 0, 0.1, ... 1. As they are so few, the area depends on how values
    are spread, not on their order alone: a monotone transformation changes it. `auc` is its exact form.

    Source: Borji, Tavakoli, Sihite and Itti 2013 (ICCV); Bylinskii et al. 2019 (IEEE TPAMI 41, 740).

    Args:
        saliency: [..., H, W] any real map.
        fixations: [..., T] (x, y) pixels; several on one pixel count once.
        n_splits: number of splits K.
        seed: of the draws; images get draws of their own, which do not depend on the batch they are in.
        negatives: [..., K, M] instead of drawing: row-major pixel numbers, -1 = padding.
        on_outside: what becomes of fixations off the map: "raise", "drop" or "clip".
    Returns:
        [...] from 0 to 1; NaN for a constant map and for fewer than two fixated pixels.
    Raises:
        TypeError, ValueError: as `auc`, and -inf, which has no place in [0, 1]; negatives that are no pixel
            numbers.

    Example:
        >>> import torch
        >>> ramp = torch.arange(12.0).reshape(3, 4)
        >>> auc_borji(ramp, [[3, 2], [2, 1]], negatives=torch.tensor([[0, 11], [4, 5]]))
        tensor(0.8125, dtype=torch.float64)
    """
    maps = as_map("saliency", saliency).detach()
    pixels, mask = fixated_pixels(fixations, maps, on_outside)
    flat, shape = _flat(maps, pixels, mask), maps.shape[:-2]
    first = distinct(flat[1], flat[2])
    if negatives is None:
        check_splits(n_splits)
        drawn = uniform_draws(flat[1], flat[2], first, n_splits, flat[0].shape[1], seed)
    else:
        drawn = _given(negatives, shape, flat[0])
    area = _grid_area(maps, flat[0], flat[1], first, drawn)
    return torch.where(first.sum(1) > 1, area, torch.nan).reshape(shape)


def auc_shuffled_matlab(
    saliency: ArrayLike,
    fixations: ScanpathsLike,
    other_fixations: ScanpathsLike | None = None,
    n_splits: int = 100,
    seed: int = 0,
    negatives: ArrayLike | None = None,
    on_outside: OnOutside = "raise",
) -> Tensor:
    """AUC of the u fixated pixels against pixels fixated on other images, at 11 thresholds, over random splits.

    A split has min(u, m) of the m distinct pixels that were fixated on the other images, drawn without
    replacement. As `auc_borji` it depends on how values are spread. `shuffled_auc` is the exact form.

    Source: Zhang et al. 2008 (Journal of Vision 8(7):32); the sampling is that of the benchmark's MATLAB code,
    Bylinskii et al. 2019 (IEEE TPAMI 41, 740), where the other images are 10 random ones.

    Args:
        saliency: [..., H, W] any real map.
        fixations: [..., T] (x, y) pixels; several on one pixel count once.
        other_fixations: [..., M] fixations on other images, in pixels of this one: `fixations_of_other_images`.
        n_splits: number of splits K.
        seed: as in `auc_borji`.
        negatives: [..., K, M] instead of `other_fixations`: row-major pixel numbers, -1 = padding.
        on_outside: what becomes of fixations off the map, on both sides: "raise", "drop" or "clip".
    Returns:
        [...] from 0 to 1; NaN for a constant map and without a fixation on either side.
    Raises:
        TypeError, ValueError: as `auc`, and -inf, which has no place in [0, 1]; negatives that are no pixel
            numbers; both or none of `other_fixations` and `negatives`.

    Example:
        >>> import torch
        >>> ramp = torch.arange(12.0).reshape(3, 4)
        >>> auc_shuffled_matlab(ramp, [[3, 2]], [[0, 0], [1, 1]])
        tensor(1., dtype=torch.float64)
    """
    if (other_fixations is None) == (negatives is None):
        raise ValueError("either other_fixations or negatives must be given")
    maps = as_map("saliency", saliency).detach()
    pixels, mask = fixated_pixels(fixations, maps, on_outside)
    flat, shape = _flat(maps, pixels, mask), maps.shape[:-2]
    first = distinct(flat[1], flat[2])
    if negatives is None:
        check_splits(n_splits)
        _, others, others_mask = _flat(
            maps, *fixated_pixels(other_fixations, maps, on_outside, "other_fixations")
        )
        others_first = distinct(others, others_mask)
        drawn = distinct_draws(flat[1], flat[2], first, others, others_first, n_splits, seed)
    else:
        drawn = _given(negatives, shape, flat[0])
    return _grid_area(maps, flat[0], flat[1], first, drawn).reshape(shape)


def _flat(maps: Tensor, pixels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    rows = maps.flatten(-2)
    count = rows.shape[:-1].numel()
    return tuple(tensor.reshape(count, tensor.shape[-1]) for tensor in (rows, pixels, mask))


def _given(negatives: ArrayLike, shape: torch.Size, rows: Tensor) -> Tensor:
    """[R, K, M] the pixel numbers that the caller chose."""
    drawn, n_pixels = torch.as_tensor(negatives).to(rows.device), rows.shape[1]
    if drawn.is_floating_point() or drawn.is_complex() or drawn.dtype == torch.bool:
        raise TypeError(f"negatives must hold integer pixel numbers, got {drawn.dtype}")
    if drawn.dim() < 2 or drawn.shape[:-2] != shape:
        raise ValueError(f"negatives must have shape {[*shape, 'K', 'M']}, got {list(drawn.shape)}")
    if ((drawn < -1) | (drawn >= n_pixels)).any():
        raise ValueError(f"negatives must be pixel numbers from 0 to {n_pixels - 1}, or -1 for padding")
    return drawn.long().reshape(shape.numel(), *drawn.shape[-2:])


def _grid_area(maps: Tensor, rows: Tensor, pixels: Tensor, first: Tensor, drawn: Tensor) -> Tensor:
    """[R] mean over splits of the area over the fixed thresholds; NaN where either side has nothing."""

    def bounds(part: Tensor) -> Tensor:
        found = precise(torch.stack(part.aminmax(dim=1), 1))
        check_finite("saliency", found, maps)
        return found

    low, high = over_images(bounds, rows).unbind(1)
    scale = torch.where(high > low, high - low, torch.nan)[:, None]
    chosen = drawn >= 0
    positive = (precise(rows.gather(1, pixels)) - low[:, None]) / scale
    negative = precise(rows.gather(1, drawn.clamp(min=0).flatten(1)))
    negative = ((negative - low[:, None]) / scale).reshape(drawn.shape)
    points = [(torch.zeros_like(scale), torch.zeros_like(scale))]
    for step in reversed(range(_STEPS + 1)):
        threshold = step * (1 / _STEPS)
        hits = ((positive >= threshold) & first).sum(1, keepdim=True).to(scale) / first.sum(1, keepdim=True)
        alarms = ((negative >= threshold) & chosen).sum(2).to(scale) / chosen.sum(2)
        points.append((alarms, hits))
    # the lowest threshold, 0, is passed by all: the curve ends at (1, 1)
    area = sum((x - x0) * (y + y0) / 2 for (x0, y0), (x, y) in itertools.pairwise(points))
    return torch.where(scale[:, 0].isnan(), torch.nan, area.mean(1))
