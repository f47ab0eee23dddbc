"""Generated scenes (`layout_world`) as four perceptual systems see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gazekit.datasets.layout_world import draw_pictures, layouts_of, sample_items
from gazekit.datasets.perceived import Perceived

__all__ = ["CUES", "PerceivedScenes"]

BLOCK = 64  # pictures that are drawn together
CUES = ("both", "layout", "texture")
_PARTS = {"train": 1, "val": 2, "test": 3}


class PerceivedScenes(Perceived):
    """Pictures of classes that show in layout and in texture; drawn and transformed when first asked for, then kept.

    A picture depends on the world, its part and its number only. Classes are equally frequent.

    Args:
        classes: how many, up to 12.
        pictures: of training.
        scored: pictures of "val" and of "test", each.
        cue: what follows the class: "both", or only "layout" or "texture", while the other one is random.
        world_seed: another one, other layouts and pictures.
        side_px, ...: see `Perceived`.
    Raises:
        ValueError: too many classes, an unknown cue, or fewer pictures than classes.
    """

    def __init__(
        self,
        classes: int = 12,
        pictures: int = 2400,
        scored: int = 480,
        cue: str = "both",
        side_px: int = 64,
        span_dva: float = 26.0,
        scaling: float = 0.4,
        matched: int = 64,
        runs: int = 1,
        cache: str | None = "memory",
        batch_size: int = 64,
        split: str = "test",
        seed: int = 0,
        world_seed: int = 0,
    ) -> None:
        super().__init__(side_px, span_dva, scaling, matched, runs, cache, batch_size, split, seed)
        layouts_of(world_seed, classes)  # says what is wrong with their number
        if cue not in CUES:
            raise ValueError(f"data.cue must be one of {', '.join(CUES)}, got {cue!r}")
        for name, number in (("pictures", pictures), ("scored", scored)):
            if number < classes:
                raise ValueError(
                    f"data.{name} must be at least the number of classes, {classes}, got {number}"
                )
        self.classes = [f"scene {k + 1}" for k in range(classes)]
        self.cue, self.world_seed = cue, world_seed
        self.counts = {"train": pictures, "val": scored, "test": scored}
        self._drawn: dict[tuple[str, int], np.ndarray] = {}

    def setup(self, stage: str | None = None) -> None:
        """Draws and transforms the validation part."""
        starts = np.cumsum([0, *self.counts.values()])
        self.parts = {
            name: np.arange(a, b) for name, a, b in zip(self.counts, starts[:-1], starts[1:], strict=True)
        }
        self.labels = np.concatenate([np.arange(n) % len(self.classes) for n in self.counts.values()])
        self.ready()

    def fingerprint(self) -> dict[str, Any]:
        return {"cue": self.cue, "world_seed": self.world_seed, "counts": self.counts}

    def about(self) -> dict[str, Any]:
        return super().about() | {"name": "generated scenes", "cue": self.cue, "world_seed": self.world_seed}

    def pictures(self, index: Sequence[int]) -> np.ndarray:
        return np.stack([self._picture(int(i)) for i in index])

    def _picture(self, index: int) -> np.ndarray:
        part = next(name for name, numbers in self.parts.items() if index <= numbers[-1])
        block, place = divmod(index - int(self.parts[part][0]), BLOCK)
        if (part, block) not in self._drawn:
            self._drawn[part, block] = self._draw(part, block)
        return self._drawn[part, block][place]

    def _draw(self, part: str, block: int) -> np.ndarray:
        seed = int(np.random.SeedSequence([self.world_seed, _PARTS[part], block]).generate_state(1)[0])
        label = np.arange(block * BLOCK, (block + 1) * BLOCK) % len(self.classes)
        other = np.random.default_rng([seed, 1]).integers(len(self.classes), size=BLOCK)
        layout, texture = (other if self.cue == hidden else label for hidden in ("texture", "layout"))
        return draw_pictures(
            sample_items(self.world_seed, seed, layout, texture, len(self.classes)), self.side_px
        )
