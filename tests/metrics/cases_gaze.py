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
    DirectionError,
    DistanceToMean,
    GazeAngle,
    GazeFollowAUC,
    MeanDistance,
    MinDistance,
    PHead,
    PointInMask,
)
from gazekit.metrics.functional import (
    angular_error_deg,
    attention_target_auc,
    average_precision,
    direction_error_deg,
    distance_to_mean_norm,
    gaze_angle_deg,
    gazefollow_auc,
    mean_distance_norm,
    min_distance_norm,
    point_in_mask,
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
    direction = uniform(5, 2) - 0.5
    direction[2] = torch.nan
    low = uniform(5, 2) / 2
    true_mask = uniform(5, 6, 7) < 0.5
    true_mask[1] = False
    return {
        "heatmap": uniform(5, 64, 64),
        "points_norm": Scanpaths(uniform(5, 4, 2), mask),
        "size_px": torch.tensor([[30, 20], [64, 64], [30, 20], [70, 90], [64, 64]]),
        "point_norm": point,
        "predicted_norm": predicted,
        "eye_xy": eye,
        "predicted_xy": torch.cat([eye[:1], 100 * predicted[1:]]),
        "true_xy": 100 * uniform(5, 2),
        "predicted_direction_xy": uniform(5, 2) - 0.5,
        "direction_xy": direction,
        "labels": torch.tensor([1, 0, 1, 1, 0]),
        "true_mask": true_mask,
        "head_norm": torch.cat([low, low + 0.4], 1),
        "picture": torch.tensor([0, 0, 1, 1, 1]),
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


def errors_of_all(batches: list[Batch]) -> Tensor:
    """All people, those who look into the frame, those who look out of it."""
    rows = [
        (direction_error_deg(predicted, true).item(), int(label))
        for batch in batches
        for predicted, true, label in zip(
            batch["predicted_direction_xy"], batch["direction_xy"], batch["labels"], strict=True
        )
    ]
    parts = [[e for e, label in rows if label in kept and e == e] for kept in ((0, 1), (1,), (0,))]
    return torch.tensor([sum(part) / len(part) for part in parts], dtype=torch.float64)


def heads_of_all(batches: list[Batch]) -> Tensor:
    """Share of true ones among the people who are said to look at a head of their picture."""
    found = []
    for batch in batches:
        heads, picture = batch["head_norm"].tolist(), batch["picture"].tolist()

        def on_head(xy: list[float], k: int, heads=heads, picture=picture) -> bool:
            return any(
                b[0] <= xy[0] <= b[2] and b[1] <= xy[1] <= b[3]
                for b, p in zip(heads, picture, strict=True)
                if p == picture[k]
            )

        for k, (said, true) in enumerate(
            zip(batch["predicted_norm"].tolist(), batch["point_norm"].tolist(), strict=True)
        ):
            if min(true) >= 0 and on_head(said, k):
                found.append(float(on_head(true, k)))
    return torch.tensor(sum(found) / len(found), dtype=torch.float64)


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
    "direction_error_deg": Case(DirectionError, people_batch, errors_of_all),
    "point_in_mask": people(PointInMask, point_in_mask, "predicted_norm true_mask"),
    "looking_at_head_precision": Case(PHead, people_batch, heads_of_all),
    "average_precision": Case(AveragePrecision, directions_batch, precision_of_all),
    "angular_error_deg": Case(
        AngularError,
        directions_batch,
        lambda b: mean_of(angular_error_deg, "predicted_direction true_direction", b),
    ),
}
