"""Cases of the gaze metrics."""

from __future__ import annotations

from collections.abc import Callable

import torch
from cases import Batch, Case
from torch import Tensor

from gazekit.metrics import (
    AngularError,
    AttentionTargetAUC,
    AveragePrecision,
    DistanceToMean,
    GazeAngle,
    GazeFollowAUC,
    MeanDistance,
    MinDistance,
)
from gazekit.metrics.functional import (
    angular_error_deg,
    attention_target_auc,
    average_precision,
    distance_to_mean_norm,
    gaze_angle_deg,
    gazefollow_auc,
    mean_distance_norm,
    min_distance_norm,
)
from gazekit.scanpath import Scanpaths

__all__ = ["CASES"]


def people_batch(seed: int) -> Batch:
    """Five people; nobody marked where the first looks, the second looks out of frame."""
    draw = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw, dtype=torch.float64)

    mask = torch.arange(4) < torch.randint(1, 5, (5, 1), generator=draw)
    mask[0] = False
    point = uniform(5, 2)
    point[1] = -1
    eye, predicted = 100 * uniform(5, 2), uniform(5, 2)
    return {
        "heatmap": uniform(5, 64, 64),
        "points_norm": Scanpaths(uniform(5, 4, 2), mask),
        "size_px": torch.tensor([[30, 20], [64, 64], [30, 20], [70, 90], [64, 64]]),
        "point_norm": point,
        "predicted_norm": predicted,
        "eye_xy": eye,
        "predicted_xy": torch.cat([eye[:1], 100 * predicted[1:]]),
        "true_xy": 100 * uniform(5, 2),
    }


def directions_batch(seed: int) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    prediction, target = torch.randn(2, 9, 3, generator=draw, dtype=torch.float64)
    prediction[2] = 0
    scores = torch.randint(6, (9,), generator=draw) / 8
    scores[4] = torch.nan
    labels = torch.rand(9, generator=draw) < 0.5
    labels[0] = True
    return {
        "predicted_direction": prediction,
        "true_direction": target,
        "scores": scores,
        "labels": labels,
    }


def mean_of(function: Callable[..., Tensor], keys: str, batches: list[Batch]) -> Tensor:
    """One person at a time."""
    values = [
        function(*one) for batch in batches for one in zip(*(batch[key] for key in keys.split()), strict=True)
    ]
    return torch.stack(values).nanmean()


def precision_of_all(batches: list[Batch]) -> Tensor:
    scores, labels = (torch.cat([batch[key] for batch in batches]) for key in ("scores", "labels"))
    return average_precision(scores[~scores.isnan()], labels[~scores.isnan()])


def people(make: Callable, function: Callable[..., Tensor], keys: str) -> Case:
    return Case(make, people_batch, lambda batches: mean_of(function, keys, batches))


CASES: dict[str, Case] = {
    "gazefollow_auc": people(GazeFollowAUC, gazefollow_auc, "heatmap points_norm size_px"),
    "attention_target_auc": people(AttentionTargetAUC, attention_target_auc, "heatmap point_norm"),
    "distance_to_mean_norm": people(DistanceToMean, distance_to_mean_norm, "predicted_norm points_norm"),
    "min_distance_norm": people(MinDistance, min_distance_norm, "predicted_norm points_norm"),
    "mean_distance_norm": people(MeanDistance, mean_distance_norm, "predicted_norm points_norm"),
    "gaze_angle_deg": people(GazeAngle, gaze_angle_deg, "eye_xy predicted_xy true_xy"),
    "average_precision": Case(AveragePrecision, directions_batch, precision_of_all),
    "angular_error_deg": Case(
        AngularError,
        directions_batch,
        lambda b: mean_of(angular_error_deg, "predicted_direction true_direction", b),
    ),
}
