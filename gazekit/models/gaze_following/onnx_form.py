"""Gaze following with tensors in and out, in operators that ONNX has."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.models.gaze_following.gaze_net import GazeNet

__all__ = ["GazeForm", "example"]


class GazeForm(nn.Module):
    """Where the P people of B pictures look: the numbers of pictures, people and pixels are those of the example.

    Args of `forward`:
        image: [B, 3, H, W], RGB, real numbers from 0 to 255.
        head_norm: [P, 4] x_min, y_min, x_max, y_max in fractions of width and height.
        picture: [P] long, which picture each person is in.
    Returns:
        Heat map [P, h, w], and where the net has them, the logit [P] of a target in the frame and the direction [P, 2].
    """

    def __init__(self, net: GazeNet) -> None:
        super().__init__()
        self.net = net
        # a module, so that the weights of a frozen encoder go into the file
        self.frozen = net.frozen.module if hasattr(net, "frozen") else None

    def forward(self, image: Tensor, head_norm: Tensor, picture: Tensor) -> tuple[Tensor, ...]:
        looks = self.net.look(self.net.encode(image), picture, head_norm, dense=True)
        return tuple(said for said in looks if said is not None)


def example(size_px: tuple[int, int], people: int = 3, pictures: int = 1) -> dict[str, Tensor]:
    """Random arguments of `GazeForm`; an ONNX file takes these sizes.

    Args:
        size_px: height and width of the pictures.
    """
    draw = torch.Generator().manual_seed(0)
    corner = 0.7 * torch.rand(people, 2, generator=draw)
    return {
        "image": torch.randint(0, 256, (pictures, 3, *size_px), generator=draw).float(),
        "head_norm": torch.cat([corner, corner + 0.2], 1),
        "picture": torch.arange(people) % pictures,
    }
