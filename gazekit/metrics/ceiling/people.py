"""Scanpaths of many people on many images, and what models predict of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gazekit.scanpath import Scanpaths, ScanpathsLike

__all__ = ["ModelScanpaths", "People", "numbered"]


@dataclass(frozen=True, eq=False)
class People:
    """M scanpaths, who made them and on which image.

    Args:
        scanpaths: M of them in any form that `Scanpaths.of` takes.
        image: [M] name or number of the image of each.
        observer: [M] name or number of who looked.
        size_px: (width, height) of all images, or a mapping from image to (width, height).
        picture: [M] name of the picture behind each image where an image is a picture with a task; by default the
            image itself. Baselines of "other images" use other pictures only, and intervals draw pictures.
        facts: what else metrics need of an image, by the name of their `update` argument: a mapping from image
            to tensor (`{"label_map": {"cat.png": labels}}`).
    Raises:
        ValueError: numbers of scanpaths, images and observers differ, an image without size or fact, an
            observer with two scanpaths on one image, an image of two pictures.
    """

    scanpaths: ScanpathsLike
    image: Sequence
    observer: Sequence
    size_px: Sequence[float] | Mapping
    picture: Sequence | None = None
    facts: Mapping[str, Mapping] = field(default_factory=dict)

    images: tuple = field(init=False)
    observers: tuple = field(init=False)
    image_row: Tensor = field(init=False)
    observer_row: Tensor = field(init=False)
    picture_row: Tensor = field(init=False)
    sizes: Tensor = field(init=False)

    def __post_init__(self) -> None:
        paths = Scanpaths.of(self.scanpaths, "scanpaths")
        if len(paths.shape) != 1:
            raise ValueError(f"scanpaths must be a list of M, got leading shape {list(paths.shape)}")
        images, image_row = numbered("image", self.image, len(paths))
        observers, observer_row = numbered("observer", self.observer, len(paths))
        twice = torch.stack([image_row, observer_row], 1).unique(dim=0, return_counts=True)
        if (twice[1] > 1).any():
            image, observer = twice[0][twice[1] > 1][0].tolist()
            raise ValueError(
                f"observer {observers[observer]!r} has {int(twice[1].max())} scanpaths on image "
                f"{images[image]!r}, expected one: give repeats an image name of their own"
            )
        pictures, picture_row = numbered(
            "picture", self.image if self.picture is None else self.picture, len(paths)
        )
        if len(torch.stack([image_row, picture_row], 1).unique(dim=0)) > len(images):
            raise ValueError(
                f"an image belongs to several of the pictures {pictures[:3]}...: expected one picture per image"
            )
        object.__setattr__(self, "picture_row", picture_row)
        for name, value in (("scanpaths", paths), ("images", images), ("observers", observers)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "image_row", image_row)
        object.__setattr__(self, "observer_row", observer_row)
        object.__setattr__(self, "sizes", _sizes(self.size_px, images))
        for name, fact in self.facts.items():
            missing = [image for image in images if image not in fact]
            if missing:
                raise ValueError(f"facts[{name!r}] lacks image {missing[0]!r} and {len(missing) - 1} more")

    def __len__(self) -> int:
        return len(self.image_row)

    def of_image(self) -> Iterator[tuple[int, Tensor]]:
        """Each image's number with the rows of its scanpaths."""
        order = self.image_row.argsort(stable=True)
        counts = torch.bincount(self.image_row, minlength=len(self.images)).tolist()
        yield from enumerate(order.split(counts))

    def facts_of(self, image: int) -> dict[str, Tensor]:
        """The facts about one image."""
        return {name: torch.as_tensor(fact[self.images[image]]) for name, fact in self.facts.items()}


@dataclass(frozen=True, eq=False)
class ModelScanpaths:
    """N scanpaths that a model generated, one or more an image.

    Args:
        scanpaths: N of them in any form that `Scanpaths.of` takes.
        image: [N] name or number of the image of each, as in `People`.
    Raises:
        ValueError: numbers of scanpaths and images differ.
    """

    scanpaths: ScanpathsLike
    image: Sequence

    def __post_init__(self) -> None:
        paths = Scanpaths.of(self.scanpaths, "scanpaths of the model")
        if paths.shape != (len(self.image),):
            raise ValueError(f"{list(paths.shape)} scanpaths of the model have {len(self.image)} images")
        object.__setattr__(self, "scanpaths", paths)


def numbered(name: str, given: Sequence, count: int) -> tuple[tuple, Tensor]:
    """The different names among `count` given ones, and the number [count] of each."""
    names = np.asarray(given.tolist() if isinstance(given, Tensor) else given)
    if names.shape != (count,):
        raise ValueError(f"{name} must name one for each of the {count}, got shape {list(names.shape)}")
    known, index = np.unique(names, return_inverse=True)
    return tuple(known.tolist()), torch.as_tensor(index)


def _sizes(size_px: Sequence[float] | Mapping, images: tuple) -> Tensor:
    """[I, 2]."""
    if not isinstance(size_px, Mapping):
        size_px = dict.fromkeys(images, size_px)
    missing = [image for image in images if image not in size_px]
    if missing:
        raise ValueError(f"size_px lacks image {missing[0]!r} and {len(missing) - 1} more")
    sizes = torch.as_tensor(np.array([size_px[image] for image in images], float))
    if sizes.dim() != 2 or sizes.shape[1] != 2 or not (sizes.isfinite() & (sizes > 0)).all():
        raise ValueError("size_px must be (width, height) in pixels, above 0")
    return sizes
