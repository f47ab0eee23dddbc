"""Which detection takes which true box, in all images and classes at once.

The rule is greedy in the order of the scores, so the loop goes over ranks: the highest detection of every image
and class chooses, then the second highest, for all areas and thresholds of overlap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["AREA_RANGES_PX", "Matches", "match_boxes"]

AREA_RANGES_PX = ((0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10))  # all, small, medium, large
_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_MOST = 100
_CHUNK_BYTES = 64 * 2**20


class Matches(NamedTuple):
    """Detections by class, image and descending score, and what became of them.

    `labels` [K] of the classes; `label` [N] index into them, `rank` [N] from 0 within image and class and
    `score` [N] of the detections; `hit` and `miss` [A, T, N] right and wrong ones by range of area and
    threshold (neither = ignored); `image` [N] ids of their images. `true_image` [M], `true_label` [M] and `counted`
    [A, M] of the true boxes: id of the image, index into the labels, and whether the box is to be found.
    """

    labels: Tensor
    label: Tensor
    rank: Tensor
    score: Tensor
    hit: Tensor
    miss: Tensor
    image: Tensor
    true_image: Tensor
    true_label: Tensor
    counted: Tensor


class _Groups(NamedTuple):
    """Rows sorted by group (class and image): group [N] of each, rank [N] within it, size [S] of each group."""

    group: Tensor
    rank: Tensor
    size: Tensor


def _overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Intersections [..., N, M] of boxes [..., N, 4] and [..., M, 4], areas [..., N, 1] and [..., 1, M]."""
    a, b = a[..., :, None, :], b[..., None, :, :]
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    return sides.clamp(min=0).prod(-1), *((box[..., 2:] - box[..., :2]).prod(-1) for box in (a, b))


def match_boxes(detections: Tensor, truth: Tensor) -> Matches:
    """Match rows of detections [N, 7] (image, label, score, box) with true [M, 8] (image, label, crowd, area, box)."""
    labels, label = torch.cat([detections[:, 1], truth[:, 1]]).unique(return_inverse=True)
    images, image = torch.cat([detections[:, 0], truth[:, 0]]).unique(return_inverse=True)
    groups, group = (label * max(len(images), 1) + image).unique(return_inverse=True)
    by_score = (-detections[:, 2]).argsort(stable=True)
    order = by_score[group[: len(detections)][by_score].argsort(stable=True)]
    found = _grouped(group[: len(detections)][order], len(groups))
    kept = found.rank < _MOST
    order, found = order[kept], _grouped(found.group[kept], len(groups))
    true_order = group[len(detections) :].argsort(stable=True)
    true = _grouped(group[len(detections) :][true_order], len(groups))
    detections, truth = detections[order], truth[true_order]
    low, high = torch.tensor(AREA_RANGES_PX, dtype=torch.float64).T.to(truth)[..., None]
    area, own_area = truth[:, 3], (detections[:, 5:] - detections[:, 3:5]).prod(1)
    ignored = (truth[:, 2] > 0) | (area < low) | (area > high)  # [A, M]
    matched, by_ignored = _match(detections[:, 3:], truth[:, 4:], truth[:, 2] > 0, ignored, found, true)
    elsewhere = ((own_area < low) | (own_area > high))[:, None]  # [A, 1, N]
    return Matches(
        labels=labels.long(),
        label=label[: len(by_score)][order],
        rank=found.rank,
        score=detections[:, 2],
        hit=matched & ~by_ignored,
        miss=~matched & ~elsewhere,
        image=detections[:, 0],
        true_image=truth[:, 0],
        true_label=label[len(by_score) :][true_order],
        counted=~ignored,
    )


def _grouped(group: Tensor, count: int) -> _Groups:
    size = torch.bincount(group, minlength=count)
    start = size.cumsum(0) - size
    return _Groups(group, torch.arange(len(group), device=group.device) - start[group], size)


def _match(
    box: Tensor, true_box: Tensor, crowd: Tensor, ignored: Tensor, found: _Groups, true: _Groups
) -> tuple[Tensor, Tensor]:
    """[A, T, N] whether a detection takes a true box, and whether that box is one to be ignored."""
    shape = (len(AREA_RANGES_PX), len(_THRESHOLDS), len(box))
    matched, by_ignored = (torch.zeros(shape, dtype=torch.bool, device=box.device) for _ in range(2))
    both = ((found.size > 0) & (true.size > 0)).nonzero()[:, 0]
    both = both[(found.size[both] * 1000 + true.size[both]).argsort()]  # neighbours need little padding
    while len(both):
        rows = _groups_at_once(int(found.size[both].max()), int(true.size[both].max()))
        part, both = both[:rows], both[rows:]
        mine, which = _slots(found, part)  # [S, D]
        theirs, exists = _slots(true, part)
        theirs, exists = theirs.flip(1), exists.flip(1)  # of equal overlaps the last true box wins
        overlap, own_area, area = _overlap(box[mine], true_box[theirs])
        union = torch.where(crowd[theirs][:, None], own_area, own_area + area - overlap)
        overlap = torch.where((overlap > 0) & exists[:, None], overlap / union, 0.0)
        hit, ignored_hit = _choose(overlap, crowd[theirs], ignored[:, theirs].movedim(0, 1))
        place = mine[which]
        matched[..., place] = hit.permute(2, 3, 0, 1)[..., which]
        by_ignored[..., place] = ignored_hit.permute(2, 3, 0, 1)[..., which]
    return matched, by_ignored


def _groups_at_once(detections: int, boxes: int) -> int:
    """As many groups as keep the tables of `_match` and `_choose` below the limit, in bytes per group."""
    settings = len(AREA_RANGES_PX) * len(_THRESHOLDS)
    return max(1, _CHUNK_BYTES // (settings * (48 * boxes + 6 * detections) + 40 * detections * boxes))


def _slots(rows: _Groups, part: Tensor) -> tuple[Tensor, Tensor]:
    """[S, L] rows of the groups in `part`, and which of these slots hold one."""
    size = rows.size[part]
    slot = torch.arange(int(size.max()), device=part.device)
    start = (rows.size.cumsum(0) - rows.size)[part]
    exists = slot < size[:, None]
    return torch.where(exists, start[:, None] + slot, 0), exists


def _choose(overlap: Tensor, crowd: Tensor, ignored: Tensor) -> tuple[Tensor, Tensor]:
    """[S, D, A, T] whether each detection finds a box, and an ignored one: the greedy loop over ranks.

    overlap [S, D, G]; crowd [S, G]; ignored [S, A, G]. A box that counts is preferred to any ignored one;
    only crowds can be taken again.
    """
    threshold = torch.as_tensor(_THRESHOLDS).to(overlap)[:, None]
    ignored = ignored[:, :, None]  # [S, A, 1, G]
    again = crowd[:, None, None]
    shape = (len(overlap), ignored.shape[1], len(threshold), overlap.shape[2])
    taken = torch.zeros(shape, dtype=torch.bool, device=overlap.device)
    hits, ignored_hits = [], []
    for rank in range(overlap.shape[1]):
        overlaps = overlap[:, rank, None, None]
        fits = (overlaps >= threshold) & (again | ~taken)
        counts = fits & ~ignored
        fits = torch.where(counts.any(-1, keepdim=True), counts, fits)
        best = torch.where(fits, overlaps, -1.0).argmax(-1, keepdim=True)
        hit = fits.any(-1, keepdim=True)
        taken.scatter_(-1, best, taken.gather(-1, best) | hit)
        hits.append(hit[..., 0])
        ignored_hits.append((hit & ignored.expand(shape).gather(-1, best))[..., 0])
    return torch.stack(hits, 1), torch.stack(ignored_hits, 1)
