"""The attention read-out in time as the system of the experiment, with the figures of its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data, System
from gazekit.models.receptive_fields.encoder import TimeEncoder, fit_encoder
from gazekit.models.receptive_fields.rows import learning_batch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ReceptiveFields"]


class ReceptiveFields(System):
    """A read-out in time per voxel, with a response function that all share; fitted to the learning time by likelihood.

    There is nothing for a trainer to do: `fit(data)` does all of it.

    Args:
        facts: `voxels`, `tr_s`, `x_dva`, `y_dva` of the data.
        field: "attention", "point", "gaussian", "compressive" or "difference".
        own_delays: see `TimeEncoder`.
        steps: of the refinement after the grid search.
    """

    def __init__(
        self, facts: Mapping[str, Any], field: str = "attention", own_delays: bool = True, steps: int = 40
    ) -> None:
        super().__init__(facts)
        self.steps = steps
        self.encoder = TimeEncoder(facts, field, True, own_delays)

    def fit(self, data: Data) -> None:
        fit_encoder(self.encoder, learning_batch(data), self.steps)

    def predict(self, batch: Any, generator: torch.Generator, samples: int = 1) -> dict[str, Tensor]:
        """`prediction` [B, V] at `time` [B]. Nothing is random."""
        return {"prediction": self.encoder(batch)}

    def read(self, input: Path) -> Iterator[tuple[list[Any], Any]]:
        """A stimulus of your own, .npy [T, X, Y] on the grid of the data, one frame a volume: responses at every frame.

        Raises:
            ValueError: another shape.
        """
        stimulus = torch.from_numpy(np.load(input, allow_pickle=False))
        if stimulus.dim() != 3:
            raise ValueError(f"{input} must hold a stimulus [T, X, Y], got {list(stimulus.shape)}")
        yield list(range(len(stimulus))), {"stimulus": stimulus, "time": torch.arange(len(stimulus))}

    def notes(self) -> list[str]:
        peak, width, undershoot = self.encoder.hrf.shape
        return [
            f"response function of the learning time: first gamma density with its peak at {peak:.2f} s and scale "
            f"{width:.2f} s, undershoot {undershoot:.2f}; canonical are 5.00 s, 1.00 s and .17"
        ]

    def figures(self, data: Data, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """Time courses, places on the visual field, attention of voxels beside their Gaussian, response functions."""
        from gazekit.models.receptive_fields.figures import field_figures

        return field_figures(self, data)
