"""Comparisons of positions in pixels: models beside people, the centre bias and chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gazekit import metrics as classes
from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.metrics.ceiling import ModelScanpaths, People, human_ceiling
from gazekit.metrics.info import INFO
from gazekit.metrics.item_metric import ItemMetric
from gazekit.scanpaths.predictor import ObjectPredictor

__all__ = ["ABOUT", "PositionComparison", "model_scanpaths", "people_of"]

ABOUT = {
    "people, leave one out": "All other people on the scene. A model above it knows more than other people do.",
    "people, split half": "A random half of the people that the person is not in.",
    "other images": "People on other scenes: the centre bias, which a model must beat.",
    "chance": "Uniformly random positions.",
}


class PositionComparison:
    """People's positions scored by a model's, by other people's and by simple baselines.

    A generated fixation is at the centre of its object and has no duration. Each person's scanpath is compared with all
    that predict it: see `human_ceiling`, which this calls.

    Args:
        metrics: name of a metric of scanpaths or of maps (`gazekit.metrics.INFO`) to its settings.
        sigma_px: of the Gaussian around each fixation; metrics of maps need it.
    Raises:
        ValueError: an unknown metric.
    """

    def __init__(self, metrics: Mapping[str, Mapping[str, Any]], sigma_px: float | None = None) -> None:
        if unknown := [name for name in metrics if name not in INFO]:
            raise ValueError(f"unknown metric {unknown[0]!r}; `gazekit list metrics` shows them all")
        self.metrics: dict[str, ItemMetric] = {
            name: getattr(classes, INFO[name].class_name)(**settings) for name, settings in metrics.items()
        }
        self.sigma_px = sigma_px

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """Rows of models and of people (`gazekit.base.scores.Comparison`); `data` are `ScanpathData`."""
        index = data.parts[data.split].tolist()
        models = {
            name: model_scanpaths(row, data, index, settings.samples, settings.seed)
            for name, row in rows.items()
            if hasattr(row, "positions_px")
        }
        options = {"n_resamples": settings.resamples, "seed": settings.seed, "progress": progress}
        people = people_of(data.dataset, index)
        ceiling = human_ceiling(people, self.metrics, models, sigma_px=self.sigma_px, **options)
        facts = ", ".join(f"{name} {value}" for name, value in ceiling.facts.items())
        better = {
            column: self.metrics[column.partition(".")[0]].higher_is_better for column in ceiling.columns
        }
        reasons = {
            (row, column): INFO[column.partition(".")[0]].undefined
            for row, found in ceiling.rows.items()
            for column, score in found.items()
            if score.undefined
        }
        return Scores(ceiling.rows, reasons, dict(ABOUT), better, [f"comparisons of positions: {facts}"])


def people_of(dataset, index: Sequence[int]) -> People:
    """The people of some trials of a `ScanpathDataset`; an image is a scene, that is a picture with a target."""
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
    row: ObjectPredictor, data, index: Sequence[int], samples: int, seed: int
) -> ModelScanpaths:
    """`samples` generated scanpaths of each scene of some trials, in pixels, with durations where the row has them."""
    generate = getattr(row, "fixations_px", row.positions_px)
    of_scene = {data.dataset.trials[i].scene: i for i in reversed(index)}
    chosen = list(of_scene.values())
    generator = torch.Generator().manual_seed(seed)
    device = next((p.device for p in row.parameters()), "cpu")
    paths, scenes = [], []
    for together in data.groups(chosen):
        batch = data.batch_for(together, row.facts).to(device)
        paths += [path.numpy() for path in generate(batch, generator, samples)]
        for i in batch.trial.tolist():
            scenes += [data.dataset.trials[i].scene] * samples
    return ModelScanpaths(paths, np.array(scenes))
