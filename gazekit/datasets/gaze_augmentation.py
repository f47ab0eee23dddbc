"""Random changes of training pictures that keep heads, eyes, targets and masks consistent."""

from __future__ import annotations

import torch

from gazekit.datasets.gaze_targets import GazePicture, mirrored

__all__ = ["PRESETS", "augmented"]

PRESETS = ("vitgaze", "gazelle", "none")


def augmented(picture: GazePicture, preset: str, generator: torch.Generator) -> GazePicture:
    """The picture, changed at random.

    Args:
        preset: one of `PRESETS`.
        generator: source of all random numbers.
    """
    if preset != "none" and torch.rand((), generator=generator) < 0.5:
        picture = mirrored(picture)
    return picture
