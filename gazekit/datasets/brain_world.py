"""A generated world for models of brain responses: scenes with one face each, and a network that finds the face.

Scenes are rooms with things and one person (drawn as in `gaze_world`): wall, floor, light, things, skin, hair, clothes
and the place of the face are random. The network is known. `SmallNet` are two layers of random filters, seeded; a
`Front` adds what it makes of them: the principal components of the maps, and a detector of faces, linear in the maps,
fitted to other scenes. Both are the same linear maps at every place. The maps of any other net can take the place of
the small one's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.datasets.gaze_drawing import draw_scene
from gazekit.datasets.gaze_world import Head, Scene, Thing

__all__ = ["COMPONENTS", "SIDE_PX", "Front", "SmallNet", "draw_scenes", "sample_scene"]

SIDE_PX = 64
COMPONENTS = 47  # with the detector, 48 channels
SHRINKAGE = 0.01  # of the detector's covariance, in its mean variance
_SHAPES = 6  # of things


def sample_scene(seed: int) -> Scene:
    """A room with things and one person who faces us more or less; the same for the same seed."""
    draw = np.random.default_rng(seed)
    head = Head(
        xy=draw.uniform(0.1, 0.9, 2),
        radius=draw.uniform(0.11, 0.17),
        depth=draw.uniform(0.6, 0.95),
        look=int(draw.integers(1 << 30)),
        head_angle=draw.uniform(0, 2 * np.pi),
    )
    head.eye_angle = head.head_angle + draw.normal(0, 0.3)
    things: list[Thing] = []
    for _ in range(draw.integers(4, 8)):
        for _ in range(20):
            size, xy = draw.uniform(0.12, 0.24), draw.uniform(0.05, 0.95, 2)
            free = all(math.dist(xy, thing.xy) > 0.7 * (size + thing.size) for thing in things)
            if free and math.dist(xy, head.xy) > 1.15 * head.radius + 0.5 * size:
                salient = bool(draw.random() < 0.5)
                things.append(Thing(xy, size, int(draw.integers(_SHAPES)), np.zeros(3), salient))
                break
    return Scene(1.0, things, [head], seed)


def draw_scenes(seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [n, 64, 64, 3] and the centres of the faces [n, 2], as shares of width and height."""
    scenes = [sample_scene(int(seed)) for seed in seeds]
    pictures = np.stack([draw_scene(scene, SIDE_PX) for scene in scenes])
    return pictures, np.stack([scene.heads[0].xy for scene in scenes])


class SmallNet:
    """Two layers of random 5 x 5 filters with stride 2, each followed by a ReLU, and an average pooling: maps
    [n, 384, 8, 8] of pictures of 64 px.

    Filters have most of their mean taken away, as those of trained nets do: they answer to edges and colours more than
    to light.

    Args:
        seed: of the filters.
    """

    widths = (24, 384)
    stride = 8

    def __init__(self, seed: int = 0) -> None:
        generator, before, self.filters = torch.Generator().manual_seed(seed), 3, []
        for width in self.widths:
            drawn = torch.randn(width, before, 5, 5, generator=generator)
            drawn = drawn - 0.7 * drawn.mean((2, 3), keepdim=True)
            self.filters.append(drawn / drawn.flatten(1).norm(dim=1)[:, None, None, None])
            before = width

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray) -> Tensor:
        """Maps of uint8 pictures [n, H, W, 3]."""
        parts = [
            self._maps(torch.from_numpy(part)) for part in np.array_split(pictures, -(-len(pictures) // 64))
        ]
        return torch.cat(parts)

    def _maps(self, pictures: Tensor) -> Tensor:
        x = (pictures.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
        for kernel in self.filters:
            x = F.relu(F.conv2d(F.pad(x, [2] * 4, mode="replicate"), kernel, stride=2))
        return F.avg_pool2d(x, 2)


class Front(NamedTuple):
    """What the known network makes of maps at each place; see `fit`.

    Args:
        mean: [C] of the maps.
        components: [C, K] principal axes, each divided by the square root of its sd, which makes the rare ones
            audible without making all equal.
        face: [C] the detector; its output has mean 0 and sd 1 over places.
    """

    mean: Tensor
    components: Tensor
    face: Tensor

    @classmethod
    def fit(cls, maps: Tensor, face_xy: np.ndarray) -> Front:
        """Learn from maps [n, C, H, W] of scenes whose faces are at `face_xy` [n, 2].

        The detector is Fisher's discriminant between the place nearest to the face and all places.
        """
        tokens = maps.flatten(2).transpose(1, 2).double()  # [n, H * W, C]
        mean = tokens.mean((0, 1))
        centred = tokens - mean
        covariance = torch.einsum("ntc,ntd->cd", centred, centred) / (len(centred) * centred.shape[1])
        variance, axes = torch.linalg.eigh(covariance)
        many = min(COMPONENTS, len(variance))
        variance, axes = variance.flip(0)[:many].clamp_min(1e-12), axes.flip(1)[:, :many]
        axes = axes * axes.sum(0).sign()  # eigenvectors have no sign of their own
        height, width = maps.shape[2:]
        column = (torch.from_numpy(face_xy[:, 0]) * width).long().clamp(0, width - 1)
        row = (torch.from_numpy(face_xy[:, 1]) * height).long().clamp(0, height - 1)
        faces = centred[torch.arange(len(maps)), row * width + column].mean(0)
        shrunk = covariance + SHRINKAGE * covariance.diagonal().mean() * torch.eye(len(mean))
        face = torch.linalg.solve(shrunk, faces)
        face = face / (face @ covariance @ face).sqrt()
        return cls(mean.float(), (axes / variance**0.25).float(), face.float())

    def __call__(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Components [n, H * W, K] and the answer of the detector [n, H * W] of maps [n, C, H, W]."""
        centred = maps.flatten(2).transpose(1, 2) - self.mean
        return centred @ self.components, centred @ self.face
