"""People as rows of a report: their scanpaths over the same scene predict each other's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.scanpath import Ragged
from gazekit.scanpaths.predictor import likelihood_arguments, people_arguments
from gazekit.scene import Trial, TrialBatch

__all__ = ["OtherHalf", "OtherPeople", "other_half", "other_people"]

_NO_PROBABILITIES = {
    "log_prob": "people give scanpaths, not probabilities",
    "outcome_log_prob": "people give scanpaths, not probabilities",
}


class OtherPeople(Predictor):
    """Each person predicted by all other people on the same scene.

    A person with nobody to be compared with has no scores.

    Args:
        trials: of the data set.
        index: of the trials that are scored.
    """

    reasons = _NO_PROBABILITIES | {
        "behaviour_delta": "all others together behave on average like everybody: their delta is 0 by construction"
    }

    def __init__(self, trials: Sequence[Trial], index: Sequence[int]) -> None:
        super().__init__()
        self.trials, self.index = trials, index
        self._others = other_people(trials, index)

    def others(self, seed: int) -> Mapping[int, Sequence[int]]:
        """Trial to the trials of the people who predict it."""
        return self._others

    def predict(self, batch: TrialBatch, generator: torch.Generator, samples: int = 1) -> dict[str, Tensor]:
        others = self.others(generator.initial_seed())
        groups = [others.get(i, ()) for i in batch.trial.tolist()]
        flat = [
            [torch.as_tensor(self.trials[j].objects, dtype=torch.long) for j in group] for group in groups
        ]
        widest = max((len(paths) for paths in flat), default=0)
        longest = max((len(path) for paths in flat for path in paths), default=0)
        objects = torch.zeros(len(groups), widest, longest, dtype=torch.long)
        mask = torch.zeros(len(groups), widest, longest, dtype=torch.bool)
        for row, paths in enumerate(flat):
            if paths:
                ragged = Ragged.from_list(paths, torch.long)
                objects[row, : len(paths), : ragged.values.shape[1]] = ragged.values
                mask[row, : len(paths), : ragged.mask.shape[1]] = ragged.mask
        present = torch.tensor([[k < len(paths) for k in range(widest)] for paths in flat], dtype=torch.bool)
        b, t = batch.objects.shape
        unknown = torch.full((b, t + 1, batch.scenes.object_mask.shape[1] + 1), torch.nan)
        said = {
            "model_objects": objects,
            "model_mask": mask,
            "model_present": present.view(len(groups), widest),
        }
        return said | likelihood_arguments(unknown, batch) | people_arguments(batch)


class OtherHalf(OtherPeople):
    """The people of one random half of the observers predicted by those of the other half.

    The behavioural delta of one half from the other is what the delta of a perfect model would be about.
    """

    reasons = _NO_PROBABILITIES | {
        "model_objects": "only the people of one half are predicted, by the other half"
    }

    def others(self, seed: int) -> Mapping[int, Sequence[int]]:
        return other_half(self.trials, self.index, seed)


def other_people(trials: Sequence[Trial], index: Sequence[int]) -> dict[int, list[int]]:
    """For each trial, the other trials of `index` on the same scene."""
    by_scene: dict[int, list[int]] = {}
    for i in index:
        by_scene.setdefault(trials[i].scene, []).append(i)
    return {i: [j for j in by_scene[trials[i].scene] if j != i] for i in index}


def other_half(trials: Sequence[Trial], index: Sequence[int], seed: int) -> dict[int, list[int]]:
    """Split the observers into random halves; for each trial of the first, the second half's on its scene."""
    observers = np.unique([trials[i].scanpath.observer for i in index])
    first = set(np.random.default_rng(seed).permutation(observers)[: (len(observers) + 1) // 2].tolist())
    in_first = {i: trials[i].scanpath.observer in first for i in index}
    people = other_people(trials, index)
    return {i: [j for j in people[i] if not in_first[j]] for i in index if in_first[i]}
