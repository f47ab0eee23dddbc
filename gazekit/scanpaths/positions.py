"""Comparisons of positions in pixels: models beside people, the centre bias and chance, on one split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from gazekit.geometry import box_centres
from gazekit.metrics.ceiling import Ceiling, ModelScanpaths, People, human_ceiling
from gazekit.metrics.item_metric import ItemMetric
from gazekit.scanpaths.model import ScanpathModel, sample

__all__ = ["model_scanpaths", "people_of", "position_scores"]


def position_scores(
    models: Mapping[str, nn.Module],
    data,
    part: str,
    metrics: Mapping[str, ItemMetric],
    samples: int,
    max_fixations: int,
    seed: int,
    **settings,
) -> Ceiling:
    """Score people's positions by a model's object centres, by other people and by baselines.

    Args:
        models: scanpath models over objects; a generated fixation is at the centre of its object, without duration.
        part: of the data, "test" for instance.
        metrics: name to metric of scanpaths or of maps.
        samples: scanpaths generated a scene.
        max_fixations: generated scanpaths are cut there.
        seed: of everything random.
        settings: of `human_ceiling`.
    """
    index = data.parts[part].tolist()
    people = people_of(data.dataset, index)
    limits = (data, index, samples, max_fixations, seed)
    generated = {name: model_scanpaths(model, *limits) for name, model in models.items()}
    if data.dataset.observer is not None:
        if "observer" in generated:
            raise ValueError(
                "a model is named 'observer', as the simulated observer of the data set: rename it"
            )
        generated["observer"] = model_scanpaths(data.dataset.observer, *limits, data.dataset.categories)
    return human_ceiling(people, metrics, generated, seed=seed, **settings)


def people_of(dataset, index: Sequence[int]) -> People:
    """The people of some trials; an image is a scene, that is a picture with a target."""
    trials = [dataset.trials[i] for i in index]
    scenes = [dataset.scenes[trial.scene] for trial in trials]
    seen: Counter[tuple[int, str]] = Counter()
    observers = []
    for trial in trials:  # who looked at one scene twice, or has no name, counts as several people
        key = (trial.scene, trial.scanpath.observer)
        observers.append(f"{trial.scanpath.observer} #{seen[key]}" if seen[key] else trial.scanpath.observer)
        seen[key] += 1
    sizes = {trial.scene: scene.size_px for trial, scene in zip(trials, scenes, strict=True)}
    pictures = [str(s.attributes.get("image", s.name)) for s in scenes]
    return People([t.scanpath for t in trials], [t.scene for t in trials], observers, sizes, pictures)


def model_scanpaths(
    model: ScanpathModel,
    data,
    index: Sequence[int],
    samples: int,
    max_fixations: int,
    seed: int,
    categories: Sequence[str] | None = None,
) -> ModelScanpaths:
    """`samples` generated scanpaths of each scene of some trials, at the centres of their objects.

    Args:
        categories: the vocabulary that the model counts categories in; by default the data module's.
    """
    of_scene = {data.dataset.trials[i].scene: i for i in reversed(index)}
    chosen = list(of_scene.values())
    device = next((p.device for p in model.parameters()), "cpu") if isinstance(model, nn.Module) else "cpu"
    generator = torch.Generator().manual_seed(seed)
    paths, scenes = [], []
    for start in range(0, len(chosen), data.batch_size):
        batch = data.batch(chosen[start : start + data.batch_size], categories).to(device)
        drawn = sample(model, batch.scenes[batch.scene_of_trial], samples, max_fixations, generator).to_list()
        for k, objects in enumerate(drawn):
            scene = data.dataset.trials[int(batch.trial[k // samples])].scene
            centres = box_centres(data.dataset.scenes[scene].boxes_px)
            paths.append(centres[objects.cpu().numpy()].reshape(-1, 2))
            scenes.append(scene)
    return ModelScanpaths(paths, np.array(scenes))
