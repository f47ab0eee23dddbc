"""Batches of trials for Lightning, from any data set of scenes and scanpaths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, DistributedSampler, Sampler

from gazekit import datasets
from gazekit.datasets.pictures import with_crops
from gazekit.datasets.records import OnBadRecord, ScanpathDataset
from gazekit.datasets.split import SplitBy, split_trials
from gazekit.scene import TrialBatch

__all__ = ["ScanpathDataModule", "mirror"]


class ScanpathDataModule(LightningDataModule):
    """Loads a data set, splits it, and batches its trials.

    Args:
        name, root, on_bad_record, options: see `gazekit.datasets.load`.
        split: the part that `evaluate` and the report of `fit` score: "test", "val", "train" or "all".
        split_by, fractions, split_seed: see `split_trials`.
        batch_size: trials a batch and process.
        mirror: mirror the layout of each scene left to right with probability 1/2 in training.
        crop_size: (height, width) to which crops are cut from the pictures of scenes that come without crops;
            None cuts none.
        categories: vocabulary of object categories; None takes what the data set declares, else the training
            part's. A checkpoint brings its own along.
        assigned: names of the training and validation parts of a model's training, see `split_trials`.
    """

    def __init__(
        self,
        name: str,
        root: str | Path | None = None,
        on_bad_record: OnBadRecord = "raise",
        options: dict | None = None,
        split: str = "test",
        split_by: SplitBy = "image",
        fractions: Sequence[float] = (0.7, 0.12, 0.18),
        split_seed: int = 0,
        batch_size: int = 64,
        mirror: bool = True,
        crop_size: Sequence[int] | None = None,
        categories: Sequence[str] | None = None,
        assigned: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        if split not in ("train", "val", "test", "all"):
            raise ValueError(f"data.split must be 'train', 'val', 'test' or 'all', got {split!r}")
        self.dataset_name, self.root, self.on_bad_record, self.options = (
            name,
            root,
            on_bad_record,
            dict(options or {}),
        )
        self.split, self.split_by, self.fractions, self.split_seed = (
            split,
            split_by,
            tuple(fractions),
            split_seed,
        )
        self.batch_size, self.mirror = batch_size, mirror
        self.categories = None if categories is None else tuple(categories)
        self.crop_size = None if crop_size is None else tuple(crop_size)
        self.assigned = assigned
        self.dataset: ScanpathDataset | None = None

    def setup(self, stage: str | None = None) -> None:
        """Load and split once."""
        if self.dataset is not None:
            return
        self.dataset = datasets.load(self.dataset_name, self.root, self.on_bad_record, **self.options)
        if self.crop_size is not None and any(s.crops is None for s in self.dataset.scenes):
            cut = (s if s.crops is not None else with_crops(s, self.crop_size) for s in self.dataset.scenes)
            self.dataset = replace(self.dataset, scenes=tuple(cut))
        if self.split == "all":
            self.parts = {"all": np.arange(len(self.dataset.trials))}
        else:
            how = (self.split_by, self.fractions, self.split_seed, self.assigned)
            self.parts = split_trials(self.dataset, *how)
        if len(self.parts[self.split]) == 0:
            raise ValueError(
                f"{self.dataset.name}: the {self.split} part has no scanpath; data.split=all takes all"
            )
        if self.categories is None:
            self.categories = self._vocabulary()

    def _vocabulary(self) -> tuple[str, ...]:
        if self.dataset.categories is not None:
            return self.dataset.categories
        used = {self.dataset.trials[i].scene for i in self.parts.get("train", self.parts["all"])}
        return tuple(sorted({c for i in used for c in self.dataset.scenes[i].categories or ()}))

    def batch(self, index: Sequence[int], categories: Sequence[str] | None = None) -> TrialBatch:
        """The trials with these indices as one batch, categories counted in a vocabulary (the module's own)."""
        trials = [self.dataset.trials[i] for i in index]
        vocabulary = self.categories if categories is None else categories
        return TrialBatch.from_trials(self.dataset.scenes, trials, list(index), vocabulary)

    def batches(self, part: str, categories: Sequence[str] | None = None) -> Iterator[TrialBatch]:
        """All trials of a part in order: one pass, for scoring."""
        index = self.parts[part].tolist()
        for start in range(0, len(index), self.batch_size):
            yield self.batch(index[start : start + self.batch_size], categories)

    def longest(self, part: str = "train") -> int:
        """Number of fixations of the longest scanpath of a part."""
        return max((len(self.dataset.trials[i].objects) for i in self.parts[part]), default=1)

    def train_dataloader(self) -> DataLoader:
        def collate(index: list[int]) -> TrialBatch:
            batch = self.batch(index)
            return mirror(batch) if self.mirror else batch

        index = self.parts["train"].tolist()
        sampler = DistributedSampler(index, shuffle=True) if _processes() > 1 else None
        return DataLoader(
            index, self.batch_size, shuffle=sampler is None, sampler=sampler, collate_fn=collate
        )

    def val_dataloader(self) -> DataLoader:
        index = self.parts["val"].tolist()
        if len(index) < _processes():
            raise ValueError(f"{len(index)} validation trials cannot be shared by {_processes()} processes")
        return DataLoader(index, self.batch_size, sampler=_Share(len(index)), collate_fn=self.batch)


class _Share(Sampler[int]):
    """This process's share of the items, each item in exactly one process, so that sums over processes are
    the sums over the data (torch's own sampler repeats items to even out the shares)."""

    def __init__(self, n: int) -> None:
        rank = torch.distributed.get_rank() if _processes() > 1 else 0
        self.index = range(rank, n, _processes())

    def __iter__(self) -> Iterator[int]:
        return iter(self.index)

    def __len__(self) -> int:
        return len(self.index)


def _processes() -> int:
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if ready else 1


def mirror(batch: TrialBatch, chosen: torch.Tensor | None = None) -> TrialBatch:
    """Mirror the layouts of some scenes left to right, and the scanpaths over them; objects keep their looks.

    Args:
        chosen: [S] bool, the scenes to mirror; drawn with probability 1/2 when None.
    """
    scenes = batch.scenes
    width = scenes.size_px[:, 0]
    chosen = torch.rand(len(scenes)) < 0.5 if chosen is None else chosen
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
        ),
    )
