"""How well one annotator finds the gaze target that others marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Predictor

__all__ = ["OneAnnotator"]

CELLS, SIGMA = 64, 3.0


class OneAnnotator(Predictor):
    """One annotator of each person, drawn at random, against the other annotators of that person.

    The drawn point is the prediction; as a heat map it is a Gaussian with a standard deviation of 3 cells on 64 x 64
    cells. It is scored against the remaining points, so `predict` also returns the truth without it: `points_norm`,
    its mean `point_norm`, and `direction_xy`. People with fewer than two annotators have no other one: their prediction
    and their truth are NaN, and no points.
    """

    reasons: Mapping[str, str] = {
        "predicted_norm": "a person with one annotator has no other one",
        "heatmap": "a person with one annotator has no other one",
        "predicted_direction_xy": "a person with one annotator has no other one",
    }

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        eye, size = batch["eye_norm"], batch["size_px"]
        points: list[Tensor] = [of_person.to(eye.device) for of_person in batch["points_norm"]]
        said = torch.full((len(points), 2), torch.nan, device=eye.device)
        rest = []
        for k, of_person in enumerate(points):
            draw = int(torch.randint(max(1, len(of_person)), (1,), generator=generator))
            if len(of_person) < 2:
                rest.append(of_person[:0])
            else:
                said[k] = of_person[draw]
                rest.append(torch.cat([of_person[:draw], of_person[draw + 1 :]]))
        mean = torch.stack([p.mean(0) for p in rest]) if rest else said
        return {
            "predicted_norm": said,
            "heatmap": _gaussian(said),
            "predicted_direction_xy": _unit((said - eye) * size),
            "points_norm": rest,
            "point_norm": mean,
            "direction_xy": _unit((mean - eye) * size),
        }


def _unit(way: Tensor) -> Tensor:
    return way / way.norm(dim=-1, keepdim=True)


def _gaussian(points_norm: Tensor) -> Tensor:
    """[P, 64, 64] with a peak of 1 in the cell of each point."""
    cell = (points_norm * CELLS).floor().clamp(max=CELLS - 1)
    index = torch.arange(CELLS, device=cell.device)
    x, y = (torch.exp(-((index - cell[:, k, None]) ** 2) / (2 * SIGMA**2)) for k in (0, 1))
    return y[:, :, None] * x[:, None, :]
