"""Whose scanpaths predict whom: other people, half of the people, people on other images, nobody.

Each is a list of pairs (truth, predictor): row `truth` of the people is predicted by row `predictor` of a
pool of scanpaths. Comparisons of scanpaths score the pairs; map metrics score the density of all fixations that
predict one truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gazekit.metrics.ceiling.people import ModelScanpaths, People
from gazekit.scanpath import Scanpaths

__all__ = [
    "Predictors",
    "by_model",
    "chance",
    "check_images",
    "from_other_groups",
    "leave_one_out",
    "other_images",
    "others_of",
    "split_half",
]


@dataclass(frozen=True, eq=False)
class Predictors:
    """truth [P] rows of the people; predictor [P] rows of `pool`. Pairs of one truth are neighbours."""

    truth: Tensor
    predictor: Tensor
    pool: Scanpaths


def by_model(people: People, model: ModelScanpaths, name: str) -> Predictors:
    """Everybody is predicted by all of a model's scanpaths on the image.

    Raises:
        ValueError: an image of the people without any, named.
    """
    number = {image: k for k, image in enumerate(people.images)}
    images = model.image.tolist() if isinstance(model.image, Tensor | np.ndarray) else list(model.image)
    of_image: list[list[int]] = [[] for _ in people.images]
    for row, image in enumerate(images):
        if image in number:  # a model may know more images than people were asked about
            of_image[number[image]].append(row)
    check_images(people, [bool(rows) for rows in of_image], f"model {name!r} has no scanpath")
    chosen = [of_image[image] for image in people.image_row.tolist()]
    truth = torch.arange(len(people)).repeat_interleave(torch.tensor([len(rows) for rows in chosen]))
    predictor = torch.tensor([row for rows in chosen for row in rows], dtype=torch.long)
    return Predictors(truth, predictor, model.scanpaths)


def check_images(people: People, known: Sequence[bool], what: str) -> None:
    """That each image of the people is known.

    Raises:
        ValueError: `what`, with the first unknown images.
    """
    missing = [image for image, there in zip(people.images, known, strict=True) if not there]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        names = ", ".join(map(repr, missing[:3]))
        raise ValueError(f"{what} for {len(missing)} of {len(people.images)} images: {names}{more}")


def leave_one_out(people: People) -> Predictors:
    """Everybody is predicted by all others on the same image."""
    truth, predictor = others_of(people.image_row)
    return Predictors(truth, predictor, people.scanpaths)


def others_of(group: Tensor) -> tuple[Tensor, Tensor]:
    """Every row with every other one of its group [M]: two columns of rows."""
    pairs = []
    counts = torch.bincount(group).tolist()
    for rows in group.argsort(stable=True).split(counts):
        truth, other = torch.where(~torch.eye(len(rows), dtype=torch.bool))
        pairs.append(torch.stack([rows[truth], rows[other]]))
    truth, predictor = torch.cat(pairs, 1)
    return truth, predictor


def split_half(people: People, generator: torch.Generator) -> Predictors:
    """The people on each image fall into random halves; everybody is predicted by the other half."""
    pairs = []
    for _, rows in people.of_image():
        half = torch.zeros(len(rows), dtype=torch.bool)
        half[torch.randperm(len(rows), generator=generator)[: len(rows) // 2]] = True
        truth, other = torch.where(half[:, None] != half)
        pairs.append(torch.stack([rows[truth], rows[other]]))
    truth, predictor = torch.cat(pairs, 1)
    return Predictors(truth, predictor, people.scanpaths)


def other_images(people: People, generator: torch.Generator) -> Predictors:
    """Everybody is predicted by scanpaths of random people on other pictures, stretched to this one.

    They share with people what is the same on all images: the bias to the centre, lengths, durations.
    """
    if int(people.picture_row.max()) == 0:
        nobody = torch.zeros(0, dtype=torch.long)
        return Predictors(nobody, nobody, people.scanpaths)
    image, first = _as_many_as_others(people)
    source = from_other_groups(people.picture_row, first, generator)
    stretch = people.sizes[image] / people.sizes[people.image_row[source]]
    paths = people.scanpaths[source]
    pool = Scanpaths(paths.xy_px * stretch[:, None], paths.mask, paths.duration_ms)
    return _all_of_image(people, image, pool)


def chance(people: People, generator: torch.Generator) -> Predictors:
    """Everybody is predicted by scanpaths of uniform positions, as many and as long as those of random people."""
    image, _ = _as_many_as_others(people)
    paths = people.scanpaths[torch.randint(len(people), image.shape, generator=generator)]
    uniform = torch.rand(paths.xy_px.shape, generator=generator, dtype=torch.float64)
    pool = Scanpaths(uniform * people.sizes[image][:, None], paths.mask, paths.duration_ms)
    return _all_of_image(people, image, pool)


def _as_many_as_others(people: People) -> tuple[Tensor, Tensor]:
    """[D] each image as often as it has other people to predict one by (at least once), and a row of it."""
    counts = torch.bincount(people.image_row)
    first = torch.stack([rows[0] for _, rows in people.of_image()])
    image = torch.arange(len(counts)).repeat_interleave((counts - 1).clamp(min=1))
    return image, first[image]


def _all_of_image(people: People, image: Tensor, pool: Scanpaths) -> Predictors:
    """Everybody is predicted by all scanpaths that the pool, in the order of `image`, holds for the image."""
    draws = torch.bincount(image)
    first = draws.cumsum(0) - draws
    count = draws[people.image_row]
    truth = torch.arange(len(people)).repeat_interleave(count)
    step = torch.arange(len(truth)) - (count.cumsum(0) - count)[truth]
    return Predictors(truth, first[people.image_row[truth]] + step, pool)


def from_other_groups(group: Tensor, truth: Tensor, generator: torch.Generator) -> Tensor:
    """[P] a random row whose group differs from that of row `truth`, of groups [M] numbered from 0."""
    order = group.argsort(stable=True)  # rows by group: the own group is one run, which draws skip
    counts = torch.bincount(group)
    first = counts.cumsum(0) - counts
    own = group[truth]
    free = len(group) - counts[own]
    drawn = (torch.rand(len(truth), generator=generator, dtype=torch.float64) * free).long()
    drawn = torch.minimum(drawn, free - 1)
    return order[drawn + torch.where(drawn >= first[own], counts[own], 0)]
