"""Scanpath models over objects as rows of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.scanpaths.likelihood import next_fixation, next_outcome
from gazekit.scanpaths.model import ScanpathModel, sample
from gazekit.scene import TrialBatch

__all__ = ["ModelRow", "ObjectPredictor", "likelihood_arguments", "people_arguments"]


class ObjectPredictor(Predictor):
    """A `ScanpathModel` as a row: the likelihood of what people did, and scanpaths of its own.

    Baselines derive from it and are their own `model`; others set the attribute.

    Args:
        facts: "max_fixations" is where generated scanpaths are cut.
    """

    def __init__(self, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(facts)
        self.max_fixations = self.facts.get("max_fixations", 50)

    @property
    def model(self) -> ScanpathModel:
        return self

    def predict(self, batch: TrialBatch, generator: torch.Generator, samples: int = 1) -> dict[str, Tensor]:
        log_prob = self.model.log_prob(batch)
        scenes = batch.scenes[batch.scene_of_trial]
        paths = sample(self.model, scenes, samples, self.max_fixations, generator)
        said = {"model_objects": paths.values, "model_mask": paths.mask}
        return said | likelihood_arguments(log_prob, batch) | people_arguments(batch)

    def positions_px(self, batch: TrialBatch, generator: torch.Generator, samples: int) -> list[Tensor]:
        """`samples` generated scanpaths of each trial's scene, [T, 2] centres of their objects, trial by trial."""
        scenes = batch.scenes[batch.scene_of_trial]
        paths = sample(self.model, scenes, samples, self.max_fixations, generator).to_list()
        centres = scenes.centres_px.double().cpu()
        return [centres[k // samples][objects.cpu()] for k, objects in enumerate(paths)]


class ModelRow(ObjectPredictor):
    """A model that needs no training, such as the simulated observer of a generated data set."""

    def __init__(self, model: ScanpathModel, facts: Mapping[str, Any], about: str) -> None:
        super().__init__(facts)
        self._model, self._about = model, about

    @property
    def model(self) -> ScanpathModel:
        return self._model

    @property
    def about(self) -> str:
        return self._about


def likelihood_arguments(log_prob: Tensor, batch: TrialBatch) -> dict[str, Tensor]:
    """Of [B, T + 1, N + 1] log-probabilities: what `InformationGain` and `InformationGainWithStop` take."""
    fixation, outcome = next_fixation(log_prob, batch), next_outcome(log_prob, batch)
    return {
        "log_prob": fixation.log_prob,
        "log_chance": fixation.log_chance,
        "mask": fixation.mask,
        "outcome_log_prob": outcome.log_prob,
        "outcome_log_chance": outcome.log_chance,
        "outcome_mask": outcome.mask,
    }


def people_arguments(batch: TrialBatch) -> dict[str, Tensor]:
    """What people did in each trial."""
    target = batch.scenes.target[batch.scene_of_trial]
    return {"human_objects": batch.objects, "human_mask": batch.mask, "target": target}
