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
    seen: dict[bytes, int] = {}
    which = []
    for start, chunk in zip(range(0, y.shape[1], _CHUNK), y.split(_CHUNK, 1), strict=True):
        odd = (~chunk.sum(0).isfinite()).nonzero()[:, 0]  # one look at all; most voxels have all responses
        some = chunk[:, odd]
        if some.isinf().any():
            picture, voxel = some.isinf().nonzero()[0].tolist()
            raise ValueError(
                f"y must be finite, or NaN where a response is missing, got {some[picture, voxel]} at picture "
                f"{picture}, voxel {start + int(odd[voxel])}"
            )
        bits = np.zeros((chunk.shape[1], -(-len(y) // 8)), np.uint8)
        bits[odd.cpu().numpy()] = np.packbits(some.isnan().T.cpu().numpy(), axis=1)
        found, own = np.unique(bits, axis=0, return_inverse=True)
        numbers = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in found])
        which.append(numbers[own.reshape(-1)])
    if len(seen) > MAX_PATTERNS:
        raise ValueError(
            f"y has {len(seen)} patterns of missing pictures, at most {MAX_PATTERNS} are solved: voxels are expected "
            "to lack the same pictures (those that a subject or a session did not see). Fill scattered gaps, or leave "
            "out the pictures or voxels that have them"
        )
    which = torch.from_numpy(np.concatenate(which)).to(y.device)
    return [Pattern(_rows(row, y), (which == k).nonzero()[:, 0]) for row, k in seen.items()]


def _rows(bits: bytes, y: Tensor) -> Tensor | None:
    missing = np.unpackbits(np.frombuffer(bits, np.uint8), count=len(y))
    return torch.from_numpy(np.flatnonzero(missing == 0)).to(y.device) if missing.any() else None
