"""Embeddings of glimpses at pictures by a frozen backbone, computed once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from gazekit.backbones import Backbone
from gazekit.datasets.brain_features import PooledExtractor
from gazekit.datasets.brain_pictures import Pictures
from gazekit.features import extract
from gazekit.foveation.glimpses import GlimpseSampler

__all__ = ["glimpse_embeddings"]


def glimpse_embeddings(
    pictures: Pictures,
    picture: np.ndarray,
    xy_px: np.ndarray,
    backbone: Backbone,
    sampler: GlimpseSampler,
    folder: str | Path | None = None,
) -> np.ndarray:
    """What a backbone's one layer says of each glimpse; maps are averaged over places.

    Fixations that occur twice are looked at once, and what is on disk already is not computed again.

    Args:
        picture: [N] number of the picture of each fixation.
        xy_px: [N, 2].
        backbone: with one layer.
        sampler: cuts pictures into glimpses.
        folder: where embeddings are kept, see `gazekit.features.extract`; None computes them each time.
    Returns:
        [N, D] float32.
    Raises:
        ValueError: a backbone with several layers, or a sampler that transforms pictures.
    """
    if len(backbone.layers) != 1:
        raise ValueError(f"a glimpse is embedded by one layer, got {', '.join(backbone.layers)}")
    if sampler.transform is not None:
        raise ValueError("transformed glimpses have no name on disk: give the transformed pictures")
    if not len(xy_px):
        return np.zeros((0, next(iter(backbone.layers.values())).channels), np.float32)
    asked = np.column_stack([picture, np.asarray(xy_px, np.float64)])
    unique, place = np.unique(asked, axis=0, return_inverse=True)
    named = hashlib.sha256(f"{pictures.fingerprint()} {sampler.glimpse_px}".encode() + unique.tobytes())
    with TemporaryDirectory() as unkept:
        rows, extractor = _Glimpses(pictures, unique, sampler), PooledExtractor(backbone, 1)
        target = unkept if folder is None else Path(folder).expanduser()
        features = extract(extractor, rows, target, data=named.hexdigest(), batch_size=32)
        found = features.read(next(iter(backbone.layers)))
    return found.reshape(len(unique), -1)[place.reshape(-1)]


class _Glimpses(Sequence):
    """Rows for `extract`, in the order of the pictures, so that each is read once."""

    def __init__(self, pictures: Pictures, asked: np.ndarray, sampler: GlimpseSampler) -> None:
        self.pictures, self.asked, self.sampler = pictures, asked, sampler
        self._number, self._picture = -1, torch.zeros(0)

    def __len__(self) -> int:
        return len(self.asked)

    def __getitem__(self, row: int) -> dict[str, Any]:
        number = int(self.asked[row, 0])
        if number != self._number:
            self._number, self._picture = number, torch.from_numpy(self.pictures[number])[None]
        xy = torch.from_numpy(self.asked[row, 1:])[None, None]
        return {"key": str(row), "image": self.sampler(self._picture, xy)[0, 0].numpy()}
