"""Batches of trials, from any data set of scenes and scanpaths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gazekit import datasets
from gazekit.base import Data, Predictor
from gazekit.datasets.pictures import with_crops
from gazekit.datasets.records import OnBadRecord, ScanpathDataset
from gazekit.datasets.split import SplitBy, part_names, split_trials, trial_keys
from gazekit.scanpaths.people import OtherHalf, OtherPeople
from gazekit.scanpaths.predictor import ModelRow
from gazekit.scene import Scene, TrialBatch

__all__ = ["ScanpathData", "mirror"]


class ScanpathData(Data):
    """Loads a data set of scenes and scanpaths, splits it, and batches its trials.

    Args:
        name, root, on_bad_record, options: see `gazekit.datasets.load`.
        split: the part that a report is about: "test", "val", "train" or "all".
        split_by, fractions, split_seed: see `split_trials`.
        batch_size: trials per batch and process.
        mirror: mirror the layout of each scene left to right with probability 1/2 in training.
        crop_size: (height, width) to which crops are cut from the pictures of scenes that come without crops;
            None cuts none.

    Attributes:
        categories: vocabulary of object categories: what the data set declares, else those of the training part; a
            checkpoint brings its own (`trained_with`).
    """

    def __init__(
        self,
        name: str,
        root: str | Path | None = None,
        on_bad_record: OnBadRecord = "raise",
        options: Mapping[str, Any] | None = None,
        split: str = "test",
        split_by: SplitBy = "image",
        fractions: Sequence[float] = (0.7, 0.12, 0.18),
        split_seed: int = 0,
        batch_size: int = 64,
        mirror: bool = True,
        crop_size: Sequence[int] | None = None,
    ) -> None:
        super().__init__(batch_size, split)
        if split not in ("train", "val", "test", "all"):
            raise ValueError(f"data.split must be 'train', 'val', 'test' or 'all', got {split!r}")
        self.dataset_name, self.root, self.on_bad_record = name, root, on_bad_record
        self.options = dict(options or {})
        self.split_by, self.fractions, self.split_seed = split_by, tuple(fractions), split_seed
        self.mirror = mirror
        self.crop_size = None if crop_size is None else tuple(crop_size)
        self.categories: tuple[str, ...] | None = None
        self.dataset: ScanpathDataset | None = None

    def setup(self, stage: str | None = None) -> None:
        """Load and split once.

        Raises:
            FileNotFoundError, DataError: see `gazekit.datasets.load`.
            ValueError: an empty part, or a model trained on crops where the scenes have none.
        """
        if self.dataset is not None:
            return
        dataset = datasets.load(self.dataset_name, self.root, self.on_bad_record, **self.options)
        crop_size = self.crop_size or (self.trained_with or {}).get("crop_size")
        if crop_size is not None and any(s.crops is None for s in dataset.scenes):
            cut = (s if s.crops is not None else with_crops(s, tuple(crop_size)) for s in dataset.scenes)
            dataset = replace(dataset, scenes=tuple(cut))
        self.use(dataset)

    def use(self, dataset: ScanpathDataset) -> None:
        """Take a data set that is loaded already: split it and settle the vocabulary."""
        self.dataset = dataset
        self.parts = self._parts(dataset)
        if len(self.parts[self.split]) == 0:
            raise ValueError(
                f"{dataset.name}: the {self.split} part has no scanpath; data.split=all takes all"
            )
        self.categories = tuple((self.trained_with or {}).get("categories", self._vocabulary()))
        self._people = self._observers()
        pictures = [str(s.attributes.get("image", s.name)) for s in dataset.scenes]
        self._image = torch.as_tensor(np.unique(pictures, return_inverse=True)[1])

    def _parts(self, dataset: ScanpathDataset) -> dict[str, np.ndarray]:
        if self.split == "all":
            return {"all": np.arange(len(dataset.trials))}
        return split_trials(dataset, self.split_by, self.fractions, self.split_seed, self._assigned())

    def _assigned(self) -> Mapping[str, Sequence[str]] | None:
        """What the evaluated model was trained and chosen with, if that was this data set."""
        facts = self.trained_with or {}
        return facts.get("assigned") if facts.get("dataset") == self.dataset_name else None

    def _observers(self) -> list[str]:
        """Names of the people whom batches number: those of training, and nobody where that was on other data, whose
        "1" or "anna" is somebody else.
        """
        facts = self.trained_with or {}
        if facts.get("dataset", self.dataset_name) != self.dataset_name:
            return []
        return sorted(name for name in facts.get("observers", self.dataset.observers) if name)

    def _vocabulary(self) -> tuple[str, ...]:
        if self.dataset.categories is not None:
            return self.dataset.categories
        used = {self.dataset.trials[i].scene for i in self.parts.get("train", self.parts["all"])}
        return tuple(sorted({c for i in used for c in self.dataset.scenes[i].categories or ()}))

    def facts(self) -> dict[str, Any]:
        """What a model of these scenes needs to know, and which images (subjects, trials) it is trained with."""
        scenes, trials = self.dataset.scenes, self.dataset.trials
        train = self.parts.get("train", self.parts["all"])
        crops = all(s.crops is not None for s in scenes)
        return {
            "dataset": self.dataset_name,
            "categories": list(self.categories),
            "crop_size": list(scenes[0].crops.shape[1:3]) if crops else None,
            "observers": list(self._people),
            "free_viewing": any(scenes[trials[i].scene].target is None for i in train),
            "max_fixations": max((len(trials[i].objects) for i in train), default=1),
            "split_by": self.split_by,
            "assigned": {} if self.split == "all" else part_names(self.dataset, self.split_by, self.parts),
        }

    def about(self) -> dict[str, Any]:
        index = self.parts[self.split].tolist()
        return {
            "name": self.dataset.name,
            "split": self.split,
            "split_by": self.split_by,
            "fingerprint": self.dataset.fingerprint(),
            "images": len(self._image[[self.dataset.trials[i].scene for i in index]].unique()),
            "scanpaths": len(index),
            "filtered": self.dataset.filtered,
            "skipped": list(self.dataset.skipped),
            "notes": self._notes(),
        }

    def _notes(self) -> list[str]:
        caution = datasets.info(self.dataset.name).caution if self.dataset.name in datasets.NAMES else ""
        notes = [f"{n} scanpaths left out: {rule}" for rule, n in self.dataset.filtered.items()]
        notes += [f"skipped {message}" for message in self.dataset.skipped]
        return [*self._seen(), *([caution] if caution else []), *notes]

    def _seen(self) -> list[str]:
        """A note if scored trials share images (subjects, trials) with the training of the evaluated model."""
        assigned = self._assigned()
        if not assigned:
            return []
        keys = trial_keys(self.dataset, self.split_by)[self.parts[self.split]]
        count = int(np.isin(keys, [name for names in assigned.values() for name in names]).sum())
        if not count:
            return []
        who = f"{count} of {len(keys)} scored scanpaths"
        return [f"{who}: the checkpoint was trained or chosen with their {self.split_by}"]

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> TrialBatch:
        """The trials with these indices, their categories counted in the vocabulary of the data."""
        batch = self._batch(index, self.categories)
        if generator is None or not self.mirror:
            return batch
        return mirror(batch, torch.rand(len(batch.scenes), generator=generator) < 0.5)

    def _batch(self, index: Sequence[int], categories: Sequence[str]) -> TrialBatch:
        trials = [self.dataset.trials[i] for i in index]
        batch = TrialBatch.from_trials(self.dataset.scenes, trials, list(index), categories, self._people)
        return replace(batch, group=self._image[[trial.scene for trial in trials]])

    def batch_for(self, index: Sequence[int], facts: Mapping[str, Any]) -> TrialBatch:
        """The same, with categories counted in the vocabulary of the model that reads them."""
        return self._batch(index, facts.get("categories", self.categories))

    def distinct(self, part: str) -> list[int]:
        """One trial per scene."""
        of_scene: dict[int, int] = {}
        for i in self.parts[part].tolist():
            of_scene.setdefault(self.dataset.trials[i].scene, i)
        return list(of_scene.values())

    def items(self, index: Sequence[int]) -> list[Scene]:
        """The scenes of these trials."""
        return [self.dataset.scenes[self.dataset.trials[i].scene] for i in index]

    def references(self) -> dict[str, Predictor]:
        """The simulated observer of a generated set; else other people, all of them and one half by the other."""
        observer, longest = self.dataset.observer, self.facts()["max_fixations"]
        longest = (self.trained_with or {}).get("max_fixations", longest)
        if observer is not None:
            facts = {"categories": self.dataset.categories, "max_fixations": longest}
            return {"observer": ModelRow(observer, facts, "The simulated observer itself: the ceiling.")}
        index = self.parts[self.split].tolist()
        rows: dict[str, Predictor] = {"people, leave one out": OtherPeople(self.dataset.trials, index)}
        if len(self.dataset.observers) > 1:
            rows["people, split half"] = OtherHalf(self.dataset.trials, index)
        return rows


def mirror(batch: TrialBatch, chosen: torch.Tensor) -> TrialBatch:
    """Mirror the layouts of some scenes left to right, and the scanpaths over them; objects keep their looks.

    Args:
        chosen: [S] bool, the scenes to mirror.
    """
    scenes = batch.scenes
    width = scenes.size_px[:, 0]
    x0, y0, x1, y1 = scenes.boxes_px.unbind(-1)
    flipped = torch.stack([width[:, None] - x1, y0, width[:, None] - x0, y1], -1)
    flipped = flipped.masked_fill(~scenes.object_mask[..., None], 0.0)
    gaze = batch.xy_px.clone()
    turned = chosen[batch.scene_of_trial][:, None]
    gaze[..., 0] = torch.where(turned, width[batch.scene_of_trial][:, None] - gaze[..., 0], gaze[..., 0])
    start_x = torch.where(chosen, width - scenes.start_xy_px[:, 0], scenes.start_xy_px[:, 0])
    return replace(
        batch,
        xy_px=gaze.masked_fill(~batch.mask[..., None], 0.0),
        scenes=replace(
            scenes,
            boxes_px=torch.where(chosen[:, None, None], flipped, scenes.boxes_px),
            start_xy_px=torch.stack([start_x, scenes.start_xy_px[:, 1]], -1),
            pictures=_flipped(scenes.pictures, chosen),
        ),
    )


def _flipped(pictures: torch.Tensor | None, chosen: torch.Tensor) -> torch.Tensor | None:
    return None if pictures is None else torch.where(chosen[:, None, None, None], pictures.flip(2), pictures)
