"""Frames with different numbers of detections as one graph: edges and their features.

A batch is the disjoint union of its frames. Nodes and edges are sorted by frame, so that a frame is a range of rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gazekit.kernels.boxes import pairwise_iou
from gazekit.models.impn.detections import Detections, check_detections

__all__ = [
    "EDGE_FEATURES",
    "Graph",
    "edge_features",
    "graph_of",
    "neighbours",
    "positions",
    "random_turns",
    "ranges",
    "some_frames",
]

EDGE_FEATURES = 8
LEAST_SCORE = 0.05
UNKNOWN = 1e-3
COMPLETE_UP_TO = 12
NEAREST = 8
ROLL_DEG = 25.0


class Graph(NamedTuple):
    """Detections of F frames.

    Args:
        boxes: [N, 4] pixels; `size_px` [N, 2] of the frame of each; `row` [N] of each among its frame's detections.
        probs: [N, C + 1]; `features` [N, D].
        counts: [F] detections of each frame, 0 included; `edge_counts` [F].
        source, target: [E] rows: the message of `source` goes to `target`.
        turn: [F, 2, 2] rotations or reflections of positions about the centre of each frame (augmentation), or None.
    """

    boxes: Tensor
    size_px: Tensor
    probs: Tensor
    features: Tensor
    counts: Tensor
    source: Tensor
    target: Tensor
    edge_counts: Tensor
    row: Tensor
    turn: Tensor | None = None

    @property
    def frame(self) -> Tensor:
        """[N] which of the F frames each detection is in."""
        return torch.arange(len(self.counts), device=self.counts.device).repeat_interleave(self.counts)

    def to(self, device: torch.device) -> Graph:
        """The same graph on a device."""
        return Graph(*(None if part is None else part.to(device) for part in self))


def ranges(first: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers first[s], first[s] + 1 ... of count[s] each, one after the other, and the s of each."""
    slot = torch.arange(len(count), device=count.device).repeat_interleave(count)
    within = torch.arange(len(slot), device=count.device) - (count.cumsum(0) - count)[slot]
    return first[slot] + within, slot


@torch.no_grad()
def graph_of(found: Sequence[Detections], n_labels: int, feature_size: int) -> Graph:
    """The disjoint union of frames; labels that a detector does not know get the probability 0.001.

    Detections whose probability of background exceeds 0.95 are left out.

    Raises:
        TypeError, ValueError: as `check_detections`.
    """
    for number, frame in enumerate(found):
        check_detections(f"detections {number}", frame, n_labels, feature_size)
    counts = torch.tensor([len(frame.boxes) for frame in found], dtype=torch.long)
    sizes = torch.tensor([frame.size_px for frame in found]).reshape(-1, 2).float()
    probs = torch.cat([torch.zeros(0, n_labels + 1), *(_widened(frame.probs, n_labels) for frame in found)])
    frame = torch.arange(len(counts)).repeat_interleave(counts)
    row, _ = ranges(torch.zeros_like(counts), counts)
    kept = 1 - probs[:, -1] >= LEAST_SCORE
    frame, counts = frame[kept], torch.bincount(frame[kept], minlength=len(counts))
    boxes = torch.cat([torch.zeros(0, 4), *(frame.boxes.float() for frame in found)])[kept]
    features = torch.cat([torch.zeros(0, feature_size), *(frame.features.float() for frame in found)])[kept]
    source, target, edge_counts = neighbours(boxes, counts)
    return Graph(boxes, sizes[frame], probs[kept], features, counts, source, target, edge_counts, row[kept])


def _widened(probs: Tensor, n_labels: int) -> Tensor:
    missing = probs.new_full((len(probs), n_labels + 1 - probs.shape[1]), UNKNOWN)
    return torch.cat([probs[:, :-1], missing, probs[:, -1:]], 1).float()


def neighbours(boxes: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Edges: all ordered pairs of a frame up to 12 detections, above that from the 8 nearest by centre.

    Returns:
        source [E], target [E] sorted by target, and the number of edges of each frame [F].
    """
    first = counts.cumsum(0) - counts
    frame = torch.arange(len(counts)).repeat_interleave(counts)
    source, target = ranges(first[frame], counts[frame])
    other = source != target
    source, target = source[other], target[other]
    crowded = (counts > COMPLETE_UP_TO)[frame][target]
    if crowded.any():
        near = _nearest(boxes, source[crowded], target[crowded])
        keep = (~crowded).nonzero()[:, 0], crowded.nonzero()[:, 0][near]
        rows = torch.cat(keep).sort().values
        source, target = source[rows], target[rows]
    return source, target, torch.bincount(frame[target], minlength=len(counts))


def _nearest(boxes: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Rows of the edges that are among the nearest of their target."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = (centre[source] - centre[target]).square().sum(1)
    by_distance = distance.argsort(stable=True)
    order = by_distance[target[by_distance].argsort(stable=True)]
    _, of_target, size = target[order].unique_consecutive(return_inverse=True, return_counts=True)
    rank = torch.arange(len(order)) - (size.cumsum(0) - size)[of_target]
    return order[rank < NEAREST]


def some_frames(graph: Graph, frames: Tensor) -> Graph:
    """The graph of these frames [B], in this order; frames may be repeated."""
    first, counts = graph.counts.cumsum(0) - graph.counts, graph.counts[frames]
    rows, _ = ranges(first[frames], counts)
    edge_first, edge_counts = graph.edge_counts.cumsum(0) - graph.edge_counts, graph.edge_counts[frames]
    edges, slot = ranges(edge_first[frames], edge_counts)
    moved = (counts.cumsum(0) - counts - first[frames])[slot]
    return Graph(
        graph.boxes[rows],
        graph.size_px[rows],
        graph.probs[rows],
        graph.features[rows],
        counts,
        graph.source[edges] + moved,
        graph.target[edges] + moved,
        edge_counts,
        graph.row[rows],
        None if graph.turn is None else graph.turn[frames],
    )


def random_turns(count: int, generator: torch.Generator | None = None, flip: bool = False) -> Tensor:
    """[count, 2, 2] rolls of the camera by up to 25 degrees, for `Graph.turn`.

    Args:
        count: of frames.
        generator: of the draws; None takes torch's own.
        flip: mirror half of the frames.
    """
    roll = (2 * torch.rand(count, generator=generator) - 1) * math.radians(ROLL_DEG)
    turn = torch.stack([roll.cos(), -roll.sin(), roll.sin(), roll.cos()], 1).reshape(-1, 2, 2)
    if flip:
        turn[:, 0] *= 2 * torch.randint(2, (count, 1), generator=generator) - 1
    return turn


def _centres(graph: Graph) -> Tensor:
    """[N, 2] pixels from the centre of the frame, turned."""
    centre = (graph.boxes[:, :2] + graph.boxes[:, 2:] - graph.size_px) / 2
    return centre if graph.turn is None else (graph.turn[graph.frame] @ centre[..., None])[..., 0]


def positions(graph: Graph) -> Tensor:
    """q [N, 4]: centre x and y, width and height, as shares of the frame."""
    extent = graph.boxes[:, 2:] - graph.boxes[:, :2]
    return torch.cat([_centres(graph) / graph.size_px + 0.5, extent / graph.size_px], 1)


def edge_features(graph: Graph) -> Tensor:
    """e [E, 8]: position of the source relative to the target, and how their boxes compare.

    asinh(dx / w), asinh(dy / h) in units of the target's box, log ratios of widths and heights, IoU, distance
    as a share of the frame's diagonal, sine and cosine of the direction (0 for equal centres). asinh is linear up to
    about one box and logarithmic beyond: without it a small box far away would dominate. Sides are at least one pixel.
    """
    source, target = graph.source, graph.target
    centre, extent = _centres(graph), (graph.boxes[:, 2:] - graph.boxes[:, :2]).clamp(min=1.0)
    apart = centre[source] - centre[target]
    ratio = (extent[source] / extent[target]).log()
    iou = pairwise_iou(graph.boxes[source, None], graph.boxes[target, None])[:, 0, 0].nan_to_num(0.0)
    distance = apart.norm(dim=1, keepdim=True)
    direction = apart / distance.clamp(min=1e-6)
    share = distance / graph.size_px[target].norm(dim=1, keepdim=True)
    return torch.cat([(apart / extent[target]).asinh(), ratio, iou[:, None], share, direction.flip(1)], 1)
