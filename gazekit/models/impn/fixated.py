"""Which of the boxes in a frame a fixation is on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["fixated_labels", "fixated_rows"]


def fixated_rows(xy_px: Tensor, boxes: Sequence[Tensor]) -> Tensor:
    """[T] row of the smallest box that holds the point of each frame (the first of equal ones); -1 where none does.

    Args:
        xy_px: [T, 2] one point a frame.
        boxes: of each frame [n, 4], half-open.
    """
    rows = torch.full((len(boxes),), -1)
    for place, (at, box) in enumerate(zip(xy_px, boxes, strict=True)):
        holds = ((box[:, :2] <= at) & (at < box[:, 2:])).all(1)
        if holds.any():
            area = (box[:, 2:] - box[:, :2]).prod(1)
            rows[place] = area.masked_fill(~holds, torch.inf).argmin()
    return rows


def fixated_labels(xy_px: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """[T] label of the box of `fixated_rows`; -1 where there is none.

    Args:
        labels: of the boxes of each frame, [n] each.
    """
    rows = fixated_rows(xy_px, boxes).tolist()
    found = [int(of[row]) if row >= 0 else -1 for of, row in zip(labels, rows, strict=True)]
    return torch.tensor(found, dtype=torch.long)
