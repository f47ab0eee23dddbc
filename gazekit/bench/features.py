"""What `gazekit.features.extract` costs on top of the net itself: writing, checksums, the order of shards.

The reference is what people write by hand: the same net on the same batches, all features held in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gazekit.backbones import Backbone, load_backbone
from gazekit.features import BackboneExtractor, extract
from gazekit.harness import Case

__all__ = ["Sizes", "cases"]


@dataclass(frozen=True)
class Sizes:
    """How much work the cases are.

    Args:
        pictures: numbers of pictures; peak memory of ours should not grow with them.
        side_px: of a picture.
        batch_size, shard_rows: of `extract`.
    """

    pictures: tuple[int, ...] = (100, 400)
    side_px: int = 64
    batch_size: int = 20
    shard_rows: int = 50


class _Noise(Sequence):
    """Pictures that are made when they are asked for, as those of a data set are read."""

    def __init__(self, count: int, side_px: int):
        self.count, self.side_px = count, side_px

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> dict[str, Any]:
        if i >= self.count:  # what ends a loop over a sequence
            raise IndexError(i)
        shape = self.side_px, self.side_px, 3
        return {"key": str(i), "image": np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)}


def cases(device: str = "cpu", sizes: Sizes | None = None) -> list[Case]:
    """SqueezeNet with random weights, whose maps "fire9" are kept."""
    sizes = sizes or Sizes()
    side = sizes.side_px
    backbone = load_backbone("squeezenet1_0", "random", ["fire9"], size_px=(side, side), device=device)
    return [_case(backbone, _Noise(count, side), sizes) for count in sizes.pictures]


def _case(backbone: Backbone, rows: _Noise, sizes: Sizes) -> Case:
    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            extract(
                BackboneExtractor(backbone),
                rows,
                Path(folder),
                data="noise",
                shard_rows=sizes.shard_rows,
                batch_size=sizes.batch_size,
                progress=False,
            )

    return Case(
        f"SqueezeNet fire9 of {len(rows)} pictures of {sizes.side_px} px",
        ours,
        items=len(rows),
        unit="picture",
        reference="a plain loop over batches, features in memory",
        run_reference=lambda: plain_loop(backbone, rows, sizes.batch_size),
    )


def plain_loop(backbone: Backbone, rows: Sequence, batch_size: int) -> np.ndarray:
    """All features of one layer, [rows, C, h, w]."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(rows), batch_size):
            batch = [rows[i]["image"] for i in range(start, min(start + batch_size, len(rows)))]
            (x,) = backbone(backbone.preprocess(np.stack(batch))).values()
            found.append(x.cpu().numpy())
    return np.concatenate(found)
