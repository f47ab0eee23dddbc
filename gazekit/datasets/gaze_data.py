"""Batches of pictures with people, from any source of gaze targets.

An item is a picture with all of its people (`gaze_targets`), so that a model encodes each picture once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gazekit.base import Data, Predictor
from gazekit.datasets.gaze_augmentation import PRESETS, augmented
from gazekit.datasets.gaze_people import OneAnnotator
from gazekit.datasets.gaze_targets import GazeDataset, GazePicture, batch_of

__all__ = ["GazeData"]


class GazeData(Data):
    """Pictures with people as batches. A subclass defines `load`; everything else has a default.

    Args:
        size_px: height and width to which pictures are stretched.
        batch_size: pictures per batch and process.
        split: the part that a report is about.
        augment: changes of the training pictures, one of `gaze_augmentation.PRESETS`.
        seed: of the order of the training pictures and of their changes.

    Attributes:
        dataset: set by `setup`.
        pictures: those of all parts; `parts` are indices of them.
    """

    dataset: GazeDataset | None = None

    def __init__(
        self,
        size_px: Sequence[int] = (224, 224),
        batch_size: int = 8,
        split: str = "test",
        augment: str = "vitgaze",
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        if len(size_px) != 2 or min(size_px) < 1:
            raise ValueError(f"data.size_px must be height and width in pixels, got {list(size_px)}")
        if augment not in PRESETS:
            raise ValueError(f"data.augment must be one of {', '.join(PRESETS)}, got {augment!r}")
        self.size_px = (int(size_px[0]), int(size_px[1]))
        self.augment = augment

    def load(self) -> GazeDataset:
        """The data set. Called once."""
        raise NotImplementedError(f"{type(self).__name__} must define load()")

    def setup(self, stage: str | None = None) -> None:
        """Load once.

        Raises:
            ValueError: `split` is no part of the data set, or has no pictures.
        """
        if self.dataset is not None:
            return
        dataset = self.load()
        if not len(dataset.parts.get(self.split, ())):
            raise ValueError(
                f"{dataset.name}: data.split={self.split} has no pictures, expected one of "
                f"{', '.join(name for name, pictures in dataset.parts.items() if len(pictures))}"
            )
        self.dataset = dataset
        self.pictures: list[GazePicture] = [p for part in dataset.parts.values() for p in part]
        ends = np.cumsum([len(part) for part in dataset.parts.values()])
        numbers = np.split(np.arange(len(self.pictures)), ends[:-1])
        self.parts = dict(zip(dataset.parts, numbers, strict=True))
        names = [picture.group or picture.name for picture in self.pictures]
        self._group = np.unique(names, return_inverse=True)[1]

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """The pictures with these indices, see `gaze_targets`; changed at random if `generator` is given."""
        return self._batch(index, self.size_px, generator)

    def batch_for(self, index: Sequence[int], facts: Mapping[str, Any]) -> dict[str, Any]:
        """The same, stretched to the size that the model was trained with."""
        return self._batch(index, tuple(facts.get("size_px", self.size_px)))

    def _batch(
        self, index: Sequence[int], size_px: tuple[int, int], generator: torch.Generator | None = None
    ) -> dict[str, Any]:
        pictures = [self.pictures[i] for i in index]
        if generator is not None:
            pictures = [augmented(replace(p, masks=None), self.augment, generator) for p in pictures]
        return batch_of(pictures, size_px, self._group[list(index)].tolist())

    @property
    def baseline_part(self) -> np.ndarray:
        """Indices of the training pictures that are like those of the other parts: what simple baselines learn from."""
        return self.parts["train"]

    def facts(self) -> dict[str, Any]:
        """`dataset`, and `size_px`: height and width of the pictures in a batch."""
        return {"dataset": self.dataset.name, "size_px": list(self.size_px)}

    def about(self) -> dict[str, Any]:
        """Counts of the scored part, fingerprint of the whole set, and what was left out."""
        people = [person for i in self.parts[self.split] for person in self.pictures[i].people]
        dataset = self.dataset
        notes = [f"{n} records left out: {rule}" for rule, n in dataset.filtered.items()]
        notes += [f"{n} records corrected: {rule}" for rule, n in dataset.repaired.items()]
        notes += [f"skipped {message}" for message in dataset.skipped]
        return {
            "name": dataset.name,
            "split": self.split,
            "pictures": len(self.parts[self.split]),
            "people": len(people),
            "inside": sum(person.inside for person in people),
            "points": sum(len(person.points_norm) for person in people),
            "fingerprint": dataset.fingerprint(),
            "filtered": dict(dataset.filtered),
            "repaired": dict(dataset.repaired),
            "skipped": list(dataset.skipped),
            "notes": [*self._notes(), *notes],
        }

    def _notes(self) -> list[str]:
        """Sentences on these data that a report must state."""
        return []

    def items(self, index: Sequence[int]) -> list[str]:
        """The names of these pictures."""
        return [self.pictures[i].name for i in index]

    def references(self) -> dict[str, Predictor]:
        """One annotator against the others, where people have several."""
        several = any(len(p.points_norm) > 1 for i in self.parts[self.split] for p in self.pictures[i].people)
        return {"one annotator": OneAnnotator(self.facts())} if several else {}
