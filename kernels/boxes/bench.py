"""Non-maximum suppression compared with OpenCV's and with a plain loop."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from gazekit.harness import Case
from gazekit.kernels.boxes import batched_nms, nms

__all__ = ["Sizes", "cases"]

THRESHOLD = 0.5


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases.

    Args:
        boxes: number of boxes per case.
        crowded, sparse: side of the picture in which most boxes are suppressed, and in which few are.
        classes: number of classes in `batched_nms`.
    """

    boxes: tuple[int, ...] = (1000, 10000)
    crowded: int = 300
    sparse: int = 2000
    classes: int = 80


def cases(device: str, sizes: Sizes | None = None) -> list[Case]:
    """`nms` in a crowded and a sparse picture, `batched_nms` in the crowded one."""
    sizes = sizes or Sizes()
    rows = []
    for n in sizes.boxes:
        for kind, picture in (("crowded", sizes.crowded), ("sparse", sizes.sparse)):
            boxes, scores, classes = _inputs(n, picture, sizes.classes, device)
            run = lambda boxes=boxes, scores=scores: nms(boxes, scores, THRESHOLD)  # noqa: E731
            name, corners, plain = f"nms {n} boxes, {kind}", *_plain(boxes, scores)
            opencv = lambda c=corners, s=plain: cv2.dnn.NMSBoxes(c, s, 0.0, THRESHOLD)  # noqa: E731
            rows.append(Case(name, run, n, "candidate", "cv2.dnn.NMSBoxes", opencv, n, _agreement))
            arrays = boxes.cpu().numpy(), scores.cpu().numpy()
            rows.append(
                Case(
                    name,
                    run,
                    n,
                    "candidate",
                    "loop over kept boxes, NumPy",
                    lambda a=arrays: _loop(*a),
                    n,
                    _agreement,
                )
            )
            if kind == "crowded":
                rows.append(_batched(n, boxes, scores, classes))
    return rows


def _batched(n: int, boxes: Tensor, scores: Tensor, classes: Tensor) -> Case:
    corners, plain = _plain(boxes, scores)
    of_class = classes.tolist()
    return Case(
        f"batched_nms {n} boxes, {int(classes.max()) + 1} classes",
        lambda: batched_nms(boxes, scores, classes, THRESHOLD), n, "candidate", "cv2.dnn.NMSBoxesBatched",
        lambda: cv2.dnn.NMSBoxesBatched(corners, plain, of_class, 0.0, THRESHOLD), n, _agreement,
    )  # fmt: skip


def _inputs(n: int, picture: int, classes: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(n)
    corner, side = (torch.rand(n, 2, generator=draw) for _ in range(2))
    boxes = torch.cat([picture * corner, picture * corner + 60 * side + 10], 1)
    scores, labels = torch.rand(n, generator=draw), torch.randint(classes, (n,), generator=draw)
    return boxes.to(device), scores.to(device), labels.to(device)


def _plain(boxes: Tensor, scores: Tensor) -> tuple[list[list[float]], list[float]]:
    """OpenCV's input: lists of x, y, width, height."""
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).tolist(), scores.tolist()


def _loop(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The usual loop: keep the best box, drop those it overlaps, repeat."""
    x1, y1, x2, y2 = boxes.T
    areas, left, kept = (x2 - x1) * (y2 - y1), (-scores).argsort(kind="stable"), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[left]) - np.maximum(x1[best], x1[left])
        height = np.minimum(y2[best], y2[left]) - np.maximum(y1[best], y1[left])
        both = np.maximum(width, 0) * np.maximum(height, 0)
        left = left[both / (areas[best] + areas[left] - both) <= THRESHOLD]
    return np.array(kept)


def _agreement(ours: Tensor, others: np.ndarray) -> dict[str, int]:
    return {"kept": len(ours), "kept_by_one_only": len(set(ours.tolist()) ^ set(np.asarray(others).tolist()))}
