"""Scanpath models over pictures, as rows of a report."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.scanpath import Ragged, Scanpaths
from gazekit.scene import SceneBatch, TrialBatch

__all__ = ["Viewer", "draw_lengths"]


class Viewer(Predictor):
    """A model of free viewing: scanpaths over pictures.

    The eye rests at `scenes.start_xy_px` (the centre, unless the data say otherwise) when a picture appears; what a
    recording, and so a scanpath, begins with is the first fixation after that. No model says when people stop: the
    numbers of fixations are drawn from those of people's scanpaths in training, for all rows alike.

    Args:
        facts: of `ViewingData`; "length_counts" says how many of people's scanpaths had 0, 1, ... fixations.
    """

    def view(self, scenes: SceneBatch, n: int, fixations: int, generator: torch.Generator) -> Scanpaths:
        """n scanpaths of `fixations` fixations over each of S pictures.

        Args:
            scenes: with `pictures` of one size.
            generator: source of all random draws (CPU).
        Returns:
            [S, n, T]: positions inside the picture, and durations where the model gives them.
        """
        raise NotImplementedError(f"{type(self).__name__} must define view(scenes, n, fixations, generator)")

    @torch.no_grad()
    def scanpaths(self, scenes: SceneBatch, n: int, generator: torch.Generator) -> Scanpaths:
        """n scanpaths [S, n, T] over each of S pictures, as long as people's are."""
        counts = torch.tensor(self.facts.get("length_counts", [0] * 10 + [1]))
        lengths = draw_lengths(counts, (len(scenes), n), generator)
        longest = max(1, int(lengths.max())) if lengths.numel() else 1
        paths = self.view(scenes, n, longest, generator)
        mask = paths.mask & (torch.arange(longest) < lengths[..., None]).to(paths.mask.device)
        return Scanpaths(paths.xy_px, mask, paths.duration_ms)

    def fixations_px(self, batch: TrialBatch, generator: torch.Generator, samples: int) -> list[Tensor]:
        """`samples` generated scanpaths of each trial's picture, trial by trial: [T, 2] x_px, y_px, or, of models that
        give durations, [T, 3] with duration_ms."""
        paths = self.scanpaths(batch.scenes, samples, generator)[batch.scene_of_trial.to("cpu")].flatten()
        values = paths.xy_px
        if paths.duration_ms is not None:
            values = torch.cat([values, paths.duration_ms[..., None].to(values)], -1)
        return Ragged(values.double().cpu(), paths.mask.cpu()).to_list()

    def positions_px(self, batch: TrialBatch, generator: torch.Generator, samples: int) -> list[Tensor]:
        """The same, [T, 2] without durations."""
        return [path[:, :2] for path in self.fixations_px(batch, generator, samples)]

    def predict(self, batch: TrialBatch, generator: torch.Generator, samples: int = 1) -> dict[str, Any]:
        """`scanpaths`: [B] lists of generated scanpaths for each trial, `Scanpaths` [n, T] each."""
        paths = self.scanpaths(batch.scenes, samples, generator)
        return {"scanpaths": [paths[int(row)] for row in batch.scene_of_trial]}


def draw_lengths(counts: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Numbers of fixations, at least 1, drawn as often as people's scanpaths had them.

    Args:
        counts: [L] scanpaths of 0, 1, ... fixations; empty ones are not drawn.
    Raises:
        ValueError: no scanpath has a fixation.
    """
    weights = counts.double().clone()
    weights[:1] = 0
    if not weights.sum() > 0:
        raise ValueError("no scanpath of the training part has a fixation: there are no lengths to draw")
    size = 1
    for side in shape:
        size *= side
    if not size:
        return torch.zeros(shape, dtype=torch.long)
    return torch.multinomial(weights, size, replacement=True, generator=generator).view(shape)
