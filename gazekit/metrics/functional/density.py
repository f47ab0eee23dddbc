"""Densities over the pixels of an image: of a map, of fixations, of the centre bias. They sum to 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values
from gazekit.metrics.functional.fixated import OnOutside, fixated_pixels
from gazekit.metrics.functional.map_settings import check_choice
from gazekit.metrics.functional.maps import as_map, over_images, precise
from gazekit.metrics.functional.mass import Mass
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["center_bias_density", "density_of_map", "fixation_density"]

_AT_ONCE = 2**19  # values of fixations' profiles: a few times 4 MiB, however many fixations there are


def density_of_map(saliency: ArrayLike, minimum_value: float = 0.0) -> Tensor:
    """A saliency map as a density: shifted to minimum 0 if it has negative values, a constant added, scaled.

    A saliency map is no density: which one it becomes is a choice that changes likelihood, information gain and
    divergence, so state it. Without `minimum_value`, one fixation on a pixel of value 0 costs everything.

    Source: the conversion of pysaliency (Kümmerer, Wallis and Bethge 2015, PNAS 112, 16054, fit one instead).
    Deviation: a map without mass gives NaN, where pysaliency gives the uniform density. Differentiable.

    Args:
        saliency: [..., H, W] any real map.
        minimum_value: added to every pixel, in the map's unit; at least 0.
    Returns:
        [..., H, W] float64, sum 1; NaN where nothing is left: zeros (or one negative constant) only.
    Raises:
        TypeError, ValueError: no map, a value that is not finite, a negative minimum_value.

    Example:
        >>> import torch
        >>> density_of_map(torch.tensor([[-1.0, 0.0], [0.0, 1.0]]))
        tensor([[0.0000, 0.2500],
                [0.2500, 0.5000]], dtype=torch.float64)
    """
    if not 0 <= minimum_value < math.inf:
        raise ValueError(f"minimum_value must be finite and at least 0, got {minimum_value}")
    maps = as_map("saliency", saliency)

    def score(rows: Tensor) -> Tensor:
        mass = Mass.of("saliency", rows, maps, added=minimum_value)
        density = mass.shifted(precise(mass.rows)) / mass.total[:, None]
        return torch.where(mass.defined[:, None], density, torch.nan)

    return over_images(score, maps.flatten(-2)).reshape(maps.shape)


def fixation_density(
    fixations: ScanpathsLike,
    size_px: ArrayLike | Sequence,
    sigma_px: float,
    padding: Literal["nearest", "zero"] = "nearest",
    truncate: float = 4.0,
    on_outside: OnOutside = "raise",
) -> Tensor:
    """Empirical density: how often each pixel was fixated, blurred with a Gaussian and scaled to sum 1.

    The Gaussian is sampled at whole pixels, cut at a radius of `truncate` x `sigma_px`, rounded, and scaled to
    sum 1 before the image's border comes in. As it is separable, the density is a product of two matrices, of the
    fixations' profiles along y and along x, and no picture is filtered.

    What to leave out of a density (an observer who is to be predicted from the others) is left out of
    `fixations`.

    Args:
        fixations: [..., T] (x, y) pixels, in any form that `Scanpaths.of` takes; rounded down.
        size_px: (width, height) of the images.
        sigma_px: standard deviation; commonly the pixels of one degree of visual angle.
        padding: what the image continues with beyond its border: "nearest" = the count of the border's pixel;
            "zero" = nothing, so mass is lost there before scaling.
        truncate: radius of the Gaussian in standard deviations.
        on_outside: what becomes of fixations off the image: "raise", "drop" or "clip".
    Returns:
        [..., H, W] float64, sum 1; NaN as a whole without a fixation.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; a size that is no pair of positive whole numbers; sigma_px or
            truncate not positive; a fixation off the image.

    Example:
        >>> fixation_density([[1, 0]], size_px=(3, 1), sigma_px=0.5)
        tensor([[0.1065, 0.7870, 0.1065]], dtype=torch.float64)
    """
    check_choice("padding", padding, "nearest", "zero")
    if not (0 < sigma_px < math.inf and 0 < truncate < math.inf):
        raise ValueError(f"sigma_px and truncate must be positive, got {sigma_px} and {truncate}")
    width, height = _whole_size(size_px)
    points = Scanpaths.of(fixations, "fixations")
    frame = torch.zeros((), dtype=points.xy_px.dtype, device=points.mask.device)
    pixels, mask = fixated_pixels(points, frame.expand(*points.shape, height, width), on_outside)
    radius = int(truncate * sigma_px + 0.5)

    pixels, mask = (part.reshape(points.shape.numel(), part.shape[-1]) for part in (pixels, mask))
    density = torch.zeros(len(pixels), height, width, dtype=torch.float64, device=mask.device)
    images = max(1, _AT_ONCE // (height * width))
    for rows in (slice(i, i + images) for i in range(0, len(pixels), images)):
        step = max(1, _AT_ONCE // (len(density[rows]) * (height + width)))
        for some in (slice(k, k + step) for k in range(0, pixels.shape[1], step)):
            at, valid = pixels[rows, some], mask[rows, some, None]
            down = _profiles(at // width, height, sigma_px, radius, padding) * valid
            across = _profiles(at % width, width, sigma_px, radius, padding)
            density[rows].baddbmm_(down.transpose(1, 2), across)
        density[rows] /= density[rows].sum((1, 2), keepdim=True)
    return density.reshape(*points.shape, height, width)


def center_bias_density(size_px: ArrayLike | Sequence, sigma_px: float | tuple[float, float]) -> Tensor:
    """A Gaussian at the centre of the image: the simplest baseline that knows where people look.

    A baseline fitted to the fixations on other images, `fixation_density`, says more.

    Args:
        size_px: (width, height) of the image.
        sigma_px: standard deviation, one or (along x, along y).
    Returns:
        [H, W] float64, sum 1, centred at ((W - 1) / 2, (H - 1) / 2).
    Raises:
        ValueError: a size that is no pair of positive whole numbers, a sigma_px that is not positive.

    Example:
        >>> center_bias_density((3, 1), sigma_px=0.5)
        tensor([[0.1065, 0.7870, 0.1065]], dtype=torch.float64)
    """
    sigma = values("sigma_px", torch.as_tensor(sigma_px)).expand(2).tolist()
    if not all(0 < part < math.inf for part in sigma):
        raise ValueError(f"sigma_px must be positive, got {sigma_px}")
    x, y = (
        torch.exp(-(((torch.arange(length, dtype=torch.float64) - (length - 1) / 2) / part) ** 2) / 2)
        for length, part in zip(_whole_size(size_px), sigma, strict=True)
    )
    return torch.outer(y / y.sum(), x / x.sum())


def _whole_size(size_px: ArrayLike | Sequence) -> tuple[int, int]:
    size = values("size_px", torch.as_tensor(size_px)).tolist()
    if not isinstance(size, list) or len(size) != 2 or any(part < 1 or part != int(part) for part in size):
        raise ValueError(f"size_px must be (width, height) in whole pixels, got {size_px}")
    return int(size[0]), int(size[1])


def _profiles(position: Tensor, length: int, sigma_px: float, radius: int, padding: str) -> Tensor:
    """[R, T, L] blurred counts along one axis of L pixels, of one fixation at each position [R, T]."""
    offset = torch.arange(-radius, radius + 1, dtype=torch.float64, device=position.device)
    kernel = torch.exp(-((offset / sigma_px) ** 2) / 2)
    kernel = kernel / kernel.sum()
    pixel = torch.arange(length, device=position.device)
    away = (pixel - position[..., None]).clamp(-radius - 1, radius + 1) + radius + 1
    profile = torch.nn.functional.pad(kernel, (1, 1))[away]
    if padding == "nearest":  # the border's pixel goes on for ever: all of the kernel that reaches beyond
        beyond = torch.nn.functional.pad(kernel.flip(0).cumsum(0).flip(0), (1, 1))
        tail = beyond[away]
        if length > 1:
            profile = torch.where((position == 0)[..., None], tail, profile)
            mirrored = beyond[2 * radius + 2 - away]
            profile = torch.where((position == length - 1)[..., None], mirrored, profile)
        else:
            profile = torch.ones_like(profile)
    return profile
