"""Training, prediction and pictures of any `ScanpathModel` over objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from gazekit.base import System
from gazekit.datasets.picture_scenes import PictureScene, pictures_and_boxes, scene_of_picture
from gazekit.datasets.scanpath_data import ScanpathData
from gazekit.datasets.scenes_json import save
from gazekit.drawing import behaviour_figure, scanpath_figure
from gazekit.geometry import box_centres
from gazekit.metrics import BehaviourDelta, InformationGain
from gazekit.metrics.functional import PARTS
from gazekit.models.scanpath_examples import example_figures
from gazekit.scanpath import Scanpath
from gazekit.scanpaths.likelihood import negative_log_likelihood
from gazekit.scanpaths.model import ScanpathModel
from gazekit.scanpaths.predictor import ObjectPredictor, likelihood_arguments
from gazekit.scene import Scene, Trial, TrialBatch

__all__ = ["ScanpathSystem"]

EXAMPLES = 3
"""Scanpaths of a scene that are drawn."""


class ScanpathSystem(ObjectPredictor, System):
    """Cross-entropy over next objects and STOP. A subclass sets `net`, a `ScanpathModel`, in its constructor.

    Validation logs the held-out information gain and the behavioural delta of generated scanpaths.

    Args:
        facts: of `ScanpathData`.
        val_samples: scanpaths generated per trial in validation; 0 leaves the behavioural delta out.
    """

    net: ScanpathModel

    def __init__(self, facts: Mapping[str, Any], val_samples: int = 2) -> None:
        super().__init__(facts)
        self.val_samples = val_samples
        self.information_gain, self.behaviour_delta = InformationGain(), BehaviourDelta()

    @property
    def model(self) -> ScanpathModel:
        return self.net

    def loss(self, batch: TrialBatch) -> dict[str, Tensor]:
        """Mean cross-entropy over outcomes, in nats."""
        return {"loss": negative_log_likelihood(self.net.log_prob(batch), batch)}

    def validate(self, batch: TrialBatch) -> None:
        if self.val_samples:
            # drawn anew from the first trial: the same draws in each epoch make the scores of epochs comparable
            said = self.predict(batch, torch.Generator().manual_seed(int(batch.trial[0])), self.val_samples)
            self.behaviour_delta.update(**self.behaviour_delta._filter_kwargs(**said))
            self.log("val/behaviour_delta", self.behaviour_delta, prog_bar=True, on_epoch=True)
        else:
            said = likelihood_arguments(self.net.log_prob(batch), batch)
        self.information_gain.update(**self.information_gain._filter_kwargs(**said))
        self.log("val/information_gain_bits", self.information_gain, prog_bar=True, on_epoch=True)

    def read(
        self, input: Path, boxes: str = "", target: int | None = None
    ) -> Iterator[tuple[list[PictureScene], TrialBatch]]:
        """Scenes of one picture, or of a folder of pictures.

        Args:
            input: a picture, or a folder of pictures.
            boxes: CSV of the picture's objects, with the columns x_min,y_min,x_max,y_max in pixels and, if wanted,
                category; of a folder, the folder of CSV files named like the pictures.
            target: number of the target's line in the boxes file, from 0; None = free viewing.
        Raises:
            FileNotFoundError, ValueError: a file that is absent or unusable, a target that is no line.
        """
        if target is None and not self.facts.get("free_viewing", True):
            raise ValueError(
                "this checkpoint was trained on search only: target=NUMBER must say which object is looked for"
            )
        for picture, its_boxes in pictures_and_boxes(input, boxes):
            scene = scene_of_picture(picture, its_boxes, target, self.facts.get("crop_size"))
            nobody = Trial(0, Scanpath(np.zeros((0, 2))), np.zeros(0, np.int64))
            batch = TrialBatch.from_trials([scene], [nobody], [0], self.facts.get("categories", ()))
            yield [PictureScene(scene, picture)], batch

    def records(self, items: list[Scene | PictureScene], said: Mapping[str, Any]) -> dict[str, Any]:
        """All scanpaths in one table, as `score --pred` reads it, with durations if they are predicted.

        A picture that was read also gets its scanpaths as gazekit's JSON (`data check` reads it), and a drawing of the
        first three.
        """
        name = (self.recipe or {}).get("name", "model")
        scenes = [item.scene if isinstance(item, PictureScene) else item for item in items]
        paths = [
            [_trial(scene, *its, f"{name} {k + 1}") for k, its in enumerate(zip(*of_scene, strict=True))]
            for scene, *of_scene in zip(scenes, *_said_paths(said), strict=True)
        ]
        files: dict[str, Any] = {"scanpaths.csv": _table(scenes, paths)}
        for item, trials in zip(items, paths, strict=True):
            if isinstance(item, PictureScene):
                panels = {trial.scanpath.observer: trial.scanpath for trial in trials[:EXAMPLES]}
                files[f"{item.path.stem}_scanpaths.json"] = partial(_save, item.scene, trials)
                files[f"{item.path.stem}_scanpaths.png"] = scanpath_figure(
                    item.scene, panels, title=item.scene.name
                )
        return files

    def figures(self, data: ScanpathData, table: Mapping[str, Mapping[str, Any]]) -> dict[str, Figure]:
        """The behaviour of all rows, and a few scenes: a person's scanpath beside those of two models."""
        parts = [f"search_behaviour.{part}" for part in PARTS]
        rows = {
            row: {part: scores[c]._asdict() for part, c in zip(PARTS, parts, strict=True)}
            for row, scores in table.items()
            if all(c in scores for c in parts)
        }
        drawn = {"behaviour": behaviour_figure(rows)} if rows else {}
        models = {self.recipe["name"]: self} | {
            n: b for n, b in self.baselines.items() if hasattr(b, "model")
        }
        return drawn | example_figures(dict(list(models.items())[:2]), data)


def _said_paths(said: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """[B, n, T] objects, their mask, and their durations in ms: NaN unless they are predicted."""
    objects, mask = said["model_objects"].cpu(), said["model_mask"].cpu()
    unknown = torch.full(mask.shape, torch.nan)
    return objects, mask, said.get("model_duration_ms", unknown).cpu()


def _trial(scene: Scene, objects: Tensor, mask: Tensor, duration_ms: Tensor, observer: str) -> Trial:
    chosen, duration = objects[mask].numpy(), duration_ms[mask].numpy()
    centres = box_centres(scene.boxes_px)[chosen].reshape(-1, 2)
    known = len(duration) > 0 and not np.isnan(duration).any()
    return Trial(0, Scanpath(centres, duration if known else None, observer), chosen)


def _table(scenes: list[Scene], paths: list[list[Trial]]) -> pd.DataFrame:
    rows = [
        (scene.name, sample + 1, *fixation)
        for scene, trials in zip(scenes, paths, strict=True)
        for sample, trial in enumerate(trials)
        for fixation in trial.scanpath
    ]
    table = pd.DataFrame(rows, columns=["image", "sample", "x_px", "y_px", "duration_ms"])
    return table.drop(columns="duration_ms") if table["duration_ms"].isna().all() else table


def _save(scene: Scene, trials: list[Trial], path: Path) -> None:
    save([scene], path, trials)
