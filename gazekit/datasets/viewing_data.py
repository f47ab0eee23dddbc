"""Batches of trials with their pictures, in folds by picture: what models of free viewing learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from gazekit.datasets.records import OnBadRecord, ScanpathDataset
from gazekit.datasets.scanpath_data import ScanpathData
from gazekit.datasets.split import split_trials
from gazekit.errors import DataError
from gazekit.scene import TrialBatch

__all__ = ["ViewingData"]

_VAL_SHARE = 0.15  # of the pictures outside the test fold
_KEPT_PICTURES = 128


class ViewingData(ScanpathData):
    """Scanpaths over pictures that are on disk; scenes without a picture are left out and counted.

    The pictures are permuted with `split_seed` and cut into `folds`. "test" is fold number `fold`, "val" 15 % of the
    other pictures, "train" the rest, "all" everything; `in_fold` gives the same data with another fold, for a
    cross-validation. Batches hold pictures of one size, `TrialBatch.duration_ms`, and who looked (`observer`).

    Args:
        name, root, on_bad_record, options: see `gazekit.datasets.load`.
        split: the part that a report is about; "all" for a cross-validation.
        folds, fold, split_seed: see above.
        batch_size: trials per batch and process.
        mirror: mirror pictures and scanpaths left to right with probability 1/2 in training.
    Raises:
        ValueError: fewer than 2 folds, or no such fold.
    """

    def __init__(
        self,
        name: str,
        root: str | Path | None = None,
        on_bad_record: OnBadRecord = "raise",
        options: Mapping[str, Any] | None = None,
        split: str = "all",
        folds: int = 5,
        fold: int = 0,
        split_seed: int = 0,
        batch_size: int = 64,
        mirror: bool = True,
    ) -> None:
        super().__init__(
            name,
            root,
            on_bad_record,
            options,
            split,
            "image",
            (0.7, 0.12, 0.18),
            split_seed,
            batch_size,
            mirror,
        )
        if folds < 2 or not 0 <= fold < folds:
            raise ValueError(
                f"data.folds must be at least 2 and data.fold from 0 to folds - 1, got {folds} and {fold}"
            )
        self.folds, self.fold, self.left_out = folds, fold, 0

    def use(self, dataset: ScanpathDataset) -> None:
        """Take a data set that is loaded already.

        Raises:
            DataError: none of its scenes has a picture on disk, or fewer than there are folds.
        """
        shown = [k for k, scene in enumerate(dataset.scenes) if scene.image_path is not None]
        if len(shown) <= self.folds:
            raise DataError(
                f"{dataset.name}: {len(shown)} of {len(dataset.scenes)} scenes have a picture on disk, expected more "
                f"than data.folds={self.folds}; see `gazekit data info {dataset.name}` for where they belong"
            )
        number = {old: new for new, old in enumerate(shown)}
        self.left_out = len(dataset.scenes) - len(shown)
        trials = [replace(t, scene=number[t.scene]) for t in dataset.trials if t.scene in number]
        super().use(replace(dataset, scenes=tuple(dataset.scenes[k] for k in shown), trials=tuple(trials)))

    def in_fold(self, fold: int) -> ViewingData:
        """The same data with another test fold; the report is about that fold."""
        other = copy(self)
        other.fold, other.split, other.trained_with = fold, "test", None
        other.parts = other._parts(self.dataset)
        return other

    def _parts(self, dataset: ScanpathDataset) -> dict[str, np.ndarray]:
        if self._assigned():
            return split_trials(dataset, assigned=self._assigned())
        order = np.random.default_rng(self.split_seed).permutation(len(dataset.scenes))
        tested = np.array_split(order, self.folds)[self.fold]
        others = order[~np.isin(order, tested)]
        held = max(1, round(_VAL_SHARE * len(others)))
        scene = np.array([trial.scene for trial in dataset.trials])
        chosen = {"train": others[:-held], "val": others[-held:], "test": tested, "all": order}
        return {part: np.flatnonzero(np.isin(scene, scenes)) for part, scenes in chosen.items()}

    def facts(self) -> dict[str, Any]:
        """As of `ScanpathData`, with `length_counts` (training scanpaths of 0, 1, ... fixations)."""
        lengths = [len(self.dataset.trials[i].objects) for i in self.parts["train"]]
        assigned = {part: sorted(self._names(part)) for part in ("train", "val")}
        return super().facts() | {
            "length_counts": np.bincount(lengths).tolist(),
            "assigned": assigned,
        }

    def _names(self, part: str) -> set[str]:
        scenes = (self.dataset.scenes[self.dataset.trials[i].scene] for i in self.parts[part])
        return {str(scene.attributes.get("image", scene.name)) for scene in scenes}

    def _notes(self) -> list[str]:
        gone = f"{self.left_out} pictures left out, which are not on disk"
        return [*super()._notes(), *([gone] if self.left_out else [])]

    def groups(self, index: Sequence[int]) -> list[list[int]]:
        """Batches of pictures of one size; whole pictures stay together where they follow each other."""
        by_size: dict[tuple[int, int], list[int]] = {}
        for i in index:
            by_size.setdefault(self.dataset.scenes[self.dataset.trials[i].scene].size_px, []).append(i)
        return [group for same in by_size.values() for group in super(ViewingData, self).groups(same)]

    def _batch(self, index: Sequence[int], categories: Sequence[str]) -> TrialBatch:
        batch = super()._batch(index, categories)
        trials = [self.dataset.trials[i] for i in index]
        used = sorted({trial.scene for trial in trials})
        paths = [self.dataset.scenes[k].image_path for k in used]
        sizes = [self.dataset.scenes[k].size_px for k in used]
        pictures = [_picture(path, size) for path, size in zip(paths, sizes, strict=True)]
        if len({picture.shape for picture in pictures}) > 1:
            raise ValueError(
                f"{self.dataset.name}: pictures of one batch have several sizes ({', '.join(map(str, set(sizes)))}); "
                "data.batch_size=1 takes them one by one"
            )
        return replace(batch, scenes=replace(batch.scenes, pictures=torch.stack(pictures)))


@lru_cache(maxsize=_KEPT_PICTURES)
def _picture(path: Path, size_px: tuple[int, int]) -> torch.Tensor:
    """uint8 RGB [H, W, 3]."""
    found = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if found is None:
        raise DataError(
            f"{path} is not a picture that OpenCV can read: restore it, or delete it to leave it out"
        )
    if found.shape[1::-1] != tuple(size_px):
        raise DataError(
            f"{path} has {found.shape[1]} x {found.shape[0]} px, expected {size_px[0]} x {size_px[1]}"
        )
    return torch.from_numpy(np.ascontiguousarray(found[..., ::-1]))
