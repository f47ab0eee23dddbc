"""Gaze following: how far a predicted point is from the places that annotators marked.

Positions are `norm`: (x, y) as fractions of the picture's width and height, without correction for its shape.
Source: Recasens et al. 2015 (NeurIPS, GazeFollow), and the released code of Chong et al. 2020 (CVPR).
"""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.angular_error import angle_deg
from gazekit.metrics.functional.arguments import ArrayLike, reals
from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = [
    "direction_error_deg",
    "distance_to_mean_norm",
    "gaze_angle_deg",
    "mean_distance_norm",
    "min_distance_norm",
]


def distance_to_mean_norm(predicted_norm: ArrayLike, points_norm: ScanpathsLike) -> Tensor:
    """Distance of the predicted point to the mean of the annotators' points: GazeFollow's "Avg L2".

    It is not the mean of the distances, which is `mean_distance_norm`. Differentiable.

    Args:
        predicted_norm: [..., 2], from `heatmap_point_norm` or otherwise.
        points_norm: [..., P] points of the annotators, in any form that `Scanpaths.of` takes. Leading
            dimensions as the prediction's: one annotator of B persons is [B, 1, 2].
    Returns:
        [...] as a fraction of the picture's sides; NaN without points and where the prediction is NaN.
    Raises:
        TypeError, ValueError: not real numbers; leading dimensions that differ; a point outside [0, 1].

    Example:
        >>> distance_to_mean_norm([0.5, 0.5], [[0.5, 0.4], [0.5, 0.6]])
        tensor(0., dtype=torch.float64)
    """
    predicted, points = _prediction(predicted_norm, points_norm)
    count = points.lengths
    total = torch.where(points.mask[..., None], points.xy_px, 0.0).sum(-2)
    mean = total / torch.where(count > 0, count, 1)[..., None]
    return torch.where(count > 0, (predicted - mean).norm(dim=-1), torch.nan)


def min_distance_norm(predicted_norm: ArrayLike, points_norm: ScanpathsLike) -> Tensor:
    """Distance of the predicted point to the nearest annotator's point: GazeFollow's "Min L2".

    Differentiable.

    Args, Returns, Raises:
        As `distance_to_mean_norm`.

    Example:
        >>> min_distance_norm([0.5, 0.5], [[0.5, 0.4], [0.5, 0.7]])
        tensor(0.1000, dtype=torch.float64)
    """
    distance, mask = _distances(predicted_norm, points_norm)
    if not mask.shape[-1]:
        return distance.new_full(mask.shape[:-1], torch.nan)
    nearest = torch.where(mask, distance, torch.inf).amin(-1)
    return torch.where(mask.any(-1), nearest, torch.nan)


def mean_distance_norm(predicted_norm: ArrayLike, points_norm: ScanpathsLike) -> Tensor:
    """Mean distance of the predicted point to the annotators' points.

    Some call it "Avg L2", which in the benchmark is `distance_to_mean_norm`; it is never below that.
    Differentiable.

    Args, Returns, Raises:
        As `distance_to_mean_norm`.

    Example:
        >>> mean_distance_norm([0.5, 0.5], [[0.5, 0.4], [0.5, 0.7]])
        tensor(0.1500, dtype=torch.float64)
    """
    distance, mask = _distances(predicted_norm, points_norm)
    return torch.where(mask, distance, 0.0).sum(-1) / mask.sum(-1)


def gaze_angle_deg(eye_xy: ArrayLike, predicted_xy: ArrayLike, true_xy: ArrayLike) -> Tensor:
    """Angle at the eye between the directions to the predicted and to the true target, in the picture's plane.

    The angular error of older GazeFollow tables, with the mean of the annotators as true target. In pixels it
    is the angle that one sees; in normalised coordinates it is another one unless the picture is square.
    Differentiable, with gradient 0 at 0 and 180 degrees.

    Args:
        eye_xy: [..., 2] position of the eyes; `predicted_xy` [..., 2] and `true_xy` [..., 2] targets, all in
            one unit. Leading dimensions broadcast.
    Returns:
        [...] degrees from 0 to 180; NaN where a target lies on the eye, or a value is not finite.
    Raises:
        TypeError: not real numbers. ValueError: the last dimension is not 2.

    Example:
        >>> gaze_angle_deg([100.0, 100.0], [200.0, 100.0], [200.0, 200.0])
        tensor(45., dtype=torch.float64)
    """
    eye = reals("eye_xy", eye_xy, 2)
    to_predicted, to_true = (
        torch.nn.functional.pad(reals(name, xy, 2) - eye, (0, 1))
        for name, xy in (("predicted_xy", predicted_xy), ("true_xy", true_xy))
    )
    return angle_deg(to_predicted, to_true)


def direction_error_deg(predicted_direction_xy: ArrayLike, direction_xy: ArrayLike) -> Tensor:
    """Angle between the predicted and the true direction of gaze in the picture's plane.

    It needs no target, so that people who look out of the frame are scored too. Directions are those of pixels, as
    for `gaze_angle_deg`, whose value it is where both directions start at the eyes. Differentiable, with gradient 0
    at 0 and 180 degrees.

    Args:
        predicted_direction_xy: [..., 2] vectors of any length, x to the right and y down; `direction_xy` [..., 2]
            likewise. Leading dimensions broadcast.
    Returns:
        [...] degrees from 0 to 180; NaN where a vector is zero or not finite.
    Raises:
        TypeError: not real numbers. ValueError: the last dimension is not 2.

    Example:
        >>> direction_error_deg([1.0, 0.0], [2.0, 2.0])
        tensor(45., dtype=torch.float64)
    """
    predicted, true = (
        torch.nn.functional.pad(reals(name, xy, 2), (0, 1))
        for name, xy in (("predicted_direction_xy", predicted_direction_xy), ("direction_xy", direction_xy))
    )
    return angle_deg(predicted, true)


def annotations(points_norm: ScanpathsLike, lead: torch.Size) -> Scanpaths:
    """Annotators' points with the given leading dimensions, inside the picture."""
    points = Scanpaths.of(points_norm, "points_norm")
    if points.shape != lead:
        raise ValueError(
            f"points_norm must have the leading dimensions of the predictions, {list(lead)}, "
            f"got {list(points.shape)} (one annotator a person is [..., 1, 2])"
        )
    outside = points.mask & ((points.xy_px < 0) | (points.xy_px > 1)).any(-1)
    if outside.any():
        *item, annotator = outside.nonzero()[0].tolist()
        place = points.xy_px[outside][0].tolist()
        raise ValueError(
            f"points_norm must lie in [0, 1] (leave padding out), got {place} "
            f"from annotator {annotator}" + (f" of item {tuple(item)}" if item else "")
        )
    return points


def _prediction(predicted_norm: ArrayLike, points_norm: ScanpathsLike) -> tuple[Tensor, Scanpaths]:
    predicted = reals("predicted_norm", predicted_norm, 2)
    return predicted, annotations(points_norm, predicted.shape[:-1])


def _distances(predicted_norm: ArrayLike, points_norm: ScanpathsLike) -> tuple[Tensor, Tensor]:
    """[..., P] from the prediction to each annotator, and which of them exist."""
    predicted, points = _prediction(predicted_norm, points_norm)
    away = torch.where(points.mask[..., None], predicted[..., None, :] - points.xy_px, 0.0)
    return away.norm(dim=-1), points.mask
