"""A folder of small pictures with a bright spot, and people who look at it and then around it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gazekit.datasets.records import DatasetBuilder, ScanpathDataset
from gazekit.datasets.viewing_data import ViewingData
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene

SIZE = (64, 48)


def spots(folder: Path, pictures: int = 10, people: int = 4, seed: int = 0, size=SIZE) -> ScanpathDataset:
    """Person k makes 3 + k fixations; durations are 100 to 400 ms."""
    draw, builder = np.random.default_rng(seed), DatasetBuilder("spots", "raise")
    box = np.array([[0.0, 0.0, *size]])
    for number in range(pictures):
        spot = draw.uniform(0.15, 0.85, 2) * size
        x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
        bump = np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * 4**2))
        noise = draw.uniform(0, 60, (size[1], size[0], 3))
        path = folder / f"spot{number}.png"
        cv2.imwrite(str(path), np.clip(noise + 190 * bump[..., None], 0, 255).astype(np.uint8))
        builder.add_scene(Scene(path.name, size, box, image_path=path))
        for k in range(people):
            xy = np.clip(spot + draw.normal(0, 2.5, (3 + k, 2)), 0.1, np.array(size) - 0.1)
            builder.add_scanpath(path.name, Scanpath(xy, draw.uniform(100, 400, 3 + k), f"p{k}"))
    return builder.build()


def viewing(dataset: ScanpathDataset, **settings) -> ViewingData:
    """Data of a data set that is loaded."""
    data = ViewingData(dataset.name, **{"folds": 3, "batch_size": 8, **settings})
    data.use(dataset)
    return data
