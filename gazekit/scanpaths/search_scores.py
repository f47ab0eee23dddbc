"""The scores of the ViSioNS benchmark, image by image: is the target found as soon, by as similar scanpaths, and is
each next fixation predicted?

Source: Travi et al. 2022 (NeurIPS, ViSioNS); Ruarte et al. 2024; for predictions Kümmerer and Bethge 2021
(arXiv:2102.12239).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gazekit.metrics import bootstrap_interval
from gazekit.metrics.bootstrap import Interval, bootstrap_statistic
from gazekit.metrics.functional import multimatch, steps_to_target
from gazekit.scanpath import Scanpaths

__all__ = [
    "PREDICTION",
    "area_interval",
    "correlation_interval",
    "found_by_each",
    "found_counts",
    "likeness",
    "mean_interval",
    "of_images",
    "prediction_scores",
    "searched",
]

PREDICTION = ("AUChsp", "NSShsp", "IGhsp", "LLhsp")
_EPS = 2.2204e-16  # as published, added to probabilities: a fixation where a model has none costs 52 bits at most
_EDGE_PX = 1e-6  # a fixation on the edge of the box is in it, as published


def searched(paths: Scanpaths, boxes_px: Tensor, fovea_px: float) -> tuple[Tensor, Scanpaths]:
    """When the target comes into the fovea, and the scanpaths up to then.

    Args:
        paths: [B, T].
        boxes_px: [B, 4] of the targets.
        fovea_px: side of the fovea; a target is found by a fixation in its box widened by half of it on each side.
    Returns:
        [B] number of that fixation, from 1, inf where there is none; scanpaths that end with it.
    """
    grow = fovea_px / 2 + _EDGE_PX
    boxes_px = boxes_px.double()
    steps = steps_to_target(paths, boxes_px + boxes_px.new_tensor([-grow, -grow, grow, grow]))
    before = torch.arange(1, paths.mask.shape[-1] + 1) <= steps[:, None]
    return steps, Scanpaths(paths.xy_px, paths.mask & before)


def found_counts(
    steps: Tensor, image: Tensor, images: int, most: int, allowed: Tensor | None
) -> tuple[Tensor, Tensor]:
    """How many of an image's searches had found the target, and how many there were, at each number of fixations.

    Args:
        steps: [B] of `searched`.
        image: [B] from 0 to images - 1.
        most: fixations, of which all searches were allowed.
        allowed: [B] fixations that each search was allowed; then there is a column for each number that occurs, in
            which the searches of that number count. None: columns for 1 ... `most`, in which all count.
    Returns:
        [images, K] counts of targets found, and of searches.
    """
    if allowed is None:
        return found_by_each(steps, image, images, most, None)
    limit = allowed.unique().expand(len(steps), -1)
    return _counted(steps, image, images, limit, limit == allowed[:, None])


def found_by_each(
    steps: Tensor, image: Tensor, images: int, most: int, allowed: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The same for 1 ... `most` fixations, [images, most] each; a search counts up to what it was allowed."""
    limit = torch.arange(1, most + 1).expand(len(steps), -1)
    counts = torch.ones_like(limit, dtype=torch.bool) if allowed is None else limit <= allowed[:, None]
    return _counted(steps, image, images, limit, counts)


def _counted(
    steps: Tensor, image: Tensor, images: int, limit: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor]:
    found = (steps[:, None] <= limit) & counts
    top, bottom = (
        torch.zeros(images, limit.shape[1], dtype=torch.float64).index_add_(0, image, x.double())
        for x in (found, counts)
    )
    return top, bottom


def area_interval(found: Tensor, searches: Tensor, n_resamples: int, seed: int) -> Interval:
    """AUCperf: area below the share of targets found, by trapezia of equal width, the whole of which is 1."""

    def area(shares: Tensor) -> Tensor:
        return torch.trapezoid(shares, dx=1 / max(1, shares.shape[1] - 1), dim=1)

    return bootstrap_interval(found, searches, area, n_resamples, seed=seed)


def likeness(a: Scanpaths, a_image: Tensor, b: Scanpaths | None, b_image: Tensor | None, images: int,
             size_px: tuple[float, float]) -> Tensor:  # fmt: skip
    """[images] mean MultiMatch (vector, direction, length, position) of all pairs on an image; NaN without a pair.

    Args:
        a: scanpaths of searches that found their target, [A, T]; those shorter than 3 fixations have no pairs.
        b: likewise; None: pairs of different scanpaths of `a`.
    """
    other, other_image = (a, a_image) if b is None else (b, b_image)
    same = (a_image[:, None] == other_image) & (a.lengths >= 3)[:, None] & (other.lengths >= 3)
    i, j = (same.triu(1) if b is None else same).nonzero(as_tuple=True)
    if not len(i):
        return torch.full((images,), torch.nan, dtype=torch.float64)
    order = (
        a.lengths[i] * other.lengths[j]
    ).argsort()  # pairs of like lengths together, as padding costs time
    i, j = i[order], j[order]
    parts = [multimatch(_cut(a[i[k]]), _cut(other[j[k]]), size_px) for k in torch.arange(len(i)).split(4096)]
    return of_images(torch.cat(parts)[:, :4].mean(1), a_image[i], images)


def prediction_scores(log_prob: Tensor, log_centre: Tensor, cells: Tensor, mask: Tensor) -> Tensor:
    """[B, 4] of `PREDICTION`, each the mean over the fixations of a scanpath but the first.

    AUC of the fixated cell against all; its NSS, where a negative one and that of a map without differences count as 0,
    *as published*, so that chance is above 0; log2 of the probability beyond that of the centre bias (IG), and of the
    uniform density (LL).

    Args:
        log_prob: [B, T, cells] natural log-probabilities for each fixation, or [B, 1, cells] for all of a scanpath.
        log_centre: [B, cells] those of the centre bias.
        cells: [B, T] which cell was fixated; mask: [B, T].
    Returns:
        NaN for a scanpath of one fixation, and where the probabilities are NaN.
    """
    mask = mask.clone()
    mask[:, :1] = False
    row, step = mask.nonzero(as_tuple=True)
    totals = log_prob.new_zeros(len(mask), 4).double()
    for part in torch.arange(len(row)).split(max(1, 2**22 // log_prob.shape[-1])):
        r, t = row[part], step[part]
        log = log_prob[r, t if log_prob.shape[1] > 1 else 0].double()
        at = cells[r, t][:, None]
        own, centre = log.gather(1, at)[:, 0], log_centre[r].gather(1, at)[:, 0]
        below, equal = (compared.double().mean(1) for compared in (log < own[:, None], log == own[:, None]))
        auc = below + equal / 2
        prob = log.exp()
        above = (own.exp() - prob.mean(1)).clamp(min=0)
        spread = (prob - prob.mean(1, keepdim=True)).square().mean(1).sqrt()  # std() warns without a row
        nss = torch.where(spread > 1e-9 * prob.mean(1), above / spread, 0.0)
        bits, centre_bits = ((x.exp() + _EPS).log2() for x in (own, centre))
        uniform = math.log2(1 / log.shape[1] + _EPS)
        found = torch.stack([auc, nss, bits - centre_bits, bits - uniform], 1)
        totals.index_add_(0, r, torch.where(own.isnan()[:, None], torch.nan, found))
    count = mask.sum(1)
    return torch.where((count > 0)[:, None], totals / count[:, None], torch.nan)


def of_images(scores: Tensor, image: Tensor, images: int) -> Tensor:
    """[images, ...] mean over the scores [B, ...] of each image that are defined; NaN without one."""
    known = ~scores.isnan()
    top, bottom = (
        scores.new_zeros(images, *scores.shape[1:]).index_add_(0, image, x)
        for x in (torch.where(known, scores, 0.0), known.to(scores))
    )
    return top / bottom


def mean_interval(of_image: Tensor, n_resamples: int, seed: int) -> Interval:
    """[...] mean over images [images, ...] with its bootstrap interval."""
    known = ~of_image.isnan()
    flat = torch.where(known, of_image, 0.0).reshape(len(of_image), -1)
    found = bootstrap_interval(flat, known.reshape(flat.shape).double(), None, n_resamples, seed=seed)
    return Interval(*(bound.reshape(of_image.shape[1:]) for bound in found))


def correlation_interval(a: Tensor, b: Tensor, n_resamples: int, seed: int) -> Interval:
    """Pearson's r over the images that both have, drawing images."""
    both = ~(a.isnan() | b.isnan())
    a, b = a[both], b[both]
    if len(a) < 3:
        return Interval(*torch.full((3,), torch.nan, dtype=torch.float64))

    def r(counts: Tensor) -> Tensor:
        weight = counts / counts.sum(1, keepdim=True)
        x, y = (v - (weight @ v)[:, None] for v in (a, b))
        xy, xx, yy = ((weight * p).sum(1) for p in (x * y, x * x, y * y))
        return xy / (xx * yy).sqrt()

    return bootstrap_statistic(r, len(a), n_resamples, seed=seed)


def _cut(paths: Scanpaths) -> Scanpaths:
    """Without padding that all of them have."""
    longest = int(paths.lengths.max())
    return Scanpaths(paths.xy_px[:, :longest], paths.mask[:, :longest])
