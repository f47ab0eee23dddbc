"""What is measured of each voxel, over which voxels it is averaged, and why a voxel may have no value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gazekit.metrics.functional.encoding import r2_of
from gazekit.metrics.functional.moments import correlation, unpack_moments

__all__ = ["MEASURES", "Layout", "measures_of", "reasons_of"]

MEASURES = ("r", "r2", "normalised")


@dataclass(frozen=True)
class Layout:
    """The voxels of all subjects, and their regions.

    Attributes:
        names: of the K groups of voxels that means are over: "" = all voxels, then the regions.
        members: [V, K] bool.
        subjects: S names.
        subject_of: [V] the subject of each voxel.
    """

    names: list[str]
    members: Tensor
    subjects: list[str]
    subject_of: Tensor

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Layout:
        """From the facts of brain data.

        Raises:
            ValueError: a voxel's number or subject out of range.
        """
        voxels, regions = facts["voxels"], facts.get("regions") or {}
        members = torch.zeros(voxels, 1 + len(regions), dtype=torch.bool)
        members[:, 0] = True
        for k, (name, chosen) in enumerate(regions.items(), 1):
            chosen = torch.as_tensor(chosen, dtype=torch.long)
            if len(chosen) and not 0 <= int(chosen.min()) <= int(chosen.max()) < voxels:
                raise ValueError(
                    f"region {name} has voxels {int(chosen.min())} to {int(chosen.max())}, there are {voxels}"
                )
            members[chosen, k] = True
        subjects = list(facts.get("subjects") or ["subject"])
        subject_of = torch.as_tensor(facts.get("subject_of") or [0] * voxels, dtype=torch.long)
        if len(subject_of) != voxels or not (subject_of < len(subjects)).all():
            raise ValueError(
                f"subject_of must name one of {len(subjects)} subjects for each of {voxels} voxels"
            )
        return cls(["", *regions], members, subjects, subject_of)

    def column(self, measure: str, k: int) -> str:
        return f"{measure}.{self.names[k]}" if self.names[k] else measure


def measures_of(packed: Tensor, ceiling: Tensor | None) -> Tensor:
    """[M, ..., V] of the joint moments [7, ..., V] of prediction and response: r, r2 and, with a ceiling, r / sqrt(it).

    Args:
        ceiling: [V], NaN where it is too low to divide by.
    """
    r = correlation(packed)
    found = [r, r2_of(packed)]
    return torch.stack(found if ceiling is None else [*found, r / ceiling.sqrt()])


def reasons_of(packed: Tensor, ceiling: Tensor | None) -> dict[str, list[tuple[str, Tensor]]]:
    """Measure to why voxels have no value, each reason with the voxels [V] for which it is the first."""
    count, _, comoment = unpack_moments(packed)
    common = [
        ("fewer than two responses", count < 2),
        ("a prediction that is NaN", comoment.isnan().any(0).any(0)),
        ("a constant response", comoment[1, 1] == 0),
    ]
    r = [*common, ("a constant prediction", comoment[0, 0] == 0)]
    found = {"r": r, "r2": common}
    if ceiling is not None:
        found["normalised"] = [*r, ("too low a noise ceiling, or none", ceiling.isnan())]
    return {measure: _first(reasons) for measure, reasons in found.items()}


def _first(reasons: list[tuple[str, Tensor]]) -> list[tuple[str, Tensor]]:
    taken = torch.zeros_like(reasons[0][1])
    found = []
    for text, which in reasons:
        found.append((text, which & ~taken))
        taken = taken | which
    return found
