"""Area under the ROC curve: how well a map tells fixated pixels from others.

The exact area is a Mann-Whitney statistic, for which each fixation's value is looked up among the sorted values
of the negatives. NumPy sorts ten times faster than torch on a CPU, with vector instructions.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike
from gazekit.metrics.functional.fixated import OnOutside, distinct, fixated_pixels
from gazekit.metrics.functional.map_settings import check_choice, check_jitter
from gazekit.metrics.functional.maps import as_map, check_finite, floating, over_images, totals
from gazekit.metrics.functional.sampling import jittered
from gazekit.metrics.functional.threads import one_thread
from gazekit.scanpath import ScanpathsLike

__all__ = ["auc", "auc_judd", "ordered", "rank_area"]


@one_thread()
def auc(
    saliency: ArrayLike,
    fixations: ScanpathsLike,
    negatives: Literal["uniform", "unfixated"] = "uniform",
    on_outside: OnOutside = "raise",
) -> Tensor:
    """Probability that a fixated pixel has a higher value than a negative one; equal values count half.

        1 / (n |N|)  sum_i ( #{v in N: v < s_i} + #{v in N: v = s_i} / 2 )

    with s_i the map at fixation i, every fixation counted, and N the negatives. Exact: every value of the map
    is a threshold. No strictly increasing transformation of the map changes it, so a density and its logarithm
    score the same; -inf, the logarithm of 0, is the lowest value. Not differentiable.

    Source: Hanley and McNeil 1982 (Radiology 143, 29) for the statistic; for saliency maps with uniform
    negatives, Kümmerer, Wallis and Bethge 2018 (ECCV).

    Args:
        saliency: [..., H, W] any real map.
        fixations: [..., T] (x, y) pixels, in any form that `Scanpaths.of` takes; order and durations do not
            matter.
        negatives: "uniform" = all pixels, the fixated ones too; "unfixated" = the others only.
        on_outside: what becomes of fixations off the map: "raise", "drop" or "clip".
    Returns:
        [...] from 0 to 1. 0.5 for a constant map; NaN without a fixation or without a negative.
    Raises:
        TypeError, ValueError: shapes that don't fit, a map in the place of fixations, a fixation off the map, a
            value that is NaN or +inf.

    Example:
        >>> import torch
        >>> ramp = torch.arange(12.0).reshape(3, 4)
        >>> auc(ramp, [[3, 2], [2, 1]])  # the highest and the sixth highest of 12 pixels
        tensor(0.7500, dtype=torch.float64)
    """
    check_choice("negatives", negatives, "uniform", "unfixated")
    maps = as_map("saliency", saliency).detach()
    pixels, mask = fixated_pixels(fixations, maps, on_outside)

    def score(rows: Tensor, pixels: Tensor, mask: Tensor) -> Tensor:
        rows = floating(rows)
        ranked, values = _ranked(rows, maps), rows.gather(1, pixels)
        area, total = rank_area(values, ranked), torch.full_like(mask.sum(1), rows.shape[1])
        if negatives == "unfixated":
            first = distinct(pixels, mask)
            area -= rank_area(values, ordered(torch.where(first, values, torch.inf)))
            total -= first.sum(1)
        return torch.where(mask, area, 0).sum(1).double() / (2 * mask.sum(1) * total)

    return over_images(score, maps.flatten(-2), pixels, mask)


@one_thread()
def auc_judd(
    saliency: ArrayLike,
    fixations: ScanpathsLike,
    variant: Literal["pysaliency", "matlab"] = "pysaliency",
    jitter: float = 0.0,
    seed: int = 0,
    on_outside: OnOutside = "raise",
) -> Tensor:
    """Area under the ROC curve whose thresholds are the fixated values only, against unfixated pixels.

    Between thresholds and the corners the curve is straight, which biases the area upwards: without ties it is
    `auc(negatives="unfixated")` + phi / 2u, with u fixated pixels and phi the share of unfixated pixels at or
    above the least salient fixation. With one fixation chance is 0.75. For comparison with published numbers.

    Source: Judd et al. 2009 (ICCV) and 2012 (MIT-CSAIL-TR-2012-001); Bylinskii et al. 2019 (IEEE TPAMI 41,
    740). Deviation: no jitter by default, and jitter is relative to the map's range. The published code adds
    noise of 1e-7 whatever the range, which reorders maps of small values; where many pixels are equal the
    score is then mostly noise.

    Args:
        saliency: [..., H, W] any real map.
        fixations: [..., T] (x, y) pixels, in any form that `Scanpaths.of` takes.
        variant: "pysaliency" = every fixation counts, equal values pass a threshold together; "matlab" =
            every fixated pixel counts once, one after the other even where equal, so that ties can push the
            area far down, even below 0.
        jitter: width of the uniform noise that is added to the map, as a share of its range.
        seed: of that noise; images get noise of their own, which does not depend on the batch they are in.
        on_outside: what becomes of fixations off the map: "raise", "drop" or "clip".
    Returns:
        [...]; a constant map gives 0.5, or NaN with "matlab"; NaN without a fixation or an unfixated pixel.
    Raises:
        TypeError, ValueError: as `auc`; a jitter that is negative or not finite, or given for a map with -inf.

    Example:
        >>> import torch
        >>> ramp = torch.arange(12.0).reshape(3, 4)
        >>> auc_judd(ramp, [[3, 2], [2, 1]])
        tensor(0.9000, dtype=torch.float64)
    """
    check_choice("variant", variant, "pysaliency", "matlab")
    check_jitter(jitter)
    maps = as_map("saliency", saliency).detach()
    pixels, mask = fixated_pixels(fixations, maps, on_outside)

    def score(rows: Tensor, pixels: Tensor, mask: Tensor) -> Tensor:
        rows = floating(rows)
        if jitter:
            check_finite("saliency", totals(rows)[0], maps)
            rows = jittered(rows, pixels, mask, jitter, seed)
        ranked, first = _ranked(rows, maps), distinct(pixels, mask)
        kept = mask if variant == "pysaliency" else first
        values = torch.where(kept, rows.gather(1, pixels), -torch.inf).sort(1, descending=True).values
        unfixated = rows.shape[1] - first.sum(1, keepdim=True)
        above = rows.shape[1] - torch.searchsorted(ranked, values)  # all pixels at or above
        if variant == "pysaliency":
            own = ordered(torch.where(first, rows.gather(1, pixels), torch.inf))
            above = above - (first.sum(1, keepdim=True) - torch.searchsorted(own, values))
            # a map may be -inf, as padding is
            hits = torch.minimum(_at_or_above(values), kept.sum(1, keepdim=True))
        else:
            above = above - torch.arange(1, values.shape[1] + 1, device=values.device)
            hits = torch.arange(1, values.shape[1] + 1, device=values.device).expand_as(values)
        area = _under_curve(
            above.double() / unfixated, hits.double() / kept.sum(1, keepdim=True), kept.sum(1)
        )
        flat = (ranked[:, 0] == ranked[:, -1]) & (variant == "matlab")
        return torch.where(flat | (unfixated[:, 0] == 0) | ~mask.any(1), torch.nan, area)

    return over_images(score, maps.flatten(-2), pixels, mask)


def rank_area(values: Tensor, ranked: Tensor) -> Tensor:
    """[R, T] 2 #{v < s} + #{v = s} for values s [R, T] among ranked values v [R, M]; inf behind the last."""
    return torch.searchsorted(ranked, values) + torch.searchsorted(ranked, values, right=True)


def ordered(rows: Tensor) -> Tensor:
    """[R, M] values in ascending order, NaN last."""
    if rows.device.type != "cpu":
        return rows.sort(1).values
    return torch.from_numpy(np.sort(rows.numpy(), axis=1))


def _ranked(rows: Tensor, maps: Tensor) -> Tensor:
    ranked = ordered(rows)
    check_finite("saliency", ranked[:, -1], maps, below=True)
    return ranked


def _at_or_above(values: Tensor) -> Tensor:
    """[R, T] how many of the descending values [R, T] are at least as large as each."""
    return torch.searchsorted((-values).contiguous(), (-values).contiguous(), right=True)


def _under_curve(false_alarms: Tensor, hits: Tensor, count: Tensor) -> Tensor:
    """[R] trapezoids from (0, 0) over the first `count` of the points [R, T] to (1, 1)."""
    beyond = torch.arange(hits.shape[1], device=hits.device) >= count[:, None]
    x, y = (torch.where(beyond, 1.0, points) for points in (false_alarms, hits))
    x, y = (torch.nn.functional.pad(torch.nn.functional.pad(p, (1, 0)), (0, 1), value=1.0) for p in (x, y))
    return torch.trapezoid(y, x, dim=1)
