"""Normalised scanpath saliency."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.fixated import OnOutside, distinct, fixated_pixels, masked_mean, read
from gazekit.metrics.functional.map_products import map_products
from gazekit.metrics.functional.map_settings import check_choice
from gazekit.metrics.functional.maps import as_map, over_images
from gazekit.scanpath import ScanpathsLike

__all__ = ["nss"]


def nss(
    saliency: ArrayLike,
    fixations: ScanpathsLike,
    variant: Literal["pysaliency", "matlab"] = "pysaliency",
    on_outside: OnOutside = "raise",
) -> Tensor:
    """Normalised scanpath saliency: the map in standard deviations from its mean, averaged over fixations.

        1/n  sum_i (s_i - mean(S)) / std(S)

    Source: Peters, Iyer, Itti and Koch 2005 (Vision Research 45, 2397).
    Deviation: a constant map gives NaN, where pysaliency gives 0. Differentiable with respect to the map.

    Args:
        saliency: [..., H, W] any real map.
        fixations: [..., T] (x, y) pixels, in any form that `Scanpaths.of` takes. Points, not a blurred map of
            them, which would give another number.
        variant: "pysaliency" = every fixation counts, standard deviation over P pixels; "matlab" = every
            fixated pixel counts once, sample standard deviation (P - 1).
        on_outside: what becomes of fixations off the map: "raise", "drop" or "clip".
    Returns:
        [...]; 0 is chance. NaN for a constant map and without a fixation.
    Raises:
        TypeError, ValueError: shapes that don't fit, a map in the place of fixations, a fixation off the map, a
            value that is not finite.

    Example:
        >>> import torch
        >>> nss(torch.tensor([[0.0, 0.0], [0.0, 4.0]]), [[1, 1]])
        tensor(1.7321, dtype=torch.float64)
    """
    check_choice("variant", variant, "pysaliency", "matlab")
    maps = as_map("saliency", saliency)
    pixels, mask = fixated_pixels(fixations, maps, on_outside)

    def score(rows: Tensor, pixels: Tensor, mask: Tensor) -> Tensor:
        products = map_products({"saliency": (rows, maps)})
        deviation, size = products.deviation(0), rows.shape[1]
        if variant == "matlab":
            mask, deviation = distinct(pixels, mask), deviation * math.sqrt(size / max(size - 1, 1))
        values = read(rows, pixels) * products.scale[0][:, None] - products.mean[0][:, None]
        return torch.where(products.varies[0], masked_mean(values / deviation[:, None], mask), torch.nan)

    return over_images(score, maps.flatten(-2), pixels, mask, in_threads=True)
