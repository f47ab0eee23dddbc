"""Gaze direction from two eyes and head pose from a face, by two nets of Intel's Open Model Zoo (Apache-2.0).

They are gaze-estimation-adas-0002 and head-pose-estimation-adas-0001. They take small crops and say a few numbers, so
they are plain modules and no `Net`. Crops are BGR, 0 to 255, [B, 3, 60, 60]. Scales and shifts that stand behind a
ReLU are batch norms of the original.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazekit.backbones.load import fill, read_weights

__all__ = ["GazeNet", "HeadPoseNet", "load_crops_net"]


class Affine(nn.Module):
    """One factor and one offset a channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        ones = [1] * (x.dim() - 2)
        return x * self.scale.view(-1, *ones) + self.shift.view(-1, *ones)


def _conv(channels: int, width: int, stride: int = 1, padding: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, stride, padding)


class _Eye(nn.Module):
    def __init__(self):
        super().__init__()
        self.input, self.conv1, self.bn1, self.pool1 = Affine(3), _conv(3, 32), Affine(32), _conv(32, 16, 2)
        self.conv2, self.bn2, self.pool2 = _conv(16, 64), Affine(64), _conv(64, 32, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(self.bn1(F.relu(self.conv1(self.input(x)))))
        return self.pool2(self.bn2(F.relu(self.conv2(x))))


class GazeNet(nn.Module):
    """Where two eyes look."""

    def __init__(self):
        super().__init__()
        self.left, self.right = _Eye(), _Eye()
        self.conv3, self.bn3, self.pool3 = _conv(64, 128), Affine(128), _conv(128, 64, 2)
        self.conv4, self.bn4, self.pool4 = _conv(64, 128), Affine(128), _conv(128, 64, 2, 0)
        self.conv5, self.bn5, self.conv6 = _conv(64, 256), Affine(256), _conv(256, 512, 1, 0)
        self.fc1, self.fc2, self.bn_fc2, self.fc3 = (
            nn.Linear(515, 320),
            nn.Linear(320, 80),
            Affine(80),
            nn.Linear(80, 3),
        )

    def forward(self, left: Tensor, right: Tensor, angles_deg: Tensor) -> Tensor:
        """[B, 3] x to the right, y up, z about -1 towards the camera; not of unit length.

        Args:
            left, right: the eye on the left and on the right of the picture.
            angles_deg: [B, 3] yaw, pitch and roll of the head; roll 0 where the crops are turned upright.
        """
        x = torch.cat([self.left(left), self.right(right)], 1)
        x = self.pool3(self.bn3(F.relu(self.conv3(x))))
        x = self.pool4(self.bn4(F.relu(self.conv4(x))))
        x = self.conv6(self.bn5(F.relu(self.conv5(x)))).flatten(1)
        x = F.relu(self.fc1(torch.cat([x, angles_deg], 1)))
        return self.fc3(self.bn_fc2(F.relu(self.fc2(x))))


class HeadPoseNet(nn.Module):
    """How a head is turned."""

    def __init__(self):
        super().__init__()
        self.input, self.conv1, self.bn1, self.pool1 = Affine(3), _conv(3, 32), Affine(32), _conv(32, 16, 2)
        self.conv2, self.bn2 = _conv(16, 64), Affine(64)
        self.conv3, self.bn3, self.pool3 = _conv(64, 128), Affine(128), _conv(128, 64, 2)
        self.conv4, self.bn4 = _conv(64, 128), Affine(128)
        self.conv5, self.bn5, self.conv_fm = _conv(128, 256), Affine(256), _conv(256, 512, 1, 0)
        self.yaw, self.pitch, self.roll = (nn.Conv2d(512, 128, 1) for _ in range(3))
        self.bn_yaw, self.bn_pitch = Affine(128), Affine(128)
        self.yaw_fc, self.pitch_fc, self.roll_fc = (nn.Linear(512, 1) for _ in range(3))

    def forward(self, face: Tensor) -> Tensor:
        """[B, 3] yaw, pitch and roll in degrees of square face crops."""
        x = self.pool1(self.bn1(F.relu(self.conv1(self.input(face)))))
        x = F.max_pool2d(self.bn2(F.relu(self.conv2(x))), 3, 2, ceil_mode=True)
        x = self.pool3(self.bn3(F.relu(self.conv3(x))))
        x = F.max_pool2d(self.bn4(F.relu(self.conv4(x))), 3, 2, ceil_mode=True)
        x = self.conv_fm(self.bn5(F.relu(self.conv5(x))))
        parts = (self.bn_yaw(F.relu(self.yaw(x))), self.bn_pitch(F.relu(self.pitch(x))), F.relu(self.roll(x)))
        heads = (self.yaw_fc, self.pitch_fc, self.roll_fc)
        return torch.cat([head(part.flatten(1)) for head, part in zip(heads, parts, strict=True)], 1)


def load_crops_net(kind: type[nn.Module], weights: str | Path) -> nn.Module:
    """A frozen `GazeNet` or `HeadPoseNet`.

    Args:
        kind: the class.
        weights: its safetensors file, converted from OpenVINO's; 8-bit tensors are scaled back.
    Raises:
        FileNotFoundError: no such file.
        DataError: weights of another net.
    """
    net = kind()
    fill(net, read_weights(Path(weights)), weights)
    return net.eval().requires_grad_(False)
