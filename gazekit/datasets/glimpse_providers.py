"""Scanpaths of models over the pictures of a data set: from a file, or made by a model that is fitted to people."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch

from gazekit.datasets.glimpse_paths import Paths
from gazekit.datasets.viewing_data import ViewingData
from gazekit.errors import DataError
from gazekit.scanpath_files import read_scanpaths
from gazekit.scanpaths.viewer import Viewer

__all__ = ["paths_of_file", "paths_of_viewer"]


def paths_of_file(path: str | Path, pictures: Sequence[str], fixations: int | None = None) -> Paths:
    """Scanpaths of a file, such as `predict` writes; those over other pictures are left out.

    Args:
        pictures: their names.
        fixations: the first ones of each scanpath; None for all.
    Raises:
        FileNotFoundError, ValueError: see `read_scanpaths`. DataError: a picture without a scanpath.
    """
    file = read_scanpaths(Path(path).expanduser())
    number = {name: k for k, name in enumerate(pictures)}
    kept = [
        (s.xy_px, number[image])
        for s, image in zip(file.scanpaths, file.image, strict=True)
        if image in number
    ]
    if missing := len(number) - len({k for _, k in kept}):
        raise DataError(
            f"{path} has no scanpath on {missing} of the {len(number)} pictures: make them for all"
        )
    return Paths.of((np.asarray(xy) for xy, _ in kept), [k for _, k in kept], fixations)


def paths_of_viewer(
    viewer: Viewer, viewing: ViewingData, fixations: int | None = None, seed: int = 0
) -> Paths:
    """As many scanpaths over each picture as people made, by a copy of a model fitted to the training pictures.

    Args:
        viewing: people's scanpaths; its part "train" is learnt from.
        fixations: the first ones of each scanpath; None for all.
    """
    model = deepcopy(viewer)
    model.facts = model.facts | viewing.facts()
    model.requires_grad_(True).fit(viewing)
    generator = torch.Generator().manual_seed(seed)
    found: list[np.ndarray] = []
    picture: list[int] = []
    scene = np.array([trial.scene for trial in viewing.dataset.trials], int)
    for k in np.unique(scene).tolist():
        index = np.flatnonzero(scene == k).tolist()
        paths = model.scanpaths(viewing.batch(index[:1]).scenes, len(index), generator)[0]
        found += [xy[kept].double().cpu().numpy() for xy, kept in zip(paths.xy_px, paths.mask, strict=True)]
        picture += [k] * len(index)
    return Paths.of(found, picture, fixations)
