"""The losses of gaze following, over all people of a batch together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.models.gaze_following.looks import Looks

__all__ = ["SHARPNESS", "SIDE", "GazeLoss", "head_map", "resized", "target_heatmap"]

SIDE = 64  # cells of the heat map that is compared
SIGMA_CELLS, REACH_CELLS = 3.0, 9
SHARPNESS = (
    16.0  # of the softmax: heat maps in the range of the published ones, 0 to 1, can single out a cell
)
PUBLISHED = {"mse": 10_000.0, "bce": 1.0, "softmax": 1.0}


@dataclass(frozen=True)
class GazeLoss:
    """Weighted sum of the terms below; each is a mean over the people that it can judge, and 0 if there are none.

    Defaults are ViTGaze's; Gaze-LLE's are heatmap_loss="bce", inside_weight=1, focal_gamma=0.

    Args:
        heatmap_loss: of the map [64, 64] of those who look into the frame, against a Gaussian around the target.
            "mse": squared error of the map as it is; "bce": of logits, against the Gaussian of height 1; "softmax":
            cross-entropy of the softmax over cells (of 16 times the map), against the Gaussian of sum 1.
        heatmap_weight: None is 10000 for "mse", else 1.
        inside_weight: of the focal loss of inside or not, without weights of classes.
        focal_gamma: 0 is plain cross-entropy.
        heads_weight: of the cross-entropy of the auxiliary map of all heads, where the net has one. Deviation: these
            are the heads of the data set; published are those that a detector found. 0 suits data that label few of
            them.
        heads_floor: subtracted from it; below, it is 0.
        direction_weight: of the likelihood of directions in the picture (von Mises), where the net has them.
    Raises:
        ValueError: another heatmap_loss.
    """

    heatmap_loss: Literal["mse", "bce", "softmax"] = "mse"
    heatmap_weight: float | None = None
    inside_weight: float = 100.0
    focal_gamma: float = 2.0
    heads_weight: float = 100.0
    heads_floor: float = 0.05
    direction_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.heatmap_loss not in PUBLISHED:
            raise ValueError(f"heatmap_loss must be one of {', '.join(PUBLISHED)}, got {self.heatmap_loss!r}")

    def __call__(
        self, looks: Looks, batch: Mapping[str, Any], head_logits: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Args:
            looks: of all people of the batch.
            batch: see `gazekit.datasets.gaze_targets`; point_norm, labels, direction_xy, size_px, picture, head_norm.
            head_logits: [B, h, w], of the auxiliary map.
        Returns:
            "loss" and the weighted terms: "heatmap", and "inside", "heads", "direction" where the net has them.
        """
        weight = PUBLISHED[self.heatmap_loss] if self.heatmap_weight is None else self.heatmap_weight
        terms = {"heatmap": weight * self._heatmap(looks.heatmap, batch)}
        if looks.inside is not None:
            terms["inside"] = self.inside_weight * _mean(self._inside(looks.inside, batch["labels"]))
        if head_logits is not None:  # also with weight 0: all parameters take part in every step
            terms["heads"] = self.heads_weight * self._heads(head_logits, batch)
        if looks.direction_xy is not None:
            terms["direction"] = self.direction_weight * _direction(looks.direction_xy, batch)
        return {"loss": torch.stack(list(terms.values())).sum()} | terms

    def _heatmap(self, heatmap: Tensor, batch: Mapping[str, Any]) -> Tensor:
        known = (batch["labels"] == 1) & batch["point_norm"].isfinite().all(1)
        if not known.any():
            return _mean(heatmap[:0])
        said, wanted = resized(heatmap[known]), target_heatmap(batch["point_norm"][known])
        if self.heatmap_loss == "mse":
            return F.mse_loss(said, wanted)
        if self.heatmap_loss == "bce":
            return F.binary_cross_entropy_with_logits(said, wanted)
        wanted = wanted.flatten(1) / wanted.sum((1, 2))[:, None]
        return F.cross_entropy(SHARPNESS * said.flatten(1), wanted)

    def _inside(self, logit: Tensor, labels: Tensor) -> Tensor:
        """[P]"""
        labels = labels.to(logit.dtype)
        entropy = F.binary_cross_entropy_with_logits(logit, labels, reduction="none")
        right = torch.where(labels == 1, logit, -logit).sigmoid()
        return entropy * (1 - right) ** self.focal_gamma

    def _heads(self, logits: Tensor, batch: Mapping[str, Any]) -> Tensor:
        size = tuple(batch["image"].shape[-2:])
        wanted = head_map(batch["head_norm"], batch["picture"], len(logits), size)
        logits = F.interpolate(logits[:, None], size, mode="bilinear", align_corners=True)[:, 0]
        return (F.binary_cross_entropy_with_logits(logits, wanted) - self.heads_floor).clamp(min=0)


def resized(heatmap: Tensor, side: int = SIDE) -> Tensor:
    """[P, h, w] as [P, side, side], bilinear between the corners; P may be 0."""
    if not len(heatmap):
        return heatmap.new_zeros(0, side, side)
    if heatmap.shape[1:] == (side, side):
        return heatmap
    return F.interpolate(heatmap[:, None], (side, side), mode="bilinear", align_corners=True)[:, 0]


def target_heatmap(point_norm: Tensor, side: int = SIDE) -> Tensor:
    """Gaussians of height 1 around int(side * point), sigma 3 cells, 0 beyond 9 cells in a row or a column.

    Args:
        point_norm: [P, 2] in [0, 1]; 1 is in the last cell.
    Returns:
        [P, side, side]
    """
    cell = (point_norm * side).trunc().clamp(max=side - 1)[..., None]
    offset = torch.arange(side, device=point_norm.device) - cell  # [P, 2, side]
    line = torch.exp(-(offset**2) / (2 * SIGMA_CELLS**2)) * (offset.abs() <= REACH_CELLS)
    return line[:, 1, :, None] * line[:, 0, None, :]


def head_map(head_norm: Tensor, picture: Tensor, pictures: int, size: tuple[int, int]) -> Tensor:
    """Where heads are: the sum of exp(-3 (dx / w)^2 - 3 (dy / h)^2) around the centres of w x h boxes, over its
    largest value in the picture; 0 without heads.

    Args:
        head_norm: [P, 4]; picture: [P]; see `GazeNet.look`.
        size: H, W of the map.
    Returns:
        [pictures, H, W]
    """
    lines = []
    for axis, cells in ((1, size[0]), (0, size[1])):
        centre = (torch.arange(cells, device=head_norm.device) + 0.5) / cells
        start, end = head_norm[:, axis, None], head_norm[:, axis + 2, None]
        lines.append(torch.exp(-3 * ((centre - (start + end) / 2) / (end - start).clamp(min=1e-6)) ** 2))
    blobs = lines[0][:, :, None] * lines[1][:, None, :]
    summed = blobs.new_zeros(pictures, *size).index_add(0, picture, blobs)
    return summed / summed.amax((1, 2), keepdim=True).clamp(min=1e-6)


def _direction(direction_xy: Tensor, batch: Mapping[str, Any]) -> Tensor:
    """Negative log-likelihood of a von Mises distribution in pixels of the picture as it was: direction and
    concentration are those of the predicted vector, up to the constant log 2 pi.

    Unlike 1 - cos, it lets a net be unsure of heads that it cannot read, and does not fade where the direction is
    nearly right.
    """
    wanted = batch["direction_xy"]
    known = wanted.isfinite().all(1)
    size = batch["size_px"][known].to(direction_xy.dtype)
    said = direction_xy[known] * size / size.prod(1, keepdim=True).sqrt()
    concentration = said.norm(dim=1).clamp(min=1e-4)
    log_bessel = concentration + torch.special.i0e(concentration).log()
    return _mean(log_bessel - (said * wanted[known]).sum(1))


def _mean(values: Tensor) -> Tensor:
    """0 of nothing, with a gradient."""
    return values.sum() / max(1, values.numel())
