"""From probabilities to labels: the most likely ones, no object twice, each exclusive label at most once a frame."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gazekit.kernels.boxes import batched_nms

__all__ = ["check_groups", "exclusive_labels", "labels_of_frames", "look_alike_groups"]

IOU = 0.5
_SIDE = re.compile(r"(?<![^\W_])(left|right)(?![^\W_])", re.IGNORECASE)


def look_alike_groups(names: Sequence[str]) -> list[list[int]]:
    """Labels whose names differ in the word "left" or "right" only: objects that only their position distinguishes.

    Args:
        names: of the labels.
    Returns:
        Groups of indices, as `Learner` takes them for `exclusive`.

    Example:
        >>> look_alike_groups(["tablet-left", "book", "tablet-right", "left shoe", "copyright"])
        [[0, 2]]
    """
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if _SIDE.search(name):
            groups.setdefault(_SIDE.sub("*", name).casefold(), []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def check_groups(exclusive: Sequence[Sequence[int]], n_labels: int) -> tuple[tuple[int, ...], ...]:
    """The groups as tuples.

    Raises:
        ValueError: a label that does not exist, or that is in two groups.
    """
    groups = tuple(tuple(int(label) for label in group) for group in exclusive)
    members = [label for group in groups for label in group]
    wrong = sorted({label for label in members if not 0 <= label < n_labels or members.count(label) > 1})
    if wrong:
        raise ValueError(
            f"exclusive must hold labels 0 to {n_labels - 1}, each once, got {list(map(list, groups))} (see {wrong})"
        )
    return groups


def exclusive_labels(log_p: Tensor, exclusive: Sequence[int]) -> Tensor:
    """The most likely labels of the boxes of one frame, each exclusive label at most once.

    Maximises the sum over boxes of log p(label) by the Hungarian method (Kuhn 1955): a box takes one of the
    exclusive labels, or the best of its others, the background always among them.

    Args:
        log_p: [K, C + 1], the background last.
        exclusive: labels, at most C.
    Returns:
        [K] labels; C is background.
    """
    shared = list(exclusive)
    count = len(log_p)
    others = log_p.clone()
    others[:, shared] = -torch.inf
    own, own_label = others.max(1)
    # one column for each exclusive label, and one of its own for each box
    value = torch.full((count, len(shared) + count), torch.inf, dtype=torch.float64)
    value[:, : len(shared)] = -log_p[:, shared].double()
    value[:, len(shared) :].diagonal().copy_(-own.double())
    _, column = linear_sum_assignment(value.numpy())
    column = torch.as_tensor(column.astype(np.int64))
    return torch.where(
        column < len(shared),
        torch.tensor([*shared, 0])[column.clamp(max=len(shared))],
        own_label,
    )


def labels_of_frames(
    boxes: Tensor, log_p: Tensor, frame: Tensor, groups: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Labels of all frames of a ragged batch.

    Each box takes its most likely label. Of two boxes of one label with an IoU above 0.5 the more likely is kept; the
    labels of a group count as one here, because look-alikes in one place are one object that was detected twice. Then
    `exclusive_labels` is applied in frames where a label of a group occurs twice.

    Args:
        boxes: [N, 4]; log_p [N, C + 1]; frame [N] ascending.
        groups: of exclusive labels.
    Returns:
        Rows [n] that are not background, ascending, and their labels [n].
    """
    background = log_p.shape[1] - 1
    best, label = log_p.max(1)
    rows = (label != background).nonzero()[:, 0]
    rival = torch.arange(background + 1)
    for group in groups:
        rival[list(group)] = group[0]
    of_rivals = frame[rows] * (background + 1) + rival[label[rows]]
    rows = rows[batched_nms(boxes[rows], best[rows], of_rivals, IOU)].sort().values
    exclusive = [member for group in groups for member in group]
    if exclusive:
        label = _without_doubles(log_p, frame, rows, label, exclusive)
    rows = rows[label[rows] != background]
    return rows, label[rows]


def _without_doubles(
    log_p: Tensor, frame: Tensor, rows: Tensor, label: Tensor, exclusive: list[int]
) -> Tensor:
    columns = log_p.shape[1]
    held = torch.zeros(columns, dtype=torch.bool)
    held[exclusive] = True
    shared = rows[held[label[rows]]]
    cell, count = (frame[shared] * columns + label[shared]).unique(return_counts=True)
    label = label.clone()
    for conflict in (cell[count > 1] // columns).unique().tolist():
        of_frame = rows[frame[rows] == conflict]
        label[of_frame] = exclusive_labels(log_p[of_frame], exclusive)
    return label
