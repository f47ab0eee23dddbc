"""AUC whose negatives are fixations on other images, which a centre bias does not help to tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values
from gazekit.metrics.functional.auc import ordered, rank_area
from gazekit.metrics.functional.fixated import OnOutside, fixated_pixels
from gazekit.metrics.functional.maps import as_map, check_finite, floating, over_images
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["fixations_of_other_images", "shuffled_auc"]


def shuffled_auc(
    saliency: ArrayLike,
    fixations: ScanpathsLike,
    other_fixations: ScanpathsLike,
    on_outside: OnOutside = "raise",
) -> Tensor:
    """Exact `auc` of fixations on an image against fixations on other images as negatives.

    Every fixation counts on both sides, so the places where people look in any image are as frequent among the
    negatives as among the positives: a map of nothing but the centre bias scores 0.5.

    Source: Zhang et al. 2008 (Journal of Vision 8(7):32); Tatler, Baddeley and Gilchrist 2005 (Vision Research
    45, 643). Published code mostly draws samples: see `auc_shuffled_matlab`. Scores depend on which images the
    negatives come from: say so with the score.

    Args:
        saliency: [..., H, W] any real map.
        fixations: [..., T] (x, y) pixels, in any form that `Scanpaths.of` takes.
        other_fixations: [..., M] fixations on other images, in pixels of this one: `fixations_of_other_images`.
        on_outside: what becomes of fixations off the map, on both sides: "raise", "drop" or "clip".
    Returns:
        [...] from 0 to 1. 0.5 for a constant map; NaN without a fixation on either side.
    Raises:
        TypeError, ValueError: as `auc`.

    Example:
        >>> import torch
        >>> ramp = torch.arange(12.0).reshape(3, 4)
        >>> shuffled_auc(ramp, [[3, 2]], [[0, 0], [1, 1], [3, 2]])
        tensor(0.8333, dtype=torch.float64)
    """
    maps = as_map("saliency", saliency).detach()
    pixels, mask = fixated_pixels(fixations, maps, on_outside)
    others, others_mask = fixated_pixels(other_fixations, maps, on_outside, "other_fixations")

    def score(rows: Tensor, pixels: Tensor, mask: Tensor, others: Tensor, others_mask: Tensor) -> Tensor:
        rows = floating(rows)
        check_finite("saliency", rows.amax(1), maps, below=True)
        ranked = ordered(torch.where(others_mask, rows.gather(1, others), torch.inf))
        area = torch.where(mask, rank_area(rows.gather(1, pixels), ranked), 0).sum(1)
        return area.double() / (2 * mask.sum(1) * others_mask.sum(1))

    return over_images(score, maps.flatten(-2), pixels, mask, others, others_mask)


def fixations_of_other_images(
    fixations: ScanpathsLike, size_px: ArrayLike | Sequence, images: Sequence[int] | None = None
) -> Scanpaths:
    """The negatives of `shuffled_auc`: all fixations but the image's own, scaled to its size.

    Args:
        fixations: [N, T] the fixations on each of N images.
        size_px: [N, 2] (width, height) of the images, or one size for all.
        images: whose negatives are wanted, B of the N; by default all, which takes N times the memory of all
            fixations.
    Returns:
        [B, M], padded, without durations; coordinates are multiplied by the ratio of the sizes.
    Raises:
        TypeError, ValueError: as `Scanpaths.of`; shapes that don't fit, a size that is not positive, an image
            that does not exist.

    Example:
        >>> others = fixations_of_other_images([[[10, 10]], [[4, 6]]], [[100, 100], [50, 50]])
        >>> others.xy_px[:, 0].tolist()
        [[8.0, 12.0], [5.0, 5.0]]
    """
    points = Scanpaths.of(fixations, "fixations")
    if len(points.shape) != 1:
        raise ValueError(
            f"fixations must be those of N images, [N, T], got leading shape {list(points.shape)}"
        )
    size = values("size_px", size_px).to(points.xy_px)
    if size.shape not in ((2,), (len(points), 2)):
        raise ValueError(f"size_px must have shape [2] or [{len(points)}, 2], got {list(size.shape)}")
    if not (size.isfinite() & (size > 0)).all():
        raise ValueError("size_px must be finite and positive")
    size = size.expand(len(points), 2)
    images = range(len(points)) if images is None else images
    if any(not 0 <= image < len(points) for image in images):
        raise ValueError(f"images must be numbers from 0 to {len(points) - 1}, got {list(images)}")
    owner = torch.arange(len(points), device=points.mask.device)[:, None].expand_as(points.mask)[points.mask]
    xy = points.xy_px[points.mask]
    # multiplied first: a coordinate that becomes a whole number does so exactly
    scaled = [
        torch.where(size[owner] == size[image], xy, xy * size[image] / size[owner])[owner != image]
        for image in images
    ]
    if not scaled:
        return points[:0]
    lengths = torch.tensor([len(others) for others in scaled], device=xy.device)
    padded = torch.nn.utils.rnn.pad_sequence(scaled, batch_first=True)
    return Scanpaths(padded, torch.arange(padded.shape[1], device=xy.device) < lengths[:, None])
