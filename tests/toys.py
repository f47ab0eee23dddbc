"""Small random scenes and trials for tests, irregular in every way: sizes, lengths, repeats, no target."""

from __future__ import annotations

import numpy as np
import torch

from gazekit.scanpath import Scanpath
from gazekit.scene import Scene, SceneBatch, Trial, TrialBatch

CATEGORIES = ("cup", "pen", "key")
SIZE_PX = (600, 400)


def random_scene(
    rng: np.random.Generator, n: int, target: int | None = 0, crop: tuple[int, int] | None = None, **facts
) -> Scene:
    """n boxes with integer corners at random places, random categories, crops of (height, width)."""
    corner = rng.integers(0, [SIZE_PX[0] - 80, SIZE_PX[1] - 80], (n, 2))
    boxes = np.concatenate([corner, corner + rng.integers(20, 80, (n, 2))], 1)
    crops = None
    if crop is not None:  # noise in a colour of its own, so that objects look different
        crops = (rng.uniform(0, 255, (n, 1, 1, 3)) * rng.uniform(0, 1, (n, *crop, 3))).astype(np.uint8)
    names = tuple(str(c) for c in rng.choice(CATEGORIES, n))
    defaults = {"name": f"scene {n}", "start_xy_px": (250.0, 120.0)}
    return Scene(
        size_px=SIZE_PX, boxes_px=boxes, target=target, categories=names, crops=crops, **{**defaults, **facts}
    )


def random_trial(rng: np.random.Generator, scene: int, scenes: list[Scene], length: int) -> Trial:
    """A scanpath with repeats; from two fixations on the target is fixated second."""
    objects = rng.integers(0, len(scenes[scene]), length)
    if length > 1 and scenes[scene].target is not None:
        objects[1] = scenes[scene].target
    boxes = scenes[scene].boxes_px[objects]
    return Trial(scene, Scanpath((boxes[:, :2] + boxes[:, 2:]) / 2), objects)


def random_batch(
    seed: int = 0,
    objects: tuple[int, ...] = (5, 7, 4),
    lengths: tuple[int, ...] = (6, 1, 4, 0, 3),
    targets: tuple[int | None, ...] = (2, 0, 3),
    crop: tuple[int, int] | None = None,
) -> TrialBatch:
    """One trial of each length, over the scenes in turn."""
    rng = np.random.default_rng(seed)
    scenes = [random_scene(rng, n, target, crop) for n, target in zip(objects, targets, strict=True)]
    trials = [random_trial(rng, i % len(scenes), scenes, length) for i, length in enumerate(lengths)]
    return TrialBatch.from_trials(scenes, trials, range(len(trials)), CATEGORIES)


def one_row_a_trial(batch: TrialBatch) -> SceneBatch:
    """The scene of each trial."""
    return batch.scenes[batch.scene_of_trial]


def single(batch: TrialBatch, i: int) -> TrialBatch:
    """Trial i alone, its scene and itself without padding."""
    row = batch.scene_of_trial[i : i + 1]
    n, t = int(batch.scenes.object_mask[row].sum()), int(batch.mask[i].sum())
    scenes = batch.scenes[row]
    crops = None if scenes.crops is None else scenes.crops[:, :n]
    bare = SceneBatch(
        scenes.boxes_px[:, :n], scenes.object_mask[:, :n], scenes.size_px, scenes.start_xy_px,
        scenes.target, scenes.category[:, :n], crops,
    )  # fmt: skip
    return TrialBatch(
        bare, torch.zeros(1, dtype=torch.long), batch.objects[i : i + 1, :t], batch.mask[i : i + 1, :t],
        batch.xy_px[i : i + 1, :t], batch.trial[i : i + 1], batch.group[i : i + 1],
    )  # fmt: skip


def stepwise(model, batch: TrialBatch) -> torch.Tensor:
    """[B, T + 1, N + 1] what a model says while it is led along the batch's scanpaths step by step."""
    stop = batch.scenes.object_mask.shape[1]
    state = model.begin(one_row_a_trial(batch), 1)
    outputs = [model.next_log_prob(state)[:, 0]]
    for t in range(batch.objects.shape[1]):
        chosen = batch.objects[:, t].where(batch.mask[:, t], stop)
        state = model.advance(state, chosen[:, None])
        outputs.append(model.next_log_prob(state)[:, 0])
    return torch.stack(outputs, 1)


def seen(batch: TrialBatch) -> torch.Tensor:
    """[B, T + 1] the steps that belong to each trial: before its fixations and after its last."""
    steps = torch.arange(batch.objects.shape[1] + 1)
    return steps <= batch.mask.sum(1)[:, None]
