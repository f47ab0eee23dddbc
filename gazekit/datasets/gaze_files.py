"""Batches of a data set of gaze following that is on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gazekit import datasets
from gazekit.datasets.gaze_data import GazeData
from gazekit.datasets.gaze_targets import GazeDataset, GazePicture, Person
from gazekit.datasets.records import OnBadRecord

__all__ = ["GazeTargets"]

SPLIT = ("val", "val_fraction", "split_seed")
"""Options that say which pictures train and which choose a model."""


class GazeTargets(GazeData):
    """Loads GazeFollow, VideoAttentionTarget or ChildPlay, and batches its pictures.

    Args:
        name, root, on_bad_record, options: see `gazekit.datasets.load`.
        expand_heads: head boxes grow by this share of their size at each side, in all parts, and end at the border of
            the picture: 0.1 in Chong et al. and ViTGaze on GazeFollow.
        size_px, batch_size, split, augment, seed: see `GazeData`.
    """

    def __init__(
        self,
        name: str,
        root: str | Path | None = None,
        on_bad_record: OnBadRecord = "raise",
        options: Mapping[str, Any] | None = None,
        expand_heads: float = 0.0,
        size_px: Sequence[int] = (224, 224),
        batch_size: int = 8,
        split: str = "test",
        augment: str = "vitgaze",
        seed: int = 0,
    ) -> None:
        super().__init__(size_px, batch_size, split, augment, seed)
        if not expand_heads >= 0:
            raise ValueError(f"data.expand_heads must be 0 or more, got {expand_heads}")
        self.dataset_name, self.root, self.on_bad_record = name, root, on_bad_record
        self.options, self.expand_heads = dict(options or {}), expand_heads

    def load(self) -> GazeDataset:
        """The data set with its grown head boxes.

        Raises:
            FileNotFoundError, DataError: see `gazekit.datasets.load`.
            ValueError: a data set without gaze targets.
        """
        dataset = datasets.load(self.dataset_name, self.root, self.on_bad_record, **self._options())
        if not isinstance(dataset, GazeDataset):
            raise ValueError(f"data.name={self.dataset_name} has no people with gaze targets")
        share = (self.trained_with or {}).get("expand_heads", self.expand_heads)  # as the model is used to
        if share == 0:
            return dataset
        parts = {
            part: tuple(_expanded(picture, share) for picture in pictures)
            for part, pictures in dataset.parts.items()
        }
        return replace(dataset, parts=parts)

    def _options(self) -> dict[str, Any]:
        """The options, but a model that was trained on this data set keeps its own split."""
        known = self.trained_with or {}
        if known.get("dataset") != self.dataset_name:
            return self.options
        return self.options | {key: value for key, value in known["options"].items() if key in SPLIT}

    def facts(self) -> dict[str, Any]:
        """As `GazeData`, and `options` and `expand_heads`."""
        return super().facts() | {"options": self.options, "expand_heads": self.expand_heads}

    def _notes(self) -> list[str]:
        caution = datasets.info(self.dataset_name).caution
        return [caution] if caution else []


def _expanded(picture: GazePicture, share: float) -> GazePicture:
    return replace(picture, people=tuple(_grown(person, picture.size_px, share) for person in picture.people))


def _grown(person: Person, size_px: tuple[int, int], share: float) -> Person:
    size = np.tile(person.head_px[2:] - person.head_px[:2], 2)
    grown = person.head_px + share * size * np.array([-1, -1, 1, 1])
    return replace(person, head_px=np.clip(grown, 0, np.tile(size_px, 2)))
