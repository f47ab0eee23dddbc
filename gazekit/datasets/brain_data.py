"""Responses of brains to pictures, with frozen features of the pictures: what encoding models learn from.

A batch is a dict:

    features      layer -> float32 [B, C, H, W]; a layer without places is [B, C, 1, 1]
    response      float32 [B, V], mean over the presentations that took place; NaN: this voxel has none
    group         int64 [B], number of the picture
    fixation_map  float32 [B, H, W], where people looked; only in sets that have gaze
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.datasets.brain_features import ArrayMaps, Maps, backbone_maps, tensor_of
from gazekit.datasets.brain_pictures import Pictures
from gazekit.datasets.brain_responses import BrainRecords
from gazekit.errors import DataError

__all__ = ["BrainArrays", "BrainData"]


class BrainArrays(NamedTuple):
    """A part at once: what rows in closed form learn from.

    Args:
        features: layer to float32 [n, C, H, W].
        response: float32 [n, V], NaN = none.
        group: int64 [n], numbers of the pictures.
        fixation_map: float32 [n, h, w] where people looked; None where it is not known.
    """

    features: dict[str, Tensor]
    response: Tensor
    group: Tensor
    fixation_map: Tensor | None = None


class BrainData(Data):
    """Base of data with responses to pictures. A subclass defines `setup`, which calls `use`.

    Args:
        backbone: the frozen net that looks at the pictures, one of `gazekit.backbones.NAMES`; None where the set brings
            features.
        layers: whose maps are the features; None for all.
        weights: see `gazekit.backbones.load_backbone`.
        size_px: height and width to which pictures are stretched; None for what the backbone was trained with.
        grid: cells a side to which maps are averaged before they are kept; None keeps them as they are.
        features_root: folder that keeps features; None computes them in every run.
        batch_size, split, seed: see `Data`.

    Attributes:
        records: see `BrainRecords`; set by `use`.
    """

    records: BrainRecords | None = None
    _recipe: dict[str, Any] | None = None  # of the backbone that has looked

    def __init__(
        self,
        backbone: str | None = None,
        layers: Sequence[str] | None = None,
        weights: str | Path | None = None,
        size_px: Sequence[int] | None = None,
        grid: int | None = None,
        features_root: str | Path | None = None,
        batch_size: int = 64,
        split: str = "test",
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        if grid is not None and grid < 1:
            raise ValueError(f"data.grid must be at least 1 cell a side, or null, got {grid}")
        if backbone is None and layers is not None:
            raise ValueError("data.layers are those of data.backbone, which is not given")
        self.backbone, self.layers, self.weights, self.grid = backbone, layers, weights, grid
        self.size_px, self.features_root = size_px and tuple(size_px), features_root

    def use(self, records: BrainRecords, parts: Mapping[str, np.ndarray], maps: Maps | None = None) -> None:
        """Take records and parts, and look at the pictures.

        Args:
            parts: part to numbers of pictures, which no two parts share.
            maps: the features, where the subclass has looked already.
        Raises:
            DataError: a picture in two parts, an empty `split`, neither features nor a backbone, infinite responses,
                other voxels or other training pictures than the model was trained with.
        """
        everything = np.concatenate(list(parts.values()))
        if len(np.unique(everything)) < len(everything):
            raise DataError(f"{records.name}: a picture is in two parts; each must be in one")
        if not len(parts.get(self.split, ())):
            raise DataError(
                f"{records.name}: data.split={self.split} has no pictures, expected one of "
                f"{', '.join(part for part, numbers in parts.items() if len(numbers))}"
            )
        self.parts = {part: np.asarray(numbers, int) for part, numbers in parts.items()}
        self.survey = records.survey()
        self.maps = self._features(records) if maps is None else maps
        self.records = records
        self._facts = self._collect(records)
        self._compare(self.trained_with or {})

    def _features(self, records: BrainRecords) -> Maps:
        if self.backbone is None and records.features:
            return ArrayMaps(records.features)
        if self.backbone is None or records.pictures is None:
            lacks = "no features: set data.backbone" if records.pictures is not None else "no pictures"
            raise DataError(f"{records.name} has {lacks}")
        return self.look(records.pictures, records.items)

    def look(self, pictures: Pictures, items: Sequence[str]) -> Maps:
        """Features of pictures with these names by the backbone."""
        from gazekit.backbones import load_backbone

        backbone = load_backbone(self.backbone, self.weights, self.layers, self.size_px)
        self._recipe = {**backbone.recipe, "grid": self.grid}
        return backbone_maps(pictures, items, backbone, self.grid, self.features_root)

    def _collect(self, records: BrainRecords) -> dict[str, Any]:
        learnt = sorted(records.items[i] for part in ("train", "val") for i in self.parts.get(part, ()))
        facts = {
            "name": records.name,
            "layers": dict(self.maps.shapes),
            "voxels": records.voxels,
            "subjects": list(records.subjects),
            "subject_of": np.asarray(records.subject_of).tolist(),
            "regions": {name: np.asarray(numbers).tolist() for name, numbers in records.regions.items()},
            "learnt_pictures": _checksum(learnt),
        }
        if records.voxel_names is not None:
            facts["voxel_names"] = _checksum(records.voxel_names)
        if records.hemisphere_of is not None:
            facts["hemisphere_of"] = np.asarray(records.hemisphere_of).tolist()
        return facts | ({} if self._recipe is None else {"backbone": self._recipe})

    def _compare(self, known: Mapping[str, Any]) -> None:
        """Refuse data that a model with these facts cannot be judged on."""
        if known.get("name") != self._facts["name"]:
            return
        for key, what in (
            ("subject_of", "voxels"),
            ("voxel_names", "voxels, or in another order"),
            ("layers", "layers of features"),
            ("learnt_pictures", "pictures in the parts train and val"),
        ):
            if key in known and key in self._facts and known[key] != self._facts[key]:
                raise DataError(
                    f"{self.records.name}: the model was trained with other {what}: set data as they were in training"
                )

        said = known.get("regions", {})
        if other := [
            name for name, voxels in self._facts["regions"].items() if said.get(name, voxels) != voxels
        ]:
            raise DataError(
                f"{self.records.name}: the model was trained with other voxels in the regions {', '.join(other)}: set "
                "data as they were in training"
            )

    def facts(self) -> dict[str, Any]:
        """`layers` {name: [C, H, W]}, `voxels` V, `subjects`, `subject_of` [V], `regions` {name: voxels},
        `hemisphere_of` [V] where it is known, `backbone` (its recipe) where one looked at the pictures; `name`, and
        `learnt_pictures`, a checksum of the names of the pictures in train and val; `voxel_names`, one of the names of
        the voxels, where they have any."""
        return self._facts

    def about(self) -> dict[str, Any]:
        """Counts of pictures, voxels and repeats, and what is missing in the responses."""
        index = self.parts[self.split]
        shown = max((int((b.rows[:, index] >= 0).sum(0).max()) for b in self.records.blocks), default=0)
        return {
            "name": self.records.name,
            "split": self.split,
            "pictures": {part: len(numbers) for part, numbers in self.parts.items()},
            "voxels": self.records.voxels,
            "subjects": len(self.records.subjects),
            "presentations of a picture": shown,
            "notes": [*self.records.notes, *self.survey.notes()],
        }

    def items(self, index: Sequence[int]) -> list[str]:
        """Names of the pictures."""
        return [self.records.items[i] for i in index]

    def pictures(self, index: Sequence[int]) -> np.ndarray:
        """uint8 RGB [n, H, W, 3].

        Raises:
            DataError: the set has no pictures. ValueError: pictures of several sizes: ask for them one by one.
        """
        if self.records.pictures is None:
            raise DataError(f"{self.records.name} has features alone, no pictures")
        return np.stack([self.records.pictures[int(i)] for i in index])

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """See the module. Nothing in it is random."""
        index = np.asarray(index, int)
        found = self._arrays(index)._asdict()
        found["features"] = {layer: maps.clone() for layer, maps in found["features"].items()}  # may be views
        found["response"] = found["response"].clone()
        return {name: value for name, value in found.items() if value is not None}

    def arrays(self, part: str) -> BrainArrays:
        """All of a part. Nothing is copied where its pictures follow each other in one float32 array."""
        return self._arrays(self.parts[part])

    def _arrays(self, index: np.ndarray) -> BrainArrays:
        response = tensor_of(self.records.mean(index))
        looked = self.records.fixation_map
        looked = None if looked is None else torch.from_numpy(np.float32(looked[index]))
        return BrainArrays(self.maps.read(index), response, torch.from_numpy(index), looked)

    def repeats(self, part: str) -> Tensor | None:
        """float32 [R, n, V] single presentations of the pictures of a part, NaN = none; None without repeats."""
        found = self.records.repeats(self.parts[part])
        return None if found is None else torch.from_numpy(found)


def _checksum(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
