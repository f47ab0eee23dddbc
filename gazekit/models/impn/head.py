"""What a head over a frozen detector does with a graph, whoever trains it: augmentation and labels of frames."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gazekit.models.impn.assignment import labels_of_frames
from gazekit.models.impn.detections import Predictions
from gazekit.models.impn.edges import Graph

__all__ = ["predictions_of", "random_turns"]

ROLL_DEG = 25.0


def random_turns(count: int, generator: torch.Generator | None = None, flip: bool = False) -> Tensor:
    """[count, 2, 2] rolls of the head by up to 25 degrees, for `Graph.turn`.

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
