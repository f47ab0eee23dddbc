"""Scores of single fixations, each by the map that a model gave for it from the fixations before.

The map at step t is the prediction of fixation t of the scanpath. The first fixation, which has none before it and is
mostly forced to the centre, is left out of both by the caller; so is an entry that stands for the scanpath's end.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.fixated import OnOutside, fixated_pixels
from gazekit.metrics.functional.map_likelihood import gain_bits
from gazekit.metrics.functional.map_settings import check_choice
from gazekit.metrics.functional.maps import as_map, check_finite, floating, over_images
from gazekit.metrics.functional.nss import nss
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["conditional_auc", "conditional_information_gain_bits", "conditional_nss", "scored_steps"]


def conditional_auc(
    saliency: ArrayLike,
    scanpaths: ScanpathsLike,
    variant: Literal["exact", "hat"] = "exact",
    on_outside: OnOutside = "raise",
) -> Tensor:
    """AUC of each fixation of scanpaths against all pixels of the map that predicted it.

    Source: Kümmerer and Bethge 2021 (arXiv:2102.12239). The variant "hat" is that of Yang et al. 2024 (CVPR,
    human attention transformer): 1 - fp / 2, with fp the share of the other pixels at or above the fixated one.
    Without ties that is (1 + AUC) / 2, so its chance is 0.75, not 0.5. Not differentiable.

    Args:
        saliency: [..., T, H, W] any real maps; those at padded steps do not matter.
        scanpaths: [..., T] in any form that `Scanpaths.of` takes, padded as the maps.
        variant: "exact" or "hat".
        on_outside: what becomes of fixations off the map: "raise", "drop" or "clip".
    Returns:
        [..., T] from 0 (0.5 with "hat") to 1; NaN at padding and dropped fixations.
    Raises:
        TypeError, ValueError: shapes that don't fit, a map in the place of fixations, a fixation off the map, a
            value that is NaN or +inf.

    Example:
        >>> import torch
        >>> ramp = torch.arange(12.0).reshape(1, 3, 4)
        >>> conditional_auc(ramp, [[2, 1]])
        tensor([0.5417], dtype=torch.float64)
    """
    check_choice("variant", variant, "exact", "hat")
    maps, pixels, mask = scored_steps("saliency", saliency, scanpaths, on_outside)
    rows = maps[mask].detach()

    def score(part: Tensor, pixel: Tensor) -> Tensor:
        part = floating(part)
        check_finite("saliency", part.amax(1), rows, below=True)
        fixated, size = part.gather(1, pixel), part.shape[1]
        below, equal = (part < fixated).sum(1), (part == fixated).sum(1)
        if variant == "hat":
            return 1 - (size - below - 1).double() / (size - 1) / 2
        return (2 * below + equal).double() / (2 * size)

    return _placed(over_images(score, rows.flatten(-2), pixels[mask][:, None]), mask)


def conditional_nss(saliency: ArrayLike, scanpaths: ScanpathsLike, on_outside: OnOutside = "raise") -> Tensor:
    """`nss` of each fixation of scanpaths by the map that predicted it.

    Source: Yang et al. 2024 (CVPR, human attention transformer). Differentiable with respect to the maps.
    Deviation: population standard deviation, where that code takes the sample's.

    Args:
        saliency: [..., T, H, W] any real maps; those at padded steps do not matter.
        scanpaths: [..., T] in any form that `Scanpaths.of` takes, padded as the maps.
        on_outside: what becomes of fixations off the map: "raise", "drop" or "clip".
    Returns:
        [..., T]; NaN at padding, dropped fixations and constant maps.
    Raises:
        TypeError, ValueError: as `conditional_auc`; -inf too.

    Example:
        >>> import torch
        >>> conditional_nss(torch.tensor([[[0.0, 0.0], [0.0, 4.0]]]), [[1, 1]])
        tensor([1.7321], dtype=torch.float64)
    """
    maps, pixels, mask = scored_steps("saliency", saliency, scanpaths, on_outside)
    width = maps.shape[-1]
    points = torch.stack([pixels[mask] % width, pixels[mask] // width], 1)[:, None]
    return _placed(nss(maps[mask], points), mask)


def conditional_information_gain_bits(
    density: ArrayLike,
    baseline: ArrayLike,
    scanpaths: ScanpathsLike,
    eps: float = 0.0,
    on_outside: OnOutside = "raise",
) -> Tensor:
    """Information gain of each fixation of scanpaths, by the density that predicted it, over a baseline.

        log2(p_t(f_t) + eps) - log2(b(f_t) + eps)

    Source: Kümmerer and Bethge 2021 (arXiv:2102.12239); Yang et al. 2024 (CVPR, human attention transformer) with
    eps 2.2204e-16 and, as baseline, the density of the fixations of all trials of the category. Differentiable
    with respect to the densities.

    Args:
        density: [..., T, H, W], at least 0, sum 1; those at padded steps do not matter.
        baseline: [..., T, H, W] likewise, or [H, W] for all.
        scanpaths: [..., T] in any form that `Scanpaths.of` takes, padded as the maps.
        eps: added to both probabilities.
        on_outside: what becomes of fixations off the map: "raise", "drop" or "clip".
    Returns:
        [..., T] bits; -inf for a fixation on density 0 (and eps 0), NaN at padding and dropped fixations.
    Raises:
        TypeError, ValueError: as `map_information_gain_bits`.

    Example:
        >>> import torch
        >>> density, uniform = torch.tensor([[[0.5, 0.5], [0.0, 0.0]]]), torch.full((2, 2), 0.25)
        >>> conditional_information_gain_bits(density, uniform, [[1, 0]])
        tensor([1.], dtype=torch.float64)
    """
    maps, pixels, mask = scored_steps("density", density, scanpaths, on_outside)
    baseline = as_map("baseline", baseline).to(maps.device)
    if baseline.shape not in (maps.shape, maps.shape[-2:]):
        raise ValueError(
            f"baseline must have the shape of density {list(maps.shape)}, or be one map for all, "
            f"got {list(baseline.shape)}"
        )
    baseline = baseline if baseline.dim() == 2 else baseline[mask]
    gain = gain_bits(maps[mask], baseline, pixels[mask][:, None], mask[mask][:, None], eps)
    return _placed(gain[:, 0], mask)


def scored_steps(
    name: str, maps: ArrayLike, scanpaths: ScanpathsLike, on_outside: OnOutside
) -> tuple[Tensor, Tensor, Tensor]:
    """Maps [..., T, H, W], the fixated pixels [..., T] and which of them are to be scored, [..., T] bool."""
    maps, paths = as_map(name, maps), Scanpaths.of(scanpaths, "scanpaths")
    if maps.dim() < 3 or paths.mask.shape != maps.shape[:-2]:
        raise ValueError(
            f"{name} and scanpaths must have shapes [..., T, H, W] and [..., T], one map per fixation, "
            f"got {list(maps.shape)} and {list(paths.mask.shape)}"
        )
    pixels, mask = fixated_pixels(paths, maps[..., 0, :, :], on_outside, "scanpaths")
    return maps, pixels, mask


def _placed(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.new_full(mask.shape, torch.nan).masked_scatter(mask, scores)
