"""Gaze following: whether a predicted point lies on the object that is looked at, or on a head."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, binary, boxes, integers, reals

__all__ = ["looking_at_head_precision", "point_in_mask"]


def point_in_mask(predicted_norm: ArrayLike, true_mask: ArrayLike) -> Tensor:
    """1 where the predicted point falls into the mask of the looked-at object, 0 where it does not.

    The pixel of a point is column floor(x W) and row floor(y H); a point on the right or lower edge belongs to the
    last one, a point outside the picture is in no mask. The point of `heatmap_point_norm` is the corner of a cell, so
    with few cells and small objects add half a cell.

    Args:
        predicted_norm: [..., 2] fractions of the picture's width and height.
        true_mask: [..., H, W] bool, or integers 0 and 1, with the same leading dimensions.
    Returns:
        [...] 0 or 1; NaN where the mask is empty or the point is NaN.
    Raises:
        TypeError: points that are not real numbers, masks of another type.
        ValueError: other numbers in the mask, shapes that don't fit.

    Example:
        >>> point_in_mask([[0.6, 0.1], [0.1, 0.9]], [[[0, 1], [0, 0]], [[0, 1], [0, 0]]])
        tensor([1., 0.], dtype=torch.float64)
    """
    point, mask = reals("predicted_norm", predicted_norm, 2), binary("true_mask", true_mask)
    if mask.dim() < 2 or mask.shape[:-2] != point.shape[:-1]:
        raise ValueError(
            "true_mask must have the leading dimensions of predicted_norm and two more, "
            f"got {list(mask.shape)} and {list(point.shape)}"
        )
    height, width = mask.shape[-2:]
    size = torch.tensor([width, height]).to(point)
    on_picture = ((point >= 0) & (point <= 1)).all(-1)
    if not mask.numel():
        return point.new_full(point.shape[:-1], torch.nan)
    cell = torch.minimum((torch.where(on_picture[..., None], point, 0) * size).floor(), size - 1).long()
    flat = mask.flatten(-2).to(point.device)
    hit = flat.gather(-1, (cell[..., 1] * width + cell[..., 0])[..., None])[..., 0]
    known = flat.any(-1) & ~point.isnan().any(-1)
    return torch.where(known, (hit & on_picture).to(point), torch.nan)


def looking_at_head_precision(
    predicted_norm: ArrayLike, point_norm: ArrayLike, head_norm: ArrayLike, picture: ArrayLike
) -> Tensor:
    """ChildPlay's "P.Head": of the people who are said to look at a head, how many do. Values of single people.

    A point on a head lies in the box of any person in the picture, the borders included. Where the predicted point
    does, the value is 1 if the true one does too (not necessarily on the same head), else 0; the mean over people is
    the precision. Source: Tafasca et al. 2023 (ICCV); the details are those of the released code of Sharingan, by the
    same authors, which takes detected heads as well as the annotated ones.

    Args:
        predicted_norm: [B, 2] fractions of the picture's width and height.
        point_norm: [B, 2] the target; outside [0, 1] or NaN: it is out of frame.
        head_norm: [B, 4] x_min, y_min, x_max, y_max of the people's heads.
        picture: [B] integers: which picture each person is in.
    Returns:
        [B] 1 or 0; NaN where the prediction is on no head, and where the target is out of frame.
    Raises:
        TypeError: not real numbers, pictures that are not integers.
        ValueError: shapes that don't fit, a box with a maximum below its minimum.

    Example:
        >>> heads = [[0.0, 0.0, 0.2, 0.2], [0.8, 0.0, 1.0, 0.2]]
        >>> looking_at_head_precision([[0.9, 0.1], [0.1, 0.1]], [[0.9, 0.2], [0.5, 0.5]], heads, [0, 0])
        tensor([1., 0.], dtype=torch.float64)
    """
    predicted, point = reals("predicted_norm", predicted_norm, 2), reals("point_norm", point_norm, 2)
    head, picture = boxes("head_norm", head_norm), integers("picture", picture)
    count = len(predicted)
    if (
        not predicted.shape == point.shape == (count, 2)
        or head.shape != (count, 4)
        or picture.shape != (count,)
    ):
        raise ValueError(
            "predicted_norm and point_norm must have shape [B, 2], head_norm [B, 4] and picture [B], got "
            f"{list(predicted.shape)}, {list(point.shape)}, {list(head.shape)} and {list(picture.shape)}"
        )
    together = picture[:, None] == picture

    def on_head(xy: Tensor) -> Tensor:
        inside = (xy[:, None] >= head[:, :2]) & (xy[:, None] <= head[:, 2:])
        return (inside.all(-1) & together).any(1)

    in_frame = ((point >= 0) & (point <= 1)).all(1)
    return torch.where(on_head(predicted) & in_frame, on_head(point).to(predicted), torch.nan)
