"""NeVA without its optimisation: a small net that has learned from NeVA's own scanpaths where it looks next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningDataModule
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from gazekit.kernels.foveate import blur_residual
from gazekit.models.neva.amortised_net import CELLS, AmortisedNet, Picture, describe
from gazekit.models.neva.nets import TaskNet
from gazekit.models.neva.optimise import draw_noise, optimise
from gazekit.models.neva.row import square
from gazekit.models.neva.scan import Scan
from gazekit.models.neva.settings import PRESETS, NevaSettings
from gazekit.models.neva.tasks import Classification
from gazekit.scanpath import Scanpaths
from gazekit.scanpaths.viewer import Viewer
from gazekit.scene import SceneBatch

__all__ = ["AmortisedNeva", "crops", "learn"]

_TOGETHER = 16  # pictures that NeVA looks at together
_BATCH = 64


class AmortisedNeva(Viewer):
    """A small net that predicts NeVA's next fixation in one pass, from the picture and what is still seen of it.

    `fit` lets NeVA (solver "scan", classification by MobileNetV2) look at crops of the training pictures, and trains
    the net on where it looked. Fixations are drawn from the net's map, as NeVA's search is random too.

    Args:
        facts: of `ViewingData`.
        weights: of MobileNetV2.
        preset: settings that are learned, see `PRESETS`.
        crops: of each training picture.
        fixations: of each of NeVA's scanpaths in training.
        steps: of Adam, in batches of 64 fixations.
        greedy: take the highest place of the map instead of drawing one.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        weights: str | Path | None = None,
        preset: str = "classification",
        crops: int = 3,
        fixations: int = 6,
        steps: int = 800,
        greedy: bool = False,
    ) -> None:
        super().__init__(facts)
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
        self.weights, self.settings = weights, PRESETS[preset]
        self.crops, self.fixations, self.steps, self.greedy = crops, fixations, steps, greedy
        self.net = AmortisedNet()
        self._task_net: TaskNet | None = None

    @property
    def task_net(self) -> TaskNet:
        """MobileNetV2; loaded when it is first needed, and no part of checkpoints."""
        if self._task_net is None:
            self._task_net = TaskNet("mobilenet_v2", self.weights, "logits", self.settings.size_px)
        return self._task_net

    def fit(self, data: LightningDataModule) -> None:
        """Let NeVA look at the training pictures of `ViewingData`, and learn from it."""
        generator = torch.Generator().manual_seed(0)
        pictures = torch.cat(
            [
                self.task_net.backbone.preprocess(crops(scenes.pictures, self.crops, generator))
                for scenes in _scenes(data)
            ]
        )
        learn(self.net, self.task_net, self.settings, pictures, self.fixations, self.steps, generator)

    @torch.no_grad()
    def view(self, scenes: SceneBatch, n: int, fixations: int, generator: torch.Generator) -> Scanpaths:
        images = square(scenes, self.task_net)
        row = torch.arange(len(images)).repeat_interleave(n)
        xy = self.look(images, row, fixations, generator)
        size = scenes.size_px.to(xy)[row][:, None]
        shape = (len(images), n, fixations)
        return Scanpaths(
            (xy * size / self.settings.size_px).view(*shape, 2), torch.ones(shape, dtype=torch.bool)
        )

    @torch.no_grad()
    def look(self, images: Tensor, row: Tensor, fixations: int, generator: torch.Generator) -> Tensor:
        """[B, T, 2] fixations on the square, of rows [B] that look at prepared pictures [P, 3, S, S]."""
        cell_px = self.settings.size_px / CELLS
        residual = blur_residual(images, self.settings.sigma_px, self.settings.kernel_px)
        encoded = self.net.encode(describe(self.task_net, images, residual))[row]
        place = (torch.arange(encoded.shape[-1]) + 0.5) * self.settings.size_px / encoded.shape[-1]
        memory, made = encoded.new_zeros(len(encoded), len(place), len(place)), []
        for _ in range(fixations):
            log_map = self.net(encoded, memory)
            if self.greedy:
                cell = log_map.argmax(1)
            else:
                cell = torch.multinomial(log_map.exp().cpu(), 1, generator=generator)[:, 0]
            xy = (torch.stack([cell % CELLS, cell // CELLS], 1).float().to(memory) + 0.5) * cell_px
            away = (place - xy[:, :1]).square()[:, None] + (place - xy[:, 1:]).square()[:, :, None]
            memory = self.settings.memory * memory + torch.exp(away / (-2 * self.settings.bump_px**2))
            made.append(xy)
        return torch.stack(made, 1)


def learn(
    net: AmortisedNet,
    task_net: TaskNet,
    settings: NevaSettings,
    pictures: Tensor,
    fixations: int,
    steps: int,
    generator: torch.Generator,
) -> list[float]:
    """Train a net on NeVA's scanpaths over prepared pictures [P, 3, S, S], one each; returns the loss of each step.

    The loss is the cross-entropy to a Gaussian of 8 px about NeVA's fixation. What NeVA says and what is known of the
    pictures is kept: 0.4 MB a picture.
    """
    known, moments = [], []
    for part in track(pictures.split(_TOGETHER), "NeVA's own scanpaths", transient=True):
        row = torch.arange(len(part))
        task, search = Classification(task_net), Scan(task_net)
        noise = draw_noise(
            torch.randint(2**31, (len(part),), generator=generator),
            fixations,
            max(search.draws, settings.steps),
        )
        found = optimise(part, row, task, settings, noise, search, keep_memory=True)
        known.append(describe(task_net, part, blur_residual(part, settings.sigma_px, settings.kernel_px)))
        moments.append((F.adaptive_avg_pool2d(found.memory, 14), found.xy_px))
    picture = Picture(*(torch.cat(part) for part in zip(*known, strict=True)))
    memory, xy = (torch.cat(part).flatten(0, 1) for part in zip(*moments, strict=True))
    target = _targets(xy, settings.size_px)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    curve = []
    for _ in track(range(steps), "learning from NeVA", transient=True):
        chosen = torch.randint(len(xy), (_BATCH,), generator=generator)
        of = Picture(*(part[chosen // fixations] for part in picture))
        log_map = net(net.encode(of), memory[chosen])
        loss = -(target[chosen] * log_map).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        curve.append(float(loss.detach()))
    return curve


def _targets(xy_px: Tensor, side: int) -> Tensor:
    """[M, 784] Gaussians of one cell about fixations [M, 2]."""
    line = torch.arange(CELLS) + 0.5
    at = xy_px * CELLS / side
    x, y = ((line - at[:, k : k + 1]).square() / -2 for k in (0, 1))
    return (y[:, :, None] + x[:, None]).flatten(1).softmax(1)


def crops(pictures: Tensor, count: int, generator: torch.Generator) -> list[Tensor]:
    """`count` random windows of each of uint8 pictures [P, H, W, 3], with 60 to 100 % of each side, half mirrored."""
    height, width = pictures.shape[1:3]
    made = []
    for picture in pictures:
        for _ in range(count):
            share, top, left, mirror = torch.rand(4, generator=generator).tolist()
            h, w = (max(1, round(side * (0.6 + 0.4 * share))) for side in (height, width))
            y, x = round(top * (height - h)), round(left * (width - w))
            window = picture[y : y + h, x : x + w]
            made.append(window.flip(1) if mirror < 0.5 else window)
    return made


def _scenes(data: LightningDataModule) -> Iterator[SceneBatch]:
    """Each training picture once."""
    seen: set[int] = set()
    for batch in data.batches("train"):
        groups = [int(batch.group[batch.scene_of_trial == k][0]) for k in range(len(batch.scenes))]
        new = [k for k, group in enumerate(groups) if group not in seen]
        seen.update(groups)
        if new:
            yield batch.scenes[torch.tensor(new)]
