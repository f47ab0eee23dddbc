"""Pictures of a report: what people and models did on a few scenes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure

from gazekit.datasets.scanpath_data import ScanpathData
from gazekit.drawing import scanpath_figure
from gazekit.scanpaths.predictor import ObjectPredictor

__all__ = ["example_figures"]

SCENES = 3


def example_figures(
    models: Mapping[str, ObjectPredictor], data: ScanpathData, seed: int = 0
) -> dict[str, Figure]:
    """Scenes of `data.split`: a person's scanpath beside one of each model.

    Args:
        seed: of the models' draws.
    """
    index = _examples(data)
    drawn = {}
    for name, model in models.items():
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        batch = data.batch_for(index, model.facts).to(device)
        with torch.no_grad():
            drawn[name] = model.positions_px(batch, torch.Generator().manual_seed(seed), 1)
    result = {}
    for k, i in enumerate(index):
        trial = data.dataset.trials[i]
        scene = data.dataset.scenes[trial.scene]
        who = "simulated observer" if data.dataset.observer else f"person {trial.scanpath.observer}"
        panels = {"scene": None} if scene.crops is not None or scene.image_path else {}
        panels |= {who: trial.scanpath} | {name: paths[k].numpy() for name, paths in drawn.items()}
        title = f"{data.dataset.name}, scene {scene.name}"
        result[f"scanpaths_{k + 1}"] = scanpath_figure(scene, panels, title=title)
    return result


def _examples(data: ScanpathData) -> list[int]:
    """Trials worth a picture, of different scenes: those nearest to the third quartile of the lengths."""
    index = data.parts[data.split]
    length = np.array([len(data.dataset.trials[i].objects) for i in index])
    order = np.argsort(np.abs(length - np.quantile(length, 0.75)), kind="stable")
    chosen: dict[int, int] = {}
    for i in index[order].tolist():
        chosen.setdefault(data.dataset.trials[i].scene, i)
        if len(chosen) == SCENES:
            break
    return list(chosen.values())
