"""Responses of voxels to pictures: who was recorded, what was shown, how often.

A voxel is any recorded unit: a voxel, a vertex, a neuron. Responses of several recordings (subjects, hemispheres) stay
in the arrays in which they were read, so that files of gigabytes can be memory-mapped and are never copied whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gazekit.datasets.brain_pictures import Pictures
from gazekit.errors import DataError

__all__ = ["Block", "BrainRecords", "Survey"]

_ROWS_AT_ONCE = 256  # that a survey reads together


class Block(NamedTuple):
    """Responses of voxels that were recorded together.

    Args:
        response: [T, V] one row a presentation (or a mean of presentations), NaN where there is none. May be a
            memory map.
        rows: [R, N] the rows of the first, second, ... presentation of each picture, -1 where it did not take place.
    """

    response: np.ndarray
    rows: np.ndarray

    def single(self, index: np.ndarray) -> np.ndarray:
        """float32 [R, n, V] presentations of these pictures, NaN = did not take place."""
        return np.stack([_taken(self.response, rows) for rows in self.rows[:, index]])

    def mean(self, index: np.ndarray) -> np.ndarray:
        """float32 [n, V] mean over the presentations that took place, NaN = none did; a view where that is possible."""
        if len(self.rows) == 1:
            return _taken(self.response, self.rows[0, index])
        total = np.zeros((len(index), self.response.shape[1]), np.float32)
        count = np.zeros(total.shape, np.int32)
        for rows in self.rows[:, index]:
            shown = np.flatnonzero(rows >= 0)
            found = _taken(self.response, rows[shown])
            there = ~np.isnan(found)
            total[shown] += np.where(there, found, 0)
            count[shown] += there
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


@dataclass(frozen=True, eq=False)
class BrainRecords:
    """What a loader of brain data gives.

    Args:
        name: of the data set.
        items: N names of the pictures, all different.
        blocks: recordings; their voxels together, in this order, are the V voxels.
        subjects: names.
        subject_of: [V] index among the subjects.
        regions: name to the numbers of its voxels; regions may overlap, and voxels may be in none.
        hemisphere_of: [V] 0 left, 1 right; None where it is not known.
        pictures: the N pictures; None where there are features alone.
        features: layer to [N, C, H, W] or [N, C]; None where a backbone is to look at the pictures.
        fixation_map: [N, H, W] where people looked; None where it is not known.
        notes: sentences for reports.
        voxel_names: V names, by which a trained model knows voxels in another order; None where they have none.
    Raises:
        DataError: these do not fit each other; the message says which.
    """

    name: str
    items: Sequence[str]
    blocks: Sequence[Block]
    subjects: Sequence[str]
    subject_of: np.ndarray
    regions: Mapping[str, np.ndarray] = field(default_factory=dict)
    hemisphere_of: np.ndarray | None = None
    pictures: Pictures | None = None
    features: Mapping[str, np.ndarray] | None = None
    fixation_map: np.ndarray | None = None
    notes: Sequence[str] = ()
    voxel_names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        many, voxels = len(self.items), self.voxels
        if len(set(self.items)) < many:
            raise DataError(f"{self.name}: two pictures have the same name; names must differ")
        for number, block in enumerate(self.blocks):
            if block.rows.shape[1] != many:
                raise DataError(
                    f"{self.name}: recording {number} tells of {block.rows.shape[1]} pictures, but there are {many}"
                )
            if block.rows.size and not -1 <= block.rows.min() <= block.rows.max() < len(block.response):
                raise DataError(
                    f"{self.name}: recording {number} has {len(block.response)} rows of responses, but rows "
                    f"{block.rows.min()} to {block.rows.max()} are asked for"
                )
        self._check_counts("pictures", self.pictures, many)
        self._check_counts("fixation maps", self.fixation_map, many)
        for layer, values in (self.features or {}).items():
            self._check_counts(f"features {layer!r}", values, many)
        self._check_counts("subjects of voxels", self.subject_of, voxels)
        self._check_counts("hemispheres of voxels", self.hemisphere_of, voxels)
        self._check_counts("names of voxels", self.voxel_names, voxels)
        for region, numbers in self.regions.items():
            if len(numbers) and not 0 <= min(numbers) <= max(numbers) < voxels:
                raise DataError(
                    f"{self.name}: region {region!r} has voxels {min(numbers)} to {max(numbers)}, expected 0 to "
                    f"{voxels - 1}: is it of another voxel order?"
                )

    def _check_counts(self, what: str, values: Sequence | None, expected: int) -> None:
        if values is not None and len(values) != expected:
            raise DataError(f"{self.name}: {len(values)} {what}, expected {expected}")

    @property
    def voxels(self) -> int:
        """V."""
        return sum(block.response.shape[1] for block in self.blocks)

    def mean(self, index: np.ndarray) -> np.ndarray:
        """float32 [n, V], see `Block.mean`."""
        if len(self.blocks) == 1:
            return self.blocks[0].mean(index)
        found = np.empty((len(index), self.voxels), np.float32)
        for block, columns in self._columns():
            found[:, columns] = block.mean(index)
        return found

    def repeats(self, index: np.ndarray) -> np.ndarray | None:
        """float32 [R, n, V], see `Block.single`; None where no picture of these was shown twice to anybody."""
        most = max(((block.rows[:, index] >= 0).sum(0).max(initial=0) for block in self.blocks), default=0)
        if most < 2:
            return None
        longest = max(len(block.rows) for block in self.blocks)
        found = np.full((longest, len(index), self.voxels), np.nan, np.float32)
        for block, columns in self._columns():
            found[: len(block.rows), :, columns] = block.single(index)
        return found

    def _columns(self) -> list[tuple[Block, slice]]:
        ends = np.cumsum([0, *(block.response.shape[1] for block in self.blocks)])
        return [(b, slice(*ends[k : k + 2])) for k, b in enumerate(self.blocks)]

    def fingerprint(self) -> dict[str, float | int | str]:
        """Counts, and a digest of all responses, of which picture each belongs to and of the regions."""
        digest = hashlib.sha256("\n".join(self.items).encode())
        for block in self.blocks:
            digest.update(np.ascontiguousarray(block.rows, dtype="<i8").tobytes())
            for start in range(0, len(block.response), _ROWS_AT_ONCE):
                part = np.asarray(block.response[start : start + _ROWS_AT_ONCE])
                digest.update(np.ascontiguousarray(part, dtype="<f4").tobytes())
        for region, numbers in sorted(self.regions.items()):
            digest.update(f"{region} {list(map(int, numbers))}".encode())
        return {
            "pictures": len(self.items),
            "subjects": len(self.subjects),
            "voxels": self.voxels,
            "regions": len(self.regions),
            "presentations": sum(int((block.rows >= 0).sum()) for block in self.blocks),
            "most_repeats": max(
                (int((block.rows >= 0).sum(0).max(initial=0)) for block in self.blocks), default=0
            ),
            "digest": digest.hexdigest()[:16],
        }

    def survey(self) -> Survey:
        """Look once at all responses that belong to a picture.

        Raises:
            DataError: an infinite response.
        """
        missing, constant, empty = 0, [], []
        for block, columns in self._columns():
            low = np.full(block.response.shape[1], np.inf)
            high = -low
            used = np.zeros(len(block.response), bool)
            used[block.rows[block.rows >= 0]] = True
            for start in range(0, len(used), _ROWS_AT_ONCE):
                part = np.asarray(block.response[start : start + _ROWS_AT_ONCE])[
                    used[start : start + _ROWS_AT_ONCE]
                ]
                missing += int(np.isnan(part).sum())
                low, high = (
                    np.fmin(low, np.fmin.reduce(part, 0, initial=np.inf)),
                    np.fmax(high, np.fmax.reduce(part, 0, initial=-np.inf)),
                )
            never = ~(low <= high)
            if np.isinf(np.concatenate([low[~never], high[~never]])).any():
                raise DataError(f"{self.name}: responses must be numbers or NaN, but some are infinite")
            empty.append(columns.start + np.flatnonzero(never))
            constant.append(columns.start + np.flatnonzero(low == high))
        return Survey(missing, np.concatenate(constant), np.concatenate(empty))


class Survey(NamedTuple):
    """What was found in the responses.

    Args:
        missing: single responses that are NaN although there was a presentation.
        constant: numbers of the voxels that always respond the same.
        empty: numbers of the voxels without any response.
    """

    missing: int
    constant: np.ndarray
    empty: np.ndarray

    def notes(self) -> list[str]:
        """One sentence for each of these that occurs."""
        counted = (
            (self.missing, "single responses are NaN; they are left out of means and scores"),
            (
                len(self.constant),
                "voxels respond the same to every picture; their correlations are undefined",
            ),
            (len(self.empty), "voxels have no response at all; their scores are undefined"),
        )
        return [f"{count:,} {what}" for count, what in counted if count]


def _taken(response: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """float32 [n, V] rows of responses, NaN for -1. Consecutive rows of float32 are a view."""
    if len(rows) and rows[0] >= 0 and (np.diff(rows) == 1).all():
        return np.asarray(response[rows[0] : rows[-1] + 1]).astype(np.float32, copy=False)
    shown = rows >= 0
    if shown.all():
        return np.asarray(response[rows]).astype(np.float32, copy=False)
    found = np.full((len(rows), response.shape[1]), np.nan, np.float32)
    found[shown] = response[rows[shown]]
    return found
