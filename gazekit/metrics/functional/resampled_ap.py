"""Average precision of many bootstrap samples of images at once: boxes are matched once, images are weighted."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.functional.detection_matching import match_boxes

__all__ = ["resampled_ap"]

_RECALLS = torch.from_numpy(np.linspace(0, 1, 101))
_CHUNK_NUMBERS = 1 << 23


def resampled_ap(detections: Tensor, truth: Tensor, images: Tensor, draws: Tensor) -> Tensor:
    """AP at the thresholds 0.50, 0.55 ... 0.95, as `detection_ap` defines it, of samples that hold images repeatedly.

    An image that is drawn twice counts as two equal images. Which detection takes which box depends on its own image
    alone, so that a sample only changes how often each counts. (Of detections of one image and class with equal scores,
    the first counts for all copies before the second does.)

    Args:
        detections: [N, 7], truth [M, 8]: of `detection_rows` and `truth_rows`, at most 100 detections of a class in an
            image.
        images: [I] ids.
        draws: [R, I] how often each image is in each sample.
    Returns:
        [R, 10] means over the classes with a true box in the sample; NaN without any.
    """
    matches = match_boxes(detections, truth)
    place = {number: k for k, number in enumerate(images.tolist())}
    rows = np.lexsort([-detections[:, 2].numpy(), detections[:, 0].numpy(), detections[:, 1].numpy()])
    image = torch.tensor([place[number] for number in detections[rows, 0].tolist()], dtype=torch.long)
    true_image = torch.tensor([place[number] for number in truth[:, 0].tolist()], dtype=torch.long)
    of_class = []
    for k, label in enumerate(matches.labels.tolist()):
        mine = (matches.label == k).nonzero()[:, 0]
        mine = mine[(-matches.score[mine]).argsort(stable=True)]
        n_true = draws[:, true_image[(truth[:, 1] == label) & (truth[:, 2] == 0)]].sum(1)
        hit, miss = (table[0][:, mine].double() for table in (matches.hit, matches.miss))
        step = max(1, _CHUNK_NUMBERS // max(1, hit.numel()))
        parts = zip(draws[:, image[mine]].split(step), n_true.split(step), strict=True)
        of_class.append(torch.cat([_ap(hit, miss, weight, total) for weight, total in parts]))
    if not of_class:
        return draws.new_full((len(draws), 10), torch.nan)
    return torch.stack(of_class).nanmean(0)


def _ap(hit: Tensor, miss: Tensor, weight: Tensor, n_true: Tensor) -> Tensor:
    """[R, T] of one class, detections by descending score: hit and miss [T, N], weight [R, N], n_true [R]."""
    if not hit.shape[1]:
        return torch.where(n_true[:, None] > 0, weight.new_zeros(1, len(hit)), torch.nan)
    hits, misses = ((weight[:, None] * table).cumsum(-1) for table in (hit, miss))
    precision = hits / (hits + misses + torch.finfo(torch.float64).eps)
    highest = precision.flip(-1).cummax(-1).values.flip(-1)
    recall = (hits / n_true[:, None, None].clamp(min=1)).contiguous()
    at = torch.searchsorted(recall, _RECALLS.expand(*recall.shape[:2], -1).contiguous())
    found = highest.gather(-1, at.clamp(max=hit.shape[1] - 1))
    ap = torch.where(at < hit.shape[1], found, 0.0).mean(-1)
    return torch.where(n_true[:, None] > 0, ap, torch.nan)
