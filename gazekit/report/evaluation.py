"""Scores of scanpath models, of simulated observers and of people, trial by trial, on one split.

Every row of a report comes from here: a model is asked for the likelihood of what people did and for
scanpaths of its own, other people lend theirs, and both are scored by the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gazekit.datasets.records import ScanpathDataset
from gazekit.metrics.functional import behaviour, edit_distance, sequence_score
from gazekit.scanpath import Ragged
from gazekit.scanpaths.likelihood import Likelihood, next_fixation, next_outcome
from gazekit.scanpaths.model import ScanpathModel, sample
from gazekit.scene import TrialBatch

__all__ = ["TrialScores", "image_of_trial", "other_half", "other_people", "score_model", "score_people"]


@dataclass(frozen=True, eq=False)
class TrialScores:
    """What one row of the report knows about each of M trials; float64, NaN where undefined.

    Attributes:
        gain_bits, fixations: [M] information gain summed over the trial's fixations, and their number.
        gain_with_stop_bits, outcomes: [M] the same with the decision to stop.
        sequence_score, edit_distance: [M] mean over the generated scanpaths, against the person's.
        behaviour, human_behaviour: [M, 5] of the generated scanpaths (mean) and of the person.
    """

    gain_bits: Tensor
    fixations: Tensor
    gain_with_stop_bits: Tensor
    outcomes: Tensor
    sequence_score: Tensor
    edit_distance: Tensor
    behaviour: Tensor
    human_behaviour: Tensor

    @classmethod
    def concatenate(cls, parts: Sequence[TrialScores]) -> TrialScores:
        names = cls.__dataclass_fields__
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def _gain_bits(likelihood: Likelihood) -> tuple[Tensor, Tensor]:
    """[B] sum over valid steps of log2(p / chance), and the number of steps."""
    bits = (likelihood.log_prob.double() - likelihood.log_chance.double()) / np.log(2)
    return torch.where(likelihood.mask, bits, 0.0).sum(1), likelihood.mask.sum(1).double()


def _compare(paths: Ragged, objects: Tensor, mask: Tensor, target: Tensor) -> tuple[Tensor, ...]:
    """Score scanpaths [B, n, T] against one person's [B, T']: means over n of score, distance, behaviour."""
    b, n = paths.mask.shape[:2]
    pair = (paths.values, objects[:, None], paths.mask, mask[:, None])
    own = behaviour(paths.values.flatten(0, 1), paths.mask.flatten(0, 1), target.repeat_interleave(n))
    return (
        sequence_score(*pair).nanmean(1),
        edit_distance(*pair).double().nanmean(1),
        own.view(b, n, -1).nanmean(1),
        behaviour(objects, mask, target),
    )


def score_model(
    model: ScanpathModel,
    batches: Iterator[TrialBatch],
    n_samples: int,
    max_fixations: int,
    seed: int,
    device: torch.device | str = "cpu",
    advance: Callable[[int], None] = lambda n: None,
) -> TrialScores:
    """Ask a model for the likelihood of each trial and for `n_samples` scanpaths of its own.

    Args:
        batches: the trials; each is moved to `device`, where the model is.
        max_fixations: generated scanpaths are cut there.
        seed: of the draws.
        advance: called with the number of trials done, for a progress bar.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for batch in batches:
        batch = batch.to(device)
        with torch.no_grad():
            log_prob = model.log_prob(batch)
        scenes = batch.scenes[batch.scene_of_trial]
        paths = sample(model, scenes, n_samples, max_fixations, generator)
        gains = (*_gain_bits(next_fixation(log_prob, batch)), *_gain_bits(next_outcome(log_prob, batch)))
        scores = _compare(paths, batch.objects, batch.mask, scenes.target)
        parts.append(TrialScores(*(x.cpu() for x in (*gains, *scores))))
        advance(len(batch))
    return TrialScores.concatenate(parts)


def score_people(
    dataset: ScanpathDataset, others: Mapping[int, Sequence[int]], batches: Iterator[TrialBatch]
) -> TrialScores:
    """Score each person with the scanpaths of other people on the same scene.

    People give scanpaths, not probabilities, so their information gain is undefined (NaN). A person with
    nobody to be compared with has undefined scores too.

    Args:
        others: trial to the trials of the people it is compared with: `other_people` or `other_half`.
        batches: the trials to score; each must be a key of `others`.
    """
    parts = []
    for batch in batches:
        groups = [others[i] for i in batch.trial.tolist()]
        flat = Ragged.from_list([dataset.trials[j].objects for group in groups for j in group], torch.long)
        row_of = torch.tensor([row for row, group in enumerate(groups) for _ in group], dtype=torch.long)
        target = batch.scenes.target[batch.scene_of_trial]
        columns = torch.full((len(groups), 7), torch.nan, dtype=torch.float64)
        if len(row_of):
            pair = (flat.values, batch.objects[row_of], flat.mask, batch.mask[row_of])
            own = behaviour(flat.values, flat.mask, target[row_of])
            values = torch.cat([sequence_score(*pair)[:, None], edit_distance(*pair)[:, None], own], 1)
            columns = _group_nanmean(values, row_of, len(groups))
        nothing = torch.full((len(groups),), torch.nan, dtype=torch.float64)
        length = batch.mask.sum(1).double()
        outcomes = length + (length > 0)
        human = behaviour(batch.objects, batch.mask, target)
        parts.append(
            TrialScores(
                nothing, length, nothing, outcomes, columns[:, 0], columns[:, 1], columns[:, 2:], human
            )
        )
    return TrialScores.concatenate(parts)


def other_people(dataset: ScanpathDataset, index: Sequence[int]) -> dict[int, list[int]]:
    """For each trial, the other trials of `index` on the same scene."""
    by_scene: dict[int, list[int]] = {}
    for i in index:
        by_scene.setdefault(dataset.trials[i].scene, []).append(i)
    return {i: [j for j in by_scene[dataset.trials[i].scene] if j != i] for i in index}


def other_half(dataset: ScanpathDataset, index: Sequence[int], seed: int) -> dict[int, list[int]]:
    """Split the observers into random halves; for each trial of the first, the second half's on its scene.

    The behavioural delta of one half from the other is what the delta of a perfect model would be about.
    (All other people together have, trial by trial, the same mean as all people: their delta is 0 whatever
    they do.)
    """
    observers = np.unique([dataset.trials[i].scanpath.observer for i in index])
    first = set(np.random.default_rng(seed).permutation(observers)[: (len(observers) + 1) // 2].tolist())
    in_first = [dataset.trials[i].scanpath.observer in first for i in index]
    people = other_people(dataset, index)
    chosen = [i for i, inside in zip(index, in_first, strict=True) if inside]
    return {i: [j for j in people[i] if dataset.trials[j].scanpath.observer not in first] for i in chosen}


def _group_nanmean(values: Tensor, group: Tensor, n: int) -> Tensor:
    """[n, K] means of the defined rows of values [P, K] by group [P]."""
    defined = ~values.isnan()
    total = torch.zeros(n, values.shape[1], dtype=values.dtype).index_add_(0, group, values.nan_to_num(0.0))
    count = torch.zeros_like(total).index_add_(0, group, defined.to(values))
    return total / count


def image_of_trial(dataset: ScanpathDataset, index: Sequence[int]) -> Tensor:
    """[M] number of the image of each trial, from 0: the unit that bootstrap intervals draw."""
    scenes = [dataset.scenes[dataset.trials[i].scene] for i in index]
    names = [str(s.attributes.get("image", s.name)) for s in scenes]
    return torch.as_tensor(np.unique(names, return_inverse=True)[1])
