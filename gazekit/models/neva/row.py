"""NeVA over pictures of any size, as a row of a report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from gazekit.models.neva.durations import Accumulator
from gazekit.models.neva.nets import CUTS, TaskNet
from gazekit.models.neva.optimise import draw_noise, losses, optimise
from gazekit.models.neva.scan import Scan
from gazekit.models.neva.settings import PRESETS
from gazekit.models.neva.tasks import Caption, Classification, Reconstruction, Task
from gazekit.scanpath import Scanpaths
from gazekit.scanpaths.viewer import Viewer
from gazekit.scene import SceneBatch

__all__ = ["NevaRow", "square"]

_KEPT = 20_000  # scanpaths that are remembered; 160 bytes for 10 fixations


class NevaRow(Viewer):
    """Looks where the foveated picture lowers the loss of a task most: scanpaths by test-time optimisation (NeVA).

    Pictures are stretched to a square, and fixations are stretched back. Nothing is learned from people. A scanpath is
    a function of picture, settings and seed; those already made are remembered. Memory is bounded by `rows`: about
    75 MB each with MobileNetV2 and "gradient", 20 MB with "scan".

    Args:
        facts: of the data.
        backbone: of `gazekit.backbones`; "logits" serve classification, "embedding" (CLIP) captions.
        weights: of the backbone: a file, a folder, None for data/backbones/NAME, or "random".
        task: "classification", "reconstruction" (of pixels; the backbone only prepares pictures) or "caption".
        caption: file (.npy) of the embedding [D] of a text by the same CLIP; for "caption" only.
        preset: name of published settings, see `PRESETS`.
        settings: of `NevaSettings`, that differ from the preset.
        durations: draw durations, see `Accumulator`; costs two passes a fixation.
        rows: scanpaths optimised together.
    Raises:
        ValueError: settings that contradict each other.
    """

    def __init__(
        self,
        facts: Mapping[str, Any] | None = None,
        backbone: str = "mobilenet_v2",
        weights: str | Path | None = None,
        task: Literal["classification", "reconstruction", "caption"] = "classification",
        caption: str | Path | None = None,
        preset: str = "classification",
        settings: Mapping[str, Any] | None = None,
        durations: bool = False,
        rows: int = 16,
    ) -> None:
        super().__init__(facts)
        if preset not in PRESETS:
            raise ValueError(f"model.preset must be one of {', '.join(PRESETS)}, got {preset!r}")
        if task not in ("classification", "reconstruction", "caption"):
            raise ValueError(f"model.task must be classification, reconstruction or caption, got {task!r}")
        if (task == "caption") != (caption is not None):
            raise ValueError(
                "model.caption is the file of a text's embedding, for model.task=caption and no other task"
            )
        if rows < 1:
            raise ValueError(f"model.rows must be at least 1, got {rows}")
        self.settings = replace(PRESETS[preset], **(settings or {}))
        if self.settings.solver == "scan" and (task != "classification" or backbone not in CUTS):
            raise ValueError(
                f"solver scan is for task classification and {', '.join(CUTS)}; use settings.solver=gradient"
            )
        self.backbone, self.weights, self.task_name, self.caption = backbone, weights, task, caption
        self.durations, self.rows = Accumulator() if durations else None, rows
        self._made: dict[tuple, Tensor] = {}

    @property
    def about(self) -> str:
        return (
            f"Fixations that lower the loss of {self.task_name} by {self.backbone} most ({self.settings.solver}, "
            f"blur {self.settings.kernel_px} px, memory {self.settings.memory}); nothing is learned from people."
        )

    @cached_property
    def net(self) -> TaskNet:
        layer = "embedding" if self.task_name == "caption" else "logits"
        return TaskNet(self.backbone, self.weights, layer, self.settings.size_px)

    @cached_property
    def task(self) -> Task:
        if self.task_name == "classification":
            return Classification(self.net)
        if self.task_name == "reconstruction":
            return Reconstruction()
        return Caption(self.net, torch.from_numpy(np.load(self.caption).astype("float32")))

    def view(self, scenes: SceneBatch, n: int, fixations: int, generator: torch.Generator) -> Scanpaths:
        images = square(scenes, self.net)
        count = len(images)
        row = torch.arange(count).repeat_interleave(n)
        seeds = torch.randint(2**31, (count * n,), generator=generator)
        names = [hashlib.sha256(picture.numpy().tobytes()).digest() for picture in scenes.pictures.cpu()]
        keys = [(names[k], fixations, seed) for k, seed in zip(row.tolist(), seeds.tolist(), strict=True)]
        self._make([k for k, key in enumerate(keys) if key not in self._made], images, row, seeds, keys)
        side = self.settings.size_px
        xy = torch.stack([self._made[key] for key in keys])
        size = scenes.size_px.to(xy)[row][:, None]
        shape = (count, n, fixations)
        duration = None
        if self.durations is not None:
            before, after = losses(images, row, self.task, self.settings, xy, self.rows)
            duration = self.durations.durations_ms(before.cpu(), after.cpu(), generator).view(shape)
        return Scanpaths((xy * size / side).view(*shape, 2), torch.ones(shape, dtype=torch.bool), duration)

    def _make(self, todo: list[int], images: Tensor, row: Tensor, seeds: Tensor, keys: list[tuple]) -> None:
        """Optimise these rows, `rows` at a time, and remember them."""
        search = Scan(self.net) if self.settings.solver == "scan" else None
        draws = search.draws if search else self.settings.steps
        parts = torch.tensor(todo, dtype=torch.long).split(self.rows) if todo else ()
        for part in track(parts, f"{len(todo)} scanpaths of NeVA", transient=True, disable=len(parts) < 2):
            used, of_used = row[part].unique(return_inverse=True)
            noise = draw_noise(seeds[part], keys[0][1], max(draws, self.settings.steps))
            found = optimise(images[used], of_used, self.task, self.settings, noise, search)
            if len(self._made) + len(part) > _KEPT:
                gone = [key for key in self._made if key not in set(keys)]
                for key in gone:
                    del self._made[key]
            self._made |= {keys[k]: xy for k, xy in zip(part.tolist(), found.xy_px.cpu(), strict=True)}


def square(scenes: SceneBatch, net: TaskNet) -> Tensor:
    """[S, 3, size, size] pictures of scenes, stretched and prepared for a net.

    Raises:
        ValueError: scenes without pictures.
    """
    if scenes.pictures is None:
        raise ValueError(
            "NeVA looks at pictures, and these scenes have none: choose data=osie_viewing or another *_viewing"
        )
    return net.backbone.preprocess(scenes.pictures)
