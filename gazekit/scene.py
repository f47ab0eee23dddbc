"""Objects in a picture, the search target among them, and batches of scenes and trials for a model.

`Scene` and `Trial` are records as data sets return them; `SceneBatch` and `TrialBatch` are the padded
tensors that models take. In these, a trial's fixations are object indices (`assign_objects`), in order, with
consecutive repeats kept. Masks are True where valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gazekit.geometry import check_boxes
from gazekit.scanpath import Ragged, Scanpath

__all__ = ["Scene", "SceneBatch", "Trial", "TrialBatch"]


@dataclass(frozen=True, eq=False)
class Scene:
    """The objects of one picture.

    Args:
        name: unique in its data set.
        size_px: (width, height) of the picture.
        boxes_px: [N, 4] object boxes `x_min, y_min, x_max, y_max`.
        target: index of the search target; None in free viewing.
        categories: one name per object, or None.
        crops: [N, h, w, 3] uint8 RGB picture of each object, or None.
        image_path: path of the picture, if it is on disk.
        start_xy_px: gaze position before the first recorded fixation; None: the centre.
        attributes: further metadata of the data set (memory set, condition, ...), JSON types only.
    Raises:
        ValueError: boxes outside the picture or empty, a target that is not an object index, unequal lengths.
    """

    name: str
    size_px: tuple[int, int]
    boxes_px: np.ndarray
    target: int | None = None
    categories: tuple[str, ...] | None = None
    crops: np.ndarray | None = None
    image_path: Path | None = None
    start_xy_px: tuple[float, float] | None = None
    attributes: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"scene {self.name!r}"
        if len(self.size_px) != 2 or not all(np.isfinite(side) and side > 0 for side in self.size_px):
            raise ValueError(f"{where}: size_px must be a positive width and height, got {self.size_px}")
        if self.start_xy_px is not None and not np.isfinite(self.start_xy_px).all():
            raise ValueError(f"{where}: start_xy_px must be finite, got {self.start_xy_px}")
        boxes = check_boxes(self.boxes_px, self.size_px, where)
        object.__setattr__(self, "boxes_px", boxes)
        n = len(boxes)
        if self.target is not None and not 0 <= self.target < n:
            raise ValueError(
                f"{where}: target {self.target} is unknown, expected an object index from 0 to {n - 1}"
            )
        if self.categories is not None and len(self.categories) != n:
            raise ValueError(f"{where}: {len(self.categories)} categories for {n} boxes")
        if self.crops is not None and (
            self.crops.dtype != np.uint8
            or self.crops.ndim != 4
            or self.crops.shape[0] != n
            or self.crops.shape[3] != 3
        ):
            raise ValueError(
                f"{where}: crops must be uint8 [{n}, h, w, 3], got {self.crops.dtype} {list(self.crops.shape)}"
            )

    def __len__(self) -> int:
        return len(self.boxes_px)


@dataclass(frozen=True, eq=False)
class Trial:
    """One observer's scanpath over one scene.

    Args:
        scene: index of the scene in its data set.
        scanpath: fixations in pixels.
        objects: [T] index of the object of each fixation.
    """

    scene: int
    scanpath: Scanpath
    objects: np.ndarray


class _Movable:
    """Moving and row selection for dataclasses of tensors."""

    def to(self, device: torch.device | str):
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(
            self, **{k: v.to(device) for k, v in moved.items() if isinstance(v, Tensor | _Movable)}
        )


@dataclass(frozen=True, eq=False)
class SceneBatch(_Movable):
    """S scenes, padded to N objects.

    Attributes:
        boxes_px: [S, N, 4]; padding is 0.
        object_mask: [S, N].
        size_px: [S, 2] width, height.
        start_xy_px: [S, 2] gaze position before the first fixation.
        target: [S] object index, -1 without one.
        category: [S, N] index in the model's vocabulary, 0 = unknown or none.
        crops: [S, N, 3, h, w] float in [0, 1], or None.
        memory: [S, M] category of each object that is looked for, the target's first: 0 = unknown or none,
            -1 = padding. M > 1 where several are memorised (`memory_categories` in the attributes of a scene).
        pictures: [S, H, W, 3] uint8 RGB, or None: only data of pictures carry them.
    """

    boxes_px: Tensor
    object_mask: Tensor
    size_px: Tensor
    start_xy_px: Tensor
    target: Tensor
    category: Tensor
    crops: Tensor | None = None
    memory: Tensor | None = None
    pictures: Tensor | None = None

    def __len__(self) -> int:
        return len(self.boxes_px)

    @property
    def centres_px(self) -> Tensor:
        """[S, N, 2] box centres."""
        return (self.boxes_px[..., :2] + self.boxes_px[..., 2:]) / 2

    @property
    def spacing_px(self) -> Tensor:
        """[S, 2] typical distance between neighbouring objects along x and y.

        The sides of the box that each object would have if the objects tiled the picture, at the aspect ratio
        of the average box: on a regular grid exactly the cell, so that distances in this unit are numbers of
        columns and rows; on irregular layouts the equivalent of one object. Aspect ratios are limited to
        between 1 : 4 and 4 : 1.
        """
        n = self.object_mask.sum(-1).clamp(min=1)
        side = (self.boxes_px[..., 2:] - self.boxes_px[..., :2]).sum(1) / n[:, None]
        aspect = (side[:, 0] / side[:, 1].clamp(min=1e-6)).clamp(0.25, 4.0).sqrt()
        root_area = (self.size_px.prod(-1) / n).sqrt()
        return torch.stack([root_area * aspect, root_area / aspect], -1)

    def __getitem__(self, rows: Tensor) -> SceneBatch:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return SceneBatch(**{k: None if v is None else v[rows] for k, v in values.items()})

    @classmethod
    def from_scenes(cls, scenes: Sequence[Scene], categories: Sequence[str] = ()) -> SceneBatch:
        """Pad scenes. `categories` is the vocabulary; names outside it become 0, its first name 1, and so on.

        Raises:
            ValueError: crops of different sizes, or only on some scenes.
        """
        index = {name: i + 1 for i, name in enumerate(categories)}
        boxes = Ragged.from_list([s.boxes_px for s in scenes], torch.float32)
        category = [[index.get(c, 0) for c in s.categories or [""] * len(s)] for s in scenes]
        shapes = {None if s.crops is None else s.crops.shape[1:] for s in scenes}
        if len(shapes) != 1:
            raise ValueError(f"scenes of one batch need crops of one size, got {sorted(map(str, shapes))}")
        crops = None
        if None not in shapes:
            padded = Ragged.from_list([s.crops for s in scenes], torch.uint8).values
            crops = padded.permute(0, 1, 4, 2, 3).float() / 255
        centre = [(s.size_px[0] / 2, s.size_px[1] / 2) for s in scenes]
        starts = [
            c if s.start_xy_px is None else tuple(s.start_xy_px) for s, c in zip(scenes, centre, strict=True)
        ]
        return cls(
            boxes_px=boxes.values,
            object_mask=boxes.mask,
            size_px=torch.tensor([s.size_px for s in scenes], dtype=torch.float32),
            start_xy_px=torch.tensor(starts, dtype=torch.float32),
            target=torch.tensor([-1 if s.target is None else s.target for s in scenes]),
            category=Ragged.from_list(category, torch.long).values,
            crops=crops,
            memory=_memory(scenes, index),
        )


def _memory(scenes: Sequence[Scene], index: dict[str, int]) -> Tensor | None:
    """[S, M] categories looked for; None where every scene has one target at most."""
    if not any("memory_categories" in s.attributes for s in scenes):
        return None
    names = [s.attributes.get("memory_categories", [""]) for s in scenes]
    sets = Ragged.from_list([[index.get(name, 0) for name in of_scene] for of_scene in names], torch.long)
    return sets.values.masked_fill(~sets.mask, -1)


@dataclass(frozen=True, eq=False)
class TrialBatch(_Movable):
    """B trials over S scenes.

    Attributes:
        scenes: the scenes, each once.
        scene_of_trial: [B] row of `scenes`.
        objects: [B, T] fixated object indices; padding is 0.
        mask: [B, T].
        xy_px: [B, T, 2] fixation positions; padding is 0.
        trial: [B] index of the trial in its data set.
        group: [B] number of the picture of each trial, which bootstrap intervals draw; 0 where nobody says.
        duration_ms: [B, T] NaN where unknown; padding is 0. None: no scanpath has durations.
        observer: [B] number of the person in a list of observers, -1 for one who is not in it, or None.
    """

    scenes: SceneBatch
    scene_of_trial: Tensor
    objects: Tensor
    mask: Tensor
    xy_px: Tensor
    trial: Tensor
    group: Tensor
    duration_ms: Tensor | None = None
    observer: Tensor | None = None

    def __len__(self) -> int:
        return len(self.objects)

    @classmethod
    def from_trials(
        cls,
        scenes: Sequence[Scene],
        trials: Sequence[Trial],
        index: Sequence[int],
        categories: Sequence[str] = (),
        observers: Sequence[str] | None = None,
    ) -> TrialBatch:
        """Batch `trials`; each scene they use is encoded once. `index` names the trials in their data set.

        Args:
            categories: vocabulary, see `SceneBatch.from_scenes`.
            observers: names whose places become `observer`; None leaves it out.
        """
        used = sorted({t.scene for t in trials})
        row = {scene: i for i, scene in enumerate(used)}
        objects = Ragged.from_list([t.objects for t in trials], torch.long)
        return cls(
            scenes=SceneBatch.from_scenes([scenes[i] for i in used], categories),
            scene_of_trial=torch.tensor([row[t.scene] for t in trials]),
            objects=objects.values,
            mask=objects.mask,
            xy_px=Ragged.from_list([t.scanpath.xy_px for t in trials], torch.float32).values,
            trial=torch.as_tensor(index),
            group=torch.zeros(len(trials), dtype=torch.long),
            duration_ms=_durations(trials),
            observer=_observers(trials, observers),
        )


def _durations(trials: Sequence[Trial]) -> Tensor | None:
    """[B, T] ms; None where no trial has any."""
    paths = [t.scanpath for t in trials]
    if all(path.duration_ms is None for path in paths):
        return None
    known = [np.full(len(p), np.nan) if p.duration_ms is None else p.duration_ms for p in paths]
    return Ragged.from_list(known, torch.float32).values


def _observers(trials: Sequence[Trial], names: Sequence[str] | None) -> Tensor | None:
    if names is None:
        return None
    place = {name: k for k, name in enumerate(names)}
    return torch.tensor([place.get(t.scanpath.observer, -1) for t in trials])
