"""From a network and a graph to predictions of each frame."""

from __future__ import annotations

import torch
from torch import nn

from gazekit.models.impn.assignment import labels_of_frames
from gazekit.models.impn.detections import Predictions
from gazekit.models.impn.edges import Graph

__all__ = ["predictions_of"]


@torch.no_grad()
def predictions_of(net: nn.Module, graph: Graph, groups: tuple[tuple[int, ...], ...]) -> list[Predictions]:
    """What a network says of each frame of a graph, on the CPU.

    Args:
        net: [N, C + 1] logits of a graph on its device.
        groups: labels of each occur at most once in a frame.
    """
    device = next((weights.device for weights in net.parameters()), torch.device("cpu"))
    log_p = net(graph.to(device)).log_softmax(1).cpu()
    rows, label = labels_of_frames(graph.boxes, log_p, graph.frame, groups)
    sizes = torch.bincount(graph.frame[rows], minlength=len(graph.counts)).tolist()
    columns = (graph.boxes[rows], label, log_p[rows].exp(), graph.row[rows])
    return [Predictions(*parts) for parts in zip(*(column.split(sizes) for column in columns), strict=True)]
