"""Densities scored by what they gave to the pixels that were fixated."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.fixated import OnOutside, distinct, fixated_pixels, masked_mean, read
from gazekit.metrics.functional.map_settings import check_choice, check_eps
from gazekit.metrics.functional.maps import as_map, check_finite, over_images, totals
from gazekit.metrics.functional.mass import Mass
from gazekit.scanpath import ScanpathsLike

__all__ = ["gain_bits", "log_likelihood_nats", "map_information_gain_bits"]

_SUM_TOLERANCE = 1e-3  # float32 softmax outputs over a million pixels are this close to sum 1


def log_likelihood_nats(
    density: ArrayLike, fixations: ScanpathsLike, on_outside: OnOutside = "raise"
) -> Tensor:
    """Mean natural logarithm of the density at the fixations.

        1/n  sum_i ln p(f_i)

    Relative to the uniform density, in bits: (LL + ln(H W)) / ln 2. Differentiable with respect to the density.

    Source: Kümmerer, Wallis and Bethge 2015 (PNAS 112, 16054).

    Args:
        density: [..., H, W], at least 0, sum 1; `density_of_map` makes one of any map.
        fixations: [..., T] (x, y) pixels, in any form that `Scanpaths.of` takes.
        on_outside: what becomes of fixations off the map: "raise", "drop" or "clip".
    Returns:
        [...] nats a fixation; -inf if a fixation is on a pixel of density 0, NaN without a fixation.
    Raises:
        TypeError, ValueError: shapes that don't fit, a map in the place of fixations, a fixation off the map, a
            value that is negative or not finite, a sum that is not 1 (by more than 0.001).

    Example:
        >>> import torch
        >>> log_likelihood_nats(torch.full((2, 2), 0.25), [[0, 0], [1, 1]])
        tensor(-1.3863, dtype=torch.float64)
    """
    density = as_map("density", density)
    pixels, mask = fixated_pixels(fixations, density, on_outside)

    def score(rows: Tensor, pixels: Tensor, mask: Tensor) -> Tensor:
        _check_density("density", rows, density)
        return masked_mean(torch.where(mask, read(rows, pixels), 1).log(), mask)

    return over_images(score, density.flatten(-2), pixels, mask)


def map_information_gain_bits(
    density: ArrayLike,
    baseline: ArrayLike,
    fixations: ScanpathsLike,
    eps: float = 0.0,
    variant: Literal["density", "matlab"] = "density",
    on_outside: OnOutside = "raise",
) -> Tensor:
    """Information gain: how many bits per fixation the density knows beyond a baseline.

        1/n  sum_i log2(p(f_i) + eps) - log2(b(f_i) + eps)

    Source: Kümmerer, Wallis and Bethge 2015 (PNAS 112, 16054). Differentiable with respect to the densities.

    Args:
        density: [..., H, W], at least 0, sum 1; `density_of_map` makes one of any map.
        baseline: [..., H, W] likewise, or [H, W] for all images: a centre bias, or the uniform density.
        fixations: [..., T] (x, y) pixels, in any form that `Scanpaths.of` takes.
        eps: added to both probabilities; 2.2204e-16 in HAT and in the MATLAB code.
        variant: "density" = as above; "matlab" = the two maps, which need not be densities then, are scaled to
            minimum 0 and sum 1, and every fixated pixel counts once. That takes the baseline's minimum to 0 and
            changes the score a lot: -40.1 against -16.1 bits on set 7 of our golden maps.
        on_outside: what becomes of fixations off the map: "raise", "drop" or "clip".
    Returns:
        [...] bits per fixation; -inf if a fixation is on a pixel of density 0 (and eps is 0), inf where it is the
        baseline that has excluded it, NaN if both have; NaN without a fixation. With "matlab" also NaN if a map
        is constant.
    Raises:
        TypeError, ValueError: as `log_likelihood_nats`; a negative eps.

    Example:
        >>> import torch
        >>> p, uniform = torch.tensor([[0.5, 0.5], [0.0, 0.0]]), torch.full((2, 2), 0.25)
        >>> map_information_gain_bits(p, uniform, [[0, 0], [1, 0]])
        tensor(1., dtype=torch.float64)
    """
    check_choice("variant", variant, "density", "matlab")
    maps = as_map("density", density)
    pixels, mask = fixated_pixels(fixations, maps, on_outside)
    if variant == "matlab":
        mask = over_images(distinct, pixels, mask)
    gain = gain_bits(maps, baseline, pixels, mask, eps, scaled=variant == "matlab")
    return over_images(masked_mean, gain, mask)


def gain_bits(
    density: Tensor, baseline: ArrayLike, pixels: Tensor, mask: Tensor, eps: float, scaled: bool = False
) -> Tensor:
    """[..., T] information gain of each valid fixation, anything elsewhere; `scaled` = to minimum 0 and sum 1."""
    check_eps(eps)
    baseline = as_map("baseline", baseline).to(density.device)
    if baseline.shape not in (density.shape, density.shape[-2:]):
        raise ValueError(
            f"baseline must have the shape of density {list(density.shape)}, or be one map for all, "
            f"got {list(baseline.shape)}"
        )
    own = _bits("density", density, pixels, mask, eps, scaled)
    if baseline.shape == density.shape:
        return own - _bits("baseline", baseline, pixels, mask, eps, scaled)
    other = _bits("baseline", baseline, pixels.flatten(), mask.flatten(), eps, scaled)
    return own - other.reshape(pixels.shape)


def _bits(name: str, maps: Tensor, pixels: Tensor, mask: Tensor, eps: float, scaled: bool) -> Tensor:
    """[..., T] logarithms of what the maps [..., H, W] give to the pixels [..., T]; 0 where not valid."""

    def score(rows: Tensor, pixels: Tensor, mask: Tensor) -> Tensor:
        if not scaled:
            _check_density(name, rows, maps)
            return torch.where(mask, read(rows, pixels) + eps, 1).log2()
        mass = Mass.of(name, rows, maps, always=True)
        given = mass.shifted(read(mass.rows, pixels)) / mass.total[:, None]
        bits = torch.where(mask, given + eps, 1).log2()
        return torch.where(mass.defined[:, None], bits, torch.nan)

    return over_images(score, maps.flatten(-2), pixels, mask)


def _check_density(name: str, rows: Tensor, maps: Tensor) -> None:
    total, lowest = totals(rows.detach())
    check_finite(name, total, maps)
    wrong = (lowest < 0) | ((total - 1).abs() > _SUM_TOLERANCE)
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise ValueError(
            f"{name} must be at least 0 and sum to 1, got minimum {float(lowest[first]):g} and sum "
            f"{float(total[first]):g}; density_of_map makes a density of any map"
        )
