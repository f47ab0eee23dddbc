"""Scanpaths as sequences of glimpses: embeddings of what lies around each fixation, from any source.

A batch is a dict; its B scanpaths are padded to the longest of them, T + 1 fixations, with 0:

    glimpse    float32 [B, T+1, D], embedding of each glimpse
    xy_px      float32 [B, T+1, 2], fixations in pixels of the picture; they may lie outside of it
    mask       bool [B, T+1], fixations that took place
    centre_px  float32 [B, 2], of the picture
    group      int64 [B], number of the picture; the same as `picture`
    caption    float32 [B, 768], embedding of the picture's caption; only in sets that have it
    category   float32 [B, K], 1 for each label of the picture; only in sets that have it

The input of a prediction is `glimpse[:, :-1]` and the coming saccade `xy_px[:, 1:] - xy_px[:, :-1]`, its target
`glimpse[:, 1:]`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.errors import DataError

__all__ = ["Embeddings", "GlimpseData", "GlimpseRecords"]


class Embeddings(Protocol):
    """[N, D] numbers that need not be in memory: an array, or what reads rows from a file."""

    shape: tuple[int, int]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """[n, D] the rows with these numbers."""
        ...


@dataclass(frozen=True)
class GlimpseRecords:
    """Scanpaths over pictures, fixation after fixation in one list.

    Args:
        name: of the data set.
        embeddings: [N, D] of all glimpses.
        xy_px: [N, 2] their fixations.
        start: [S + 1] scanpath s has the fixations `start[s]` to `start[s + 1] - 1`; at least two.
        picture: [S] the number of the picture of each scanpath.
        pictures: P names.
        size_px: [P, 2] width and height.
        glimpse_px: side of a glimpse; None where glimpses were never pixels.
        backbone: recipe of what embedded them; None where nothing did.
        caption: [P, 768]; None without.
        category: [P, K]; None without.
        notes: sentences on these data that a report must state.
    """

    name: str
    embeddings: Embeddings
    xy_px: np.ndarray
    start: np.ndarray
    picture: np.ndarray
    pictures: Sequence[str]
    size_px: np.ndarray
    glimpse_px: int | None = None
    backbone: Mapping[str, Any] | None = None
    caption: np.ndarray | None = None
    category: np.ndarray | None = None
    notes: Sequence[str] = ()

    def check(self) -> None:
        """Whether all of this fits together.

        Raises:
            DataError: it does not, or a fixation is not finite, or a scanpath has no saccade.
        """
        lengths = np.diff(self.start)
        if len(self.start) != len(self.picture) + 1 or len(self.xy_px) != self.embeddings.shape[0]:
            raise DataError(
                f"{self.name}: {len(self.picture)} scanpaths with {len(self.start)} starts, and {len(self.xy_px)} "
                f"fixations with {self.embeddings.shape[0]} embeddings; expected one more start than scanpaths, and "
                "one embedding per fixation"
            )
        if len(lengths) and (self.start[0] < 0 or self.start[-1] > len(self.xy_px) or lengths.min() < 2):
            raise DataError(
                f"{self.name}: scanpath {int(lengths.argmin())} has {lengths.min()} fixations, expected at least 2: "
                "leave out scanpaths without a saccade"
            )
        if not np.isfinite(self.xy_px).all():
            raise DataError(
                f"{self.name}: {int((~np.isfinite(self.xy_px)).any(1).sum())} fixations are not finite"
            )
        for name in ("size_px", "caption", "category"):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.pictures):
                raise DataError(
                    f"{self.name}: {len(self.pictures)} pictures, but {len(value)} rows of {name}"
                )

    def fingerprint(self) -> str:
        """Checksum of names, scanpaths and recipe (of embeddings only their number)."""
        digest = hashlib.sha256(repr([list(self.pictures), self.backbone, self.embeddings.shape]).encode())
        for value in (self.xy_px, self.start, self.picture):
            digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()[:16]


class GlimpseData(Data):
    """Base of data of glimpses; an item is a scanpath. A subclass defines `setup`, which calls `use`.

    Args:
        batch_size: scanpaths per batch and process.
        split, seed: see `Data`.

    Attributes:
        records: set by `use`.
    """

    records: GlimpseRecords | None = None

    def use(self, records: GlimpseRecords, parts: Mapping[str, np.ndarray]) -> None:
        """Take scanpaths and parts.

        Args:
            parts: part to numbers of pictures. No two share one, but "all" may.
        Raises:
            DataError: records that do not fit together, a picture in two parts, a `split` without scanpaths, another D
                than the model was trained with.
        """
        records.check()
        apart = np.concatenate(
            [np.asarray(v, int) for k, v in parts.items() if k != "all"] or [np.zeros(0, int)]
        )
        if len(np.unique(apart)) < len(apart):
            raise DataError(f"{records.name}: a picture is in two parts; each must be in one")
        self.parts = {
            name: np.flatnonzero(np.isin(records.picture, chosen)) for name, chosen in parts.items()
        }
        if not len(self.parts.get(self.split, ())):
            raise DataError(
                f"{records.name}: data.split={self.split} has no scanpaths, expected one of "
                f"{', '.join(part for part, numbers in self.parts.items() if len(numbers))}"
            )
        known = (self.trained_with or {}).get("size", records.embeddings.shape[1])
        if known != records.embeddings.shape[1]:
            raise DataError(
                f"{records.name} has embeddings of {records.embeddings.shape[1]} numbers, but the model was trained "
                f"with {known}: set data.backbone and data.layer as they were in training"
            )
        self.records = records

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """See the module. Nothing in it is random.

        Raises:
            DataError: an embedding is not finite.
        """
        records, index = self.records, np.asarray(index, int)
        start = records.start[index]
        length = records.start[index + 1] - start
        place = np.arange(length.max(initial=2))
        mask = place < length[:, None]
        rows = (start[:, None] + place)[mask]
        embeddings = np.asarray(records.embeddings[rows], np.float32)
        if not np.isfinite(embeddings).all():
            scanpath = index[np.nonzero(mask)[0][~np.isfinite(embeddings).all(1)][0]]
            raise DataError(f"{records.name}: an embedding of {self.items([scanpath])[0]} is not finite")
        picture = records.picture[index]
        found = {
            "glimpse": _padded(embeddings, mask),
            "xy_px": _padded(records.xy_px[rows], mask),
            "mask": torch.from_numpy(mask),
            "centre_px": torch.from_numpy(np.float32(records.size_px[picture]) / 2),
            "group": torch.from_numpy(picture.astype(np.int64)),
        }
        found["picture"] = found["group"]
        for name in ("caption", "category"):
            if getattr(records, name) is not None:
                found[name] = torch.from_numpy(np.float32(getattr(records, name)[picture]))
        return found

    def facts(self) -> dict[str, Any]:
        """`size` D, `glimpse_px`, `categories` K, `saccade_scale_px` (root mean square length of training saccades),
        `steps` (T of the longest scanpath), `backbone` (recipe of what embedded the glimpses)."""
        records = self.records
        category = records.category
        return {
            "dataset": records.name,
            "size": int(records.embeddings.shape[1]),
            "glimpse_px": records.glimpse_px,
            "categories": 0 if category is None else int(category.shape[1]),
            "saccade_scale_px": self._saccade_scale(),
            "steps": int(np.diff(records.start).max()) - 1,
            "backbone": None if records.backbone is None else dict(records.backbone),
        }

    def _saccade_scale(self) -> float:
        """1 where nothing moves."""
        records = self.records
        learnt = np.zeros(len(records.picture), bool)
        learnt[self.parts.get("train", self.parts[self.split])] = True
        owner = np.repeat(np.arange(len(learnt)), np.diff(records.start))  # scanpath of each fixation
        xy = records.xy_px[records.start[0] : records.start[-1]].astype(np.float64)
        jump = np.diff(xy, axis=0)[(owner[1:] == owner[:-1]) & learnt[owner[1:]]]
        return float(np.sqrt((jump**2).sum(1).mean())) or 1.0 if len(jump) else 1.0

    def about(self) -> dict[str, Any]:
        """Counts of the scored part, fingerprint of the scanpaths, notes."""
        records, index = self.records, self.parts[self.split]
        return {
            "name": records.name,
            "split": self.split,
            "pictures": len(np.unique(records.picture[index])),
            "scanpaths": len(index),
            "glimpses": int(np.diff(records.start)[index].sum()),
            "fingerprint": records.fingerprint(),
            "notes": list(records.notes),
        }

    def items(self, index: Sequence[int]) -> list[str]:
        """Picture and number of the scanpath over it, such as "1001.jpg, scanpath 3"."""
        picture = self.records.picture
        names = []
        for i in index:
            before = int((picture[:i] == picture[i]).sum())
            names.append(f"{self.records.pictures[picture[i]]}, scanpath {before}")
        return names


def _padded(values: np.ndarray, mask: np.ndarray) -> Tensor:
    """[B, T, n] float32 with the values where the mask is true, 0 elsewhere."""
    found = np.zeros((*mask.shape, values.shape[1]), np.float32)
    found[mask] = values
    return torch.from_numpy(found)
