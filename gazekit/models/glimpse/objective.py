"""What the heads of glimpse prediction are trained for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gazekit.models.glimpse.contrast import cosine_contrast

__all__ = ["Steps", "glimpse_losses", "steps_of"]


class Steps(NamedTuple):
    """The T steps of scanpaths of T + 1 fixations: what is known at each, and what comes next.

    Args:
        glimpse: [B, T, D] present; target: [B, T, D] next.
        saccade_px: [B, T, 2] from here to there; 0 at steps that do not exist.
        location_px: [B, T, 2] of the next fixation from the centre of the picture.
        mask: [B, T] bool, True = both fixations took place.
    """

    glimpse: Tensor
    target: Tensor
    saccade_px: Tensor
    location_px: Tensor
    mask: Tensor


def steps_of(batch: Mapping[str, Any]) -> Steps:
    """Of a batch of `gazekit.datasets.glimpse_data`.

    Raises:
        ValueError: scanpaths of one fixation only, after which nothing comes.
    """
    glimpse, xy, there = batch["glimpse"], batch["xy_px"], batch["mask"]
    if glimpse.dim() != 3 or glimpse.shape[1] < 2:
        raise ValueError(
            f"glimpse must be [B, T + 1, D] with at least two fixations, one to predict from and one to predict; got "
            f"{list(glimpse.shape)}"
        )
    mask = there[:, 1:] & there[:, :-1]
    saccade = (xy[:, 1:] - xy[:, :-1]) * mask[..., None]
    location = (xy[:, 1:] - batch["centre_px"][:, None]) * mask[..., None]
    return Steps(glimpse[:, :-1], glimpse[:, 1:], saccade, location, mask)


def glimpse_losses(
    said: Mapping[str, Tensor], batch: Mapping[str, Any], weights: Mapping[str, float] | None = None
) -> dict[str, Tensor]:
    """The loss of each head that spoke, and `loss`, their weighted sum.

    - glimpse: `cosine_contrast`.
    - caption: mean cosine with the captions of other scanpaths less that with the own one, at every step.
    - category: binary cross-entropy of each label, at every step.
    - location: root of the mean squared error of the next fixation's place from the centre, in pixels.

    Source: released code of arXiv 2511.12715; its training code has an older, cosine form for categories.

    Args:
        said: of a net.
        weights: head to its weight in the sum; None or a head that is not named = 1.
    Raises:
        ValueError: a head is trained for something that the data do not have.
    """
    steps = steps_of(batch)
    terms = {}
    if "glimpse" in said:
        terms["glimpse"] = cosine_contrast(steps.target, said["glimpse"], steps.mask).loss
    if "caption" in said:
        caption = _wanted(batch, "caption")[:, None].expand_as(said["caption"])
        found = cosine_contrast(caption, said["caption"], steps.mask)
        terms["caption"] = found.other_scanpaths.nan_to_num(0.0) - found.target
    if "category" in said:
        labels = _wanted(batch, "category")[:, None].expand_as(said["category"])
        each = F.binary_cross_entropy_with_logits(said["category"], labels, reduction="none").mean(2)
        terms["category"] = _mean(each, steps.mask)
    if "location" in said:
        squared = (said["location"] - steps.location_px).square().mean(2)
        terms["location"] = (_mean(squared, steps.mask) + 1e-12).sqrt()
    weights = weights or {}
    total = torch.stack([weights.get(name, 1.0) * value for name, value in terms.items()]).sum()
    return {"loss": total, **terms}


def _wanted(batch: Mapping[str, Any], name: str) -> Tensor:
    if name not in batch:
        raise ValueError(
            f"the head {name!r} is trained with an entry {name!r} of the data, and these have none: leave it out of "
            "model.heads, or choose data with it"
        )
    return batch[name]


def _mean(each: Tensor, mask: Tensor) -> Tensor:
    return (each * mask).sum() / mask.sum().clamp(min=1)
