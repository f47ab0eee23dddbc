"""Small pictures, and people who look at them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gazekit.scanpath import Scanpaths
from gazekit.scene import Scene, SceneBatch, TrialBatch


def scenes(pictures: Tensor) -> SceneBatch:
    """Of uint8 pictures [S, H, W, 3]."""
    size = (pictures.shape[2], pictures.shape[1])
    box = [[0, 0, *size]]
    batch = SceneBatch.from_scenes([Scene(f"p{k}", size, box) for k in range(len(pictures))])
    return replace(batch, pictures=pictures)


def noise(count: int = 2, size: tuple[int, int] = (80, 60), seed: int = 0) -> SceneBatch:
    """Pictures of random pixels; size is (width, height)."""
    draw = torch.Generator().manual_seed(seed)
    return scenes(torch.randint(0, 256, (count, size[1], size[0], 3), generator=draw, dtype=torch.uint8))


def grey(count: int = 2, size: tuple[int, int] = (80, 60)) -> SceneBatch:
    return scenes(torch.full((count, size[1], size[0], 3), 128, dtype=torch.uint8))


def trials(scene: SceneBatch, paths: Scanpaths) -> TrialBatch:
    """[S, n] scanpaths as trials of people."""
    s, n = paths.shape
    mask = paths.mask.flatten(0, 1)
    duration = None if paths.duration_ms is None else paths.duration_ms.flatten(0, 1).float() * mask
    return TrialBatch(
        scenes=scene,
        scene_of_trial=torch.arange(s).repeat_interleave(n),
        objects=torch.zeros(mask.shape, dtype=torch.long),
        mask=mask,
        xy_px=paths.xy_px.flatten(0, 1).float() * mask[..., None],
        trial=torch.arange(s * n),
        group=torch.arange(s).repeat_interleave(n),
        duration_ms=duration,
    )


class People:
    """The part of `Data` that models learn from."""

    def __init__(self, train: list[TrialBatch], val: list[TrialBatch] = ()) -> None:
        self.parts = {"train": list(train), "val": list(val)}

    def batches(self, part: str):
        return iter(self.parts[part])


def walkers(scene: SceneBatch, n: int, length: int, seed: int = 0) -> TrialBatch:
    """People who look around the middle of the upper left quarter, in short steps, of 100 to 400 ms."""
    draw = torch.Generator().manual_seed(seed)
    size = scene.size_px[0]
    steps = torch.randn(len(scene), n, length, 2, generator=draw) * size * 0.07
    xy = (size / 4 + steps.cumsum(2)).clamp(min=0).minimum(size - 1)
    lengths = torch.randint(1, length + 1, (len(scene), n), generator=draw)
    mask = torch.arange(length) < lengths[..., None]
    duration = 100 + 300 * torch.rand(mask.shape, generator=draw)
    return trials(scene, Scanpaths(xy, mask, duration))
