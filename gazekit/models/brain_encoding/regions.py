"""Which voxels share a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["REST", "Queries", "queries_of"]

REST = "no region"
"""Name of the query of voxels that belong to no region."""
SIDES = ("left", "right")


class Queries(NamedTuple):
    """Names of queries, and the numbers of the voxels that each of them serves."""

    names: list[str]
    members: list[np.ndarray]


def queries_of(
    kind: str,
    voxels: int,
    regions: Mapping[str, Sequence[int]],
    subject_of: Sequence[int] | None,
    hemisphere_of: Sequence[int] | None,
) -> Queries:
    """Queries of V voxels. Queries without a voxel are left out; every voxel has one.

    Args:
        kind: "regions" (of each subject and hemisphere), "hemispheres" (of each subject) or "voxels".
        regions: name to numbers of voxels; a voxel may be in several.
        subject_of, hemisphere_of: [V] numbers; None = one subject, one hemisphere.
    Raises:
        ValueError: numbers of voxels outside 0 to V - 1, or lists of another length.
    """
    if kind == "voxels":
        return Queries([f"voxel {v}" for v in range(voxels)], [np.array([v]) for v in range(voxels)])
    subject = _numbers(subject_of, voxels, "subject_of")
    side = _numbers(hemisphere_of, voxels, "hemisphere_of")
    names, members = [], []
    for s in np.unique(subject):
        for h in np.unique(side):
            where = [f"subject {s + 1}"] * bool(subject.max()) + [SIDES[h]] * bool(side.max())
            for name, own in _parts(kind, regions, voxels):
                found = np.flatnonzero(own & (subject == s) & (side == h))
                if len(found):
                    names.append(", ".join([name, *where]))
                    members.append(found)
    return Queries(names, members)


def _parts(kind: str, regions: Mapping[str, Sequence[int]], voxels: int) -> list[tuple[str, np.ndarray]]:
    """Name and mask [V] of each region, and of what is in none."""
    parts, rest = [], np.ones(voxels, bool)
    for name, numbers in regions.items() if kind == "regions" else ():
        numbers = np.asarray(numbers, int)
        if len(numbers) and not (0 <= numbers.min() and numbers.max() < voxels):
            raise ValueError(
                f"region {name} has voxel numbers from {numbers.min()} to {numbers.max()}, expected 0 to {voxels - 1}"
            )
        own = np.zeros(voxels, bool)
        own[numbers] = True
        rest &= ~own
        parts.append((name, own))
    return [*parts, (REST if parts else "all voxels", rest)]


def _numbers(given: Sequence[int] | None, voxels: int, name: str) -> np.ndarray:
    if given is None:
        return np.zeros(voxels, int)
    if len(given) != voxels:
        raise ValueError(f"{name} must have a number for each of {voxels} voxels, got {len(given)}")
    return np.asarray(given, int)
