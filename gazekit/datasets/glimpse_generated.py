"""Generated pictures and scanpaths over them: more to learn from where few real pictures are at hand."""

from __future__ import annotations

import numpy as np

from gazekit.datasets.glimpse_paths import Paths
from gazekit.datasets.layout_world import MAX_CLASSES, draw_pictures, sample_items

__all__ = ["SIDE_PX", "GeneratedPictures", "generated_paths"]

SIDE_PX = 512
_CLASSES = 8


class GeneratedPictures:
    """Pictures of `layout_world`, each drawn when it is asked for: a layout of large regions, a texture all over.

    Args:
        count: how many.
        seed: of all of them.
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> np.ndarray:
        """uint8 RGB [512, 512, 3]."""
        if not 0 <= number < self.count:
            raise IndexError(f"picture {number} of {self.count}")
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        draw = np.random.default_rng(seed)
        layout, texture = draw.integers(_CLASSES, size=1), draw.integers(MAX_CLASSES, size=1)
        return draw_pictures(sample_items(self.seed, seed, layout, texture, _CLASSES), SIDE_PX)[0]

    def fingerprint(self) -> str:
        """Of what decides what is drawn."""
        return f"layout_world {_CLASSES} {SIDE_PX} {self.seed}"


def generated_paths(first: int, pictures: int, scanpaths: int, fixations: int, seed: int = 0) -> Paths:
    """Scanpaths over generated pictures: from the centre to places that are equally likely all over the picture.

    Args:
        first: number of the first picture.
        scanpaths: over each picture. fixations: of each scanpath.
    """
    draw = np.random.default_rng([seed, 5])
    xy = draw.uniform(0, SIDE_PX, (pictures * scanpaths, fixations, 2))
    xy[:, 0] = SIDE_PX / 2
    start = np.arange(len(xy) + 1) * fixations
    return Paths(xy.reshape(-1, 2), start, first + np.repeat(np.arange(pictures), scanpaths))
