"""Small scenes to search, and their people."""

from __future__ import annotations

import numpy as np

from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.scanpath_data import ScanpathData
from gazekit.geometry import assign_objects
from gazekit.scanpath import Scanpath
from gazekit.scene import Scene, Trial, TrialBatch

SIZE = (200, 150)
NAMES = ("cup", "pen", "key")


def scene(rng, name="s", n=4, target=0, memory=None, size=SIZE) -> Scene:
    corner = rng.uniform(0, np.array(size) - 31, (n, 2)).round()
    boxes = np.concatenate([corner, corner + 30], 1)
    attributes = {} if memory is None else {"memory_categories": list(memory)}
    names = tuple(NAMES[k % 3] for k in range(n))
    return Scene(name, size, boxes, target=target, categories=names, attributes=attributes)


def trial(rng, k, scenes, length) -> Trial:
    """People look at objects, at any object but the present one, a few pixels off its centre."""
    boxes = scenes[k].boxes_px
    at = rng.integers(0, len(boxes), length)
    xy = (boxes[at, :2] + boxes[at, 2:]) / 2 + rng.normal(0, 6, (length, 2))
    xy = xy.clip(0, np.array(scenes[k].size_px) - 1)
    objects = assign_objects(xy, boxes) if length else np.zeros(0, np.int64)
    return Trial(k, Scanpath(xy, observer=f"p{length}"), objects)


def batch(seed=0, lengths=(5, 1, 0, 7, 2), **facts) -> TrialBatch:
    rng = np.random.default_rng(seed)
    memory = (None, ("cup", "pen"), ("key",), ("cup", "cup", "pen"), None)
    scenes = [scene(rng, f"s{k}", 4 + k, memory=memory[k], **facts) for k in range(len(lengths))]
    trials = [trial(rng, k, scenes, n) for k, n in enumerate(lengths)]
    return TrialBatch.from_trials(scenes, trials, range(len(trials)), NAMES)


def data(count=12, people=4) -> ScanpathData:
    rng = np.random.default_rng(0)
    scenes = [scene(rng, f"s{k}", 5, target=k % 5) for k in range(count)]
    trials = [trial(rng, k % count, scenes, int(rng.integers(0, 8))) for k in range(count * people)]
    found = ScanpathData("toy", fractions=(0.5, 0.25, 0.25), batch_size=8, mirror=False)
    found.use(ScanpathDataset("toy", tuple(scenes), tuple(trials), categories=NAMES))
    return found
