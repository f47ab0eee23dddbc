"""Generated pictures of one diet (`diet_world`) with the names of what lies on top in the middle.

A batch is a dict: `picture` uint8 [B, H, W, 3] (three equal channels), `label` [B] int64 index among the classes,
`group` [B] int64, different for each picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Data
from gazekit.datasets.diet_drawing import draw_scenes
from gazekit.datasets.diet_manipulations import manipulate
from gazekit.datasets.diet_world import CLASSES, DIETS, sample_scenes

__all__ = ["DietData"]

BLOCK = 512  # scenes that are drawn together
MARGIN_PX = 4  # by which training pictures are shifted at most
_PARTS = {"train": 1, "val": 2, "test": 3}


class DietData(Data):
    """Pictures of a diet, drawn when they are first asked for and then kept: 4 kB each.

    One world and one seed have the same scenes in every diet.

    Args:
        diet: one of `DIETS`.
        pictures: of training.
        scored: pictures of "val" and of "test", each.
        size_px: side.
        batch_size, split, seed: see `Data`.
        world_seed: another one, other scenes.
    Raises:
        ValueError: an unknown diet or part, or no pictures.
    """

    def __init__(
        self,
        diet: str = "natural",
        pictures: int = 20_000,
        scored: int = 1024,
        size_px: int = 64,
        batch_size: int = 64,
        split: str = "test",
        seed: int = 0,
        world_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, split, seed)
        for name, number in (("pictures", pictures), ("scored", scored)):
            if number < 1:
                raise ValueError(f"data.{name} must be at least 1, got {number}")
        for name, value, known in (("diet", diet, DIETS), ("split", split, _PARTS)):
            if value not in known:
                raise ValueError(f"data.{name} must be one of {', '.join(known)}, got {value!r}")
        self.diet, self.size_px, self.world_seed = diet, size_px, world_seed
        self.counts = {"train": pictures, "val": scored, "test": scored}
        self._drawn: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}

    def setup(self, stage: str | None = None) -> None:
        """Nothing is drawn yet."""
        starts = np.cumsum([0, *self.counts.values()])
        self.parts = {
            name: np.arange(a, b) for name, a, b in zip(self.counts, starts[:-1], starts[1:], strict=True)
        }

    def facts(self) -> dict[str, Any]:
        """`classes` by name, and the `diet`."""
        return {"classes": list(CLASSES), "diet": self.diet}

    def about(self) -> dict[str, Any]:
        return super().about() | {"name": f"diet {self.diet}", "world_seed": self.world_seed}

    def batch(self, index: Sequence[int], generator: torch.Generator | None = None) -> dict[str, Any]:
        """See the module. Nothing in it is random."""
        found = [self._picture(int(i)) for i in index]
        places = torch.full((len(found), 2), MARGIN_PX)
        if generator is not None:
            places = torch.randint(2 * MARGIN_PX + 1, places.shape, generator=generator)
        side = self.size_px
        picture = torch.stack(
            [p[y : y + side, x : x + side] for (p, _), (y, x) in zip(found, places.tolist(), strict=True)]
        )
        return {
            "picture": picture[..., None].expand(*picture.shape, 3),
            "label": torch.stack([label for _, label in found]),
            "group": torch.tensor([int(i) for i in index]),
        }

    def _picture(self, index: int) -> tuple[Tensor, Tensor]:
        """[H, W] and its label."""
        part = next(name for name, numbers in self.parts.items() if index <= numbers[-1])
        block, place = divmod(index - int(self.parts[part][0]), BLOCK)
        if (part, block) not in self._drawn:
            self._drawn[part, block] = self._draw(part, block)
        pictures, labels = self._drawn[part, block]
        return pictures[place], labels[place]

    def _draw(self, part: str, block: int) -> tuple[Tensor, Tensor]:
        diet = DIETS[self.diet]
        seed = np.random.SeedSequence([self.world_seed, _PARTS[part], block]).generate_state(1)[0]
        many = min(BLOCK, self.counts[part] - block * BLOCK)
        scenes = sample_scenes(int(seed), many, diet, self.size_px)
        pictures = draw_scenes(scenes, self.size_px, MARGIN_PX)
        return manipulate(pictures, diet.manipulation).contiguous(), scenes.kind[:, -1]
