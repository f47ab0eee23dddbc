"""Small scanpaths of glimpses: places of a picture each have an embedding, and the eye walks among them."""

from __future__ import annotations

import numpy as np
import torch

from gazekit.datasets.glimpse_data import GlimpseData, GlimpseRecords


class ToyGlimpses(GlimpseData):
    """Pictures of 3 x 3 places with embeddings of 10 numbers; scanpaths of 3 to 6 fixations.

    Args:
        ragged: whether scanpaths differ in length.
        heads: whether pictures have captions and labels.
    """

    def __init__(self, pictures: int = 20, batch_size: int = 16, ragged: bool = True, heads: bool = False,
                 split: str = "test") -> None:  # fmt: skip
        super().__init__(batch_size, split)
        self.settings = pictures, ragged, heads

    def setup(self, stage: str | None = None) -> None:
        pictures, ragged, heads = self.settings
        draw = np.random.default_rng(0)
        shown = draw.normal(0.3, 1, (pictures, 9, 10))
        picture = np.repeat(np.arange(pictures), 3)
        lengths = draw.integers(3, 7, len(picture)) if ragged else np.full(len(picture), 6)
        place = draw.integers(0, 9, lengths.sum())
        embeddings = shown[np.repeat(picture, lengths), place] + draw.normal(0, 0.2, (lengths.sum(), 10))
        records = GlimpseRecords(
            "toy", embeddings.astype(np.float32), 64.0 * np.stack([place % 3, place // 3], 1) + 32,
            np.concatenate([[0], lengths.cumsum()]), picture, [f"p{k}" for k in range(pictures)],
            np.full((pictures, 2), 192), 64,
            caption=draw.normal(0, 1, (pictures, 768)).astype(np.float32) if heads else None,
            category=np.float32(draw.random((pictures, 4)) < 0.4) if heads else None,
        )  # fmt: skip
        cut = np.split(np.arange(pictures), [pictures // 2, 3 * pictures // 4])
        self.use(records, dict(zip(("train", "val", "test"), cut, strict=True)))


def toy(**settings) -> ToyGlimpses:
    data = ToyGlimpses(**settings)
    data.setup()
    return data


def batch(**settings) -> dict[str, torch.Tensor]:
    data = toy(**settings)
    return data.batch(data.parts["train"][:12].tolist())
