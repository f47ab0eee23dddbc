"""Simple rows beside gaze-following nets: the centre, the mean map of the training part, and a cone along the head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data, Predictor
from gazekit.datasets.gaze_targets import GazePicture, Person, eye_of
from gazekit.models.gaze_following.losses import SIDE, target_heatmap

__all__ = ["Centre", "Cone", "MeanMap"]

UNKNOWN_POSE = dict.fromkeys(
    ("predicted_norm", "heatmap", "scores", "predicted_direction_xy"),
    "the pose of the head is not known, or the target is out of frame",
)
MOST = 4000  # people that a baseline learns from, drawn at random


class Centre(Predictor):
    """Everybody looks at the centre of the picture."""

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        point = torch.full_like(batch["eye_norm"], 0.5)
        return _said(batch, target_heatmap(point), point, point[:, 0])


class MeanMap(Predictor):
    """The mean of the target maps of the training part, and its share of targets in the frame."""

    def __init__(self, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(facts)
        self.register_buffer("heatmap", torch.zeros(SIDE, SIDE))
        self.register_buffer("inside", torch.zeros(()))

    def fit(self, data: Data) -> None:
        people = [person for _, person in training_people(data)]
        points = [person.points_norm.mean(0) for person in people if person.inside]
        if points:
            self.heatmap.copy_(target_heatmap(torch.tensor(np.array(points), dtype=torch.float32)).mean(0))
        self.inside.fill_(len(points) / max(1, len(people)))

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        many = len(batch["picture"])
        best = int(self.heatmap.argmax())
        point = self.heatmap.new_tensor([best % SIDE, best // SIDE]) / SIDE
        return _said(
            batch, self.heatmap.expand(many, -1, -1), point.expand(many, -1), self.inside.expand(many)
        )


class Cone(Predictor):
    """A cone along the direction of the head, as wide and as long as in the training part.

    The target's density in polar coordinates round the eyes: von Mises in the angle from the head's direction,
    log-normal in the distance, which is in sides of a square of the picture's area. The point is at the median
    distance; the probability of a target in the frame is the share of the cone that is in it.

    Needs `pose_xy` in the data; where it is NaN, nothing is said.
    """

    def __init__(self, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(facts)
        self.register_buffer("concentration", torch.tensor(1.0))
        self.register_buffer("log_distance", torch.tensor([-1.0, 0.5]))  # mean and sd

    def fit(self, data: Data) -> None:
        cosines, distances = [], []
        for picture, person in training_people(data):
            if not person.inside or np.isnan(person.pose_xy).any():
                continue
            size = np.array(picture.size_px) / np.sqrt(np.prod(picture.size_px))
            way = (person.points_norm.mean(0) - eye_of(person, picture.size_px)) * size
            distances.append(max(1e-3, np.linalg.norm(way)))
            cosines.append(way @ person.pose_xy / distances[-1] / np.linalg.norm(person.pose_xy))
        if len(cosines) > 1:
            spread = max(1e-4, 1 - float(np.mean(cosines)))  # 1 - E cos = 1 / (2 kappa) for narrow cones
            self.concentration.fill_(1 / (2 * spread))
            log = np.log(distances)
            self.log_distance.copy_(torch.tensor([np.median(log), max(0.05, log.std())]))

    def predict(
        self, batch: Mapping[str, Any], generator: torch.Generator, samples: int = 1
    ) -> dict[str, Any]:
        if batch["pose_xy"].isnan().any():  # else what is undefined has another reason
            self.reasons = UNKNOWN_POSE
        size = batch["size_px"] / batch["size_px"].prod(1, keepdim=True).sqrt()
        eye, pose, (mean, sd) = batch["eye_norm"], batch["pose_xy"], self.log_distance
        cell = (torch.arange(SIDE, device=eye.device) + 0.5) / SIDE
        x = (cell - eye[:, :1]) * size[:, :1]
        y = (cell - eye[:, 1:]) * size[:, 1:]
        distance = (x[:, None, :] ** 2 + y[:, :, None] ** 2).sqrt().clamp(min=1e-3)
        cosine = (x[:, None, :] * pose[:, 0, None, None] + y[:, :, None] * pose[:, 1, None, None]) / distance
        log = (
            -(((distance.log() - mean) / sd) ** 2) / 2
            + self.concentration * (cosine - 1)
            - 2 * distance.log()
        )
        scale = (2 * torch.pi) ** 0.5 * sd * (2 * torch.pi / self.concentration).sqrt()
        heatmap = log.exp()
        inside = (heatmap.sum((1, 2)) / SIDE**2 / scale).clamp(max=1)
        point = (eye + mean.exp() * pose / size).clamp(0, 1)
        return _said(batch, heatmap, point, inside, pose)


def training_people(data: Data) -> Iterator[tuple[GazePicture, Person]]:
    """People of pictures drawn from the training part, about `MOST` at most; no picture is read."""
    number = 0
    for index in np.random.default_rng(0).permutation(data.baseline_part):
        picture = data.pictures[index]
        for person in picture.people:
            yield picture, person
        number += len(picture.people)
        if number >= MOST:
            return


def _said(
    batch: Mapping[str, Any], heatmap: Tensor, point: Tensor, inside: Tensor, direction: Tensor | None = None
) -> dict[str, Any]:
    if direction is None:
        way = (point - batch["eye_norm"]) * batch["size_px"]
        direction = way / way.norm(dim=1, keepdim=True)
    return {
        "heatmap": heatmap,
        "predicted_norm": point,
        "scores": inside,
        "predicted_direction_xy": direction,
    }
