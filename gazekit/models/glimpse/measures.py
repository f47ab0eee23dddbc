"""Sums of cosines per picture, of which all measures of glimpse prediction are ratios, in memory linear in pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor
from torch.nn.functional import normalize

from gazekit.base import Data, Predictor
from gazekit.models.glimpse.contrast import SAME_GLIMPSE
from gazekit.models.glimpse.objective import steps_of

__all__ = ["MEASURES", "PictureSums", "measures_of", "picture_sums"]

MEASURES = ("contrast", "sensitivity", "target", "same_scanpath", "other_scanpaths", "growth")


class PictureSums(NamedTuple):
    """Sums over the pairs of each picture's predictions, and how many pairs: [G, T + 1, 3] each, float64.

    Second axis: all glimpses, then by number of the glimpse that is predicted from. Third axis: cosines with the
    target, with other targets of the scanpath (those below `SAME_GLIMPSE` to the target), and with the targets of all
    other scanpaths of the part.

    Args:
        picture: [G] numbers, ascending.
    """

    picture: Tensor
    total: Tensor
    count: Tensor

    @classmethod
    def joined(cls, parts: Iterable[PictureSums]) -> PictureSums:
        """Of several folds, which share no picture; steps that a fold does not have are empty there."""
        parts = list(parts)
        steps = max(part.total.shape[1] for part in parts)
        grown = [PictureSums(p.picture, *(_grown(x, steps) for x in (p.total, p.count))) for p in parts]
        order = torch.cat([p.picture for p in grown]).argsort()
        return cls(*(torch.cat([part[k] for part in grown])[order] for k in range(3)))


@torch.no_grad()
def picture_sums(row: Predictor, data: Data, generator: torch.Generator, samples: int = 1) -> PictureSums:
    """What a row predicts on `data.split`, in two passes over it.

    Raises:
        ValueError: predictions of another shape than the targets.
    """
    everything, all_steps = 0.0, 0
    for batch in data.batches(data.split, row.facts or None):
        known = steps_of(batch)
        unit = normalize(known.target.double(), dim=2, eps=1e-12) * known.mask[..., None]
        everything, all_steps = everything + unit.sum((0, 1)), all_steps + int(known.mask.sum())
    device = next((x.device for x in (*row.parameters(), *row.buffers())), torch.device("cpu"))
    row.eval()
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for batch in data.batches(data.split, row.facts or None):
        said = row.predict(move_data_to_device(batch, device), generator, samples)["glimpse"].cpu()
        known = steps_of(batch)
        if said.shape != known.target.shape:
            raise ValueError(
                f"{type(row).__name__} predicts {list(said.shape)}, the next glimpses are {list(known.target.shape)}"
            )
        found.append((batch["group"], *_pair_sums(known.target, said, known.mask, everything, all_steps)))
    return _by_picture(found)


def _pair_sums(
    target: Tensor, prediction: Tensor, mask: Tensor, everything: Tensor, all_steps: int
) -> tuple[Tensor, Tensor]:
    """Sums and numbers of pairs of each prediction, [B, T, 3] each."""
    a, p = (normalize(x.double(), dim=2, eps=1e-12) * mask[..., None] for x in (target, prediction))
    within = p @ a.mT  # [B, prediction, target]
    kept = (a @ a.mT < SAME_GLIMPSE) & mask[:, :, None] & mask[:, None]
    kept &= ~torch.eye(mask.shape[1], dtype=torch.bool)
    own = mask.sum(1, keepdim=True)
    total = [within.diagonal(dim1=1, dim2=2), (within * kept).sum(2), p @ everything - within.sum(2)]
    count = [mask, kept.sum(2), (all_steps - own).expand_as(mask) * mask]
    return torch.stack(total, 2), torch.stack([c.double() for c in count], 2)


def _by_picture(found: list[tuple[Tensor, Tensor, Tensor]]) -> PictureSums:
    steps = max(total.shape[1] for _, total, _ in found)
    picture, place = torch.cat([group for group, _, _ in found]).unique(return_inverse=True)
    sums = []
    for k in (1, 2):
        each = torch.cat([_grown(part[k], steps) for part in found])
        by_step = each.new_zeros(len(picture), steps, 3).index_add_(0, place, each)
        sums.append(torch.cat([by_step.sum(1, keepdim=True), by_step], 1))
    return PictureSums(picture, *sums)


def _grown(values: Tensor, steps: int) -> Tensor:
    """[G, steps, 3] with zeros for steps that there were none of."""
    return torch.cat([values, values.new_zeros(len(values), steps - values.shape[1], 3)], 1)


def measures_of(sums: PictureSums, counts: Tensor) -> Mapping[str, Tensor]:
    """Measures where picture g was drawn counts[:, g] times.

    - contrast: target - (same_scanpath + other_scanpaths) / 2, the loss with its sign changed; a term without pairs
      counts as 0.
    - sensitivity: target - same_scanpath: does it tell this glimpse from the others of the scanpath?
    - growth: slope of contrast by glimpse number, weighted by the number of predictions.

    Args:
        counts: [R, G] float64.
    Returns:
        [R, T + 1] each, all glimpses and then by number; growth [R, 1]. NaN where there are no pairs.
    """
    total, count = (torch.einsum("rg,gtk->rtk", counts, x) for x in (sums.total, sums.count))
    target, same, other = (total / count).unbind(2)  # 0 / 0 = NaN
    contrast = target - (same.nan_to_num() + other.nan_to_num()) / 2
    growth = _slope(contrast[:, 1:], count[:, 1:, 0])
    found = (contrast, target - same, target, same, other, growth[:, None])
    return dict(zip(MEASURES, found, strict=True))


def _slope(y: Tensor, weight: Tensor) -> Tensor:
    """[R] weighted least-squares slope of [R, T] by 1 ... T; NaN for fewer than two steps."""
    x = torch.arange(1, y.shape[1] + 1).to(y).expand_as(y)
    y, share = y.nan_to_num(), weight / weight.sum(1, keepdim=True)
    away = x - (share * x).sum(1, keepdim=True)
    return (share * away * y).sum(1) / (share * away.square()).sum(1)
