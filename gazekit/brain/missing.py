"""Voxels that have responses to the same pictures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["Pattern", "patterns"]

MAX_PATTERNS = 64
"""Each is a decomposition of its own; more than that are no design but scattered gaps."""

_CHUNK = 4096


class Pattern(NamedTuple):
    """Voxels [m] that have responses to the pictures `rows` [k] and to no others; rows None = to all."""

    rows: Tensor | None
    voxels: Tensor


def patterns(y: Tensor) -> list[Pattern]:
    """Voxels of responses [n, V] by their missing pictures (NaN); voxels in rising order, each in one pattern.

    Raises:
        ValueError: an infinite response, or more than `MAX_PATTERNS` patterns.
    """
    bits = []
    for chunk in y.split(_CHUNK, 1):
        if chunk.isinf().any():
            picture, voxel = chunk.isinf().nonzero()[0].tolist()
            raise ValueError(
                f"y must be finite, or NaN where a response is missing, got {chunk[picture, voxel]} at picture "
                f"{picture}, voxel {voxel + len(bits) * _CHUNK}"
            )
        bits.append(np.packbits(chunk.isnan().T.cpu().numpy(), axis=1))
    found, which = np.unique(np.concatenate(bits), axis=0, return_inverse=True)
    if len(found) > MAX_PATTERNS:
        raise ValueError(
            f"y has {len(found)} patterns of missing pictures, at most {MAX_PATTERNS} are solved: voxels are expected "
            "to lack the same pictures (those that a subject or a session did not see). Fill scattered gaps, or leave "
            "out the pictures or voxels that have them"
        )
    which = torch.from_numpy(which.reshape(-1)).to(y.device)
    return [Pattern(_rows(row, y), (which == k).nonzero()[:, 0]) for k, row in enumerate(found)]


def _rows(bits: np.ndarray, y: Tensor) -> Tensor | None:
    missing = np.unpackbits(bits, count=len(y))
    return torch.from_numpy(np.flatnonzero(missing == 0)).to(y.device) if missing.any() else None
