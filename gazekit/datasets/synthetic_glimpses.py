"""Generated scanpaths of glimpses whose best possible prediction is known (`glimpse_world`), without a download.

    data = SyntheticGlimpses()
    data.setup()
    batch = data.batch([0, 1])              # see glimpse_data

`category` is the family of the scene, `caption` a fixed random vector of the family.
"""

from __future__ import annotations

import numpy as np

from gazekit.base import Predictor
from gazekit.datasets.glimpse_data import GlimpseData, GlimpseRecords
from gazekit.datasets.glimpse_ideal import IdealGlimpses
from gazekit.datasets.glimpse_world import PLACE_PX, GlimpseWorld

__all__ = ["SyntheticGlimpses"]

_CAPTION_SIZE = 768


class SyntheticGlimpses(GlimpseData):
    """Generated pictures; see the module. A seed makes the same numbers on every machine, but for rounding.

    Args:
        pictures: of training.
        scored: pictures of "val" and of "test", each.
        scanpaths: over each picture.
        fixations: of each scanpath, T + 1.
        covered: chance that a glimpse tells nothing of the scene. Above 0 memory helps; at 0 it cannot.
        size: D.
        batch_size: scanpaths per batch and process.
        split, seed: see `Data`.
        world_seed: another world of the same kind.
    """

    def __init__(
        self,
        pictures: int = 8000,
        scored: int = 300,
        scanpaths: int = 4,
        fixations: int = 7,
        covered: float = 0.3,
        size: int = 64,
        batch_size: int = 256,
        split: str = "test",
        seed: int = 0,
        world_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        for name, number, least in (
            ("pictures", pictures, 1),
            ("scored", scored, 1),
            ("scanpaths", scanpaths, 1),
            ("fixations", fixations, 2),
        ):
            if number < least:
                raise ValueError(f"data.{name} must be at least {least}, got {number}")
        self.counts = {"train": pictures, "val": scored, "test": scored}
        self.scanpaths, self.fixations, self.world_seed = scanpaths, fixations, world_seed
        self.world = GlimpseWorld(size, covered, seed=world_seed)

    def setup(self, stage: str | None = None) -> None:
        """Generate once. Raises DataError for an unknown `split`."""
        if self.records is not None:
            return
        world, total = self.world, sum(self.counts.values())
        walks = world.walk(total, self.scanpaths, self.fixations, [self.world_seed, 1])
        caption = np.random.default_rng([self.world_seed, 2]).normal(0, 1, (world.families, _CAPTION_SIZE))
        records = GlimpseRecords(
            name="synthetic_glimpses",
            embeddings=walks.embedding.reshape(-1, world.size),
            xy_px=walks.xy_px.reshape(-1, 2),
            start=np.arange(len(walks.picture) + 1) * self.fixations,
            picture=walks.picture,
            pictures=[f"generated{k:05d}" for k in range(total)],
            size_px=np.full((total, 2), world.side_px),
            glimpse_px=PLACE_PX,
            caption=np.float32(caption)[walks.family],
            category=np.eye(world.families, dtype=np.float32)[walks.family],
        )
        ends = np.cumsum(list(self.counts.values()))
        self.use(records, dict(zip(self.counts, np.split(np.arange(total), ends[:-1]), strict=True)))

    def references(self) -> dict[str, Predictor]:
        """The best possible predictions: of the target's cosine, and of the contrast, from all that can be told or
        less."""
        told = {"": (True, True), " without memory": (False, True), " without saccades": (True, False)}
        told |= {" with neither": (False, False)}
        rows: dict[str, Predictor] = {"best possible": IdealGlimpses(self.world)}
        for name, (memory, saccades) in told.items():
            rows[f"best contrast{name}"] = IdealGlimpses(self.world, memory, saccades, "contrast")
        return rows
