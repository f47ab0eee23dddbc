"""Which model finds the same pictures alike as a brain does: RSA of rows with brains, with and without a fair layer
search, and intervals over pictures and over subjects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gazekit.base import Predictor
from gazekit.base.scores import Scores, Settings
from gazekit.brain.intervals import drawn_blocks, over_subjects
from gazekit.brain.similarity import (
    nested_choice,
    pair_weights,
    random_halves,
    rank_correlations,
    ranked,
)
from gazekit.metrics import Score
from gazekit.metrics.bootstrap import interval_of_draws
from gazekit.metrics.functional import rdm

__all__ = ["LOWER", "UPPER", "SimilarityScores", "brain_rdms"]

LOWER, UPPER = "noise ceiling, lower", "noise ceiling, upper"
_SPLITS = 50  # of the pictures into halves, for the value; a draw has one split of its own
_ABOUT = {
    LOWER: "Each subject with the mean of the others: what a model as good as the group reaches at least.",
    UPPER: "Each subject with the mean of all, themselves included: about the best that a model could do.",
}


class SimilarityScores:
    """Spearman's correlation of the rows' dissimilarity matrices with those of brains (Kriegeskorte et al. 2008).

    Rows have `rdms(data)`, layer to matrix [n, n]. Columns, for each brain of `brain_rdms`, mean over its subjects:
    `rsa.BRAIN` of the best layer, chosen on the very pictures and subjects that it is scored on, which is optimistic;
    `rsa_nested.BRAIN` of layers chosen on one half of the pictures and on the other subjects, and scored on pairs of
    the other half and on the subject left out (50 random splits). Intervals draw pictures; a picture is never compared
    with its copy, and copies stay in one half; the layer of `rsa` stays. `... over subjects`: Student's t.

    Args:
        against: rows that every other one is compared with, paired in draws: in the notes and, whole, in the details.
    """

    def __init__(self, against: Sequence[str] = ()) -> None:
        self.against = tuple(against)

    def scores(
        self,
        rows: Mapping[str, Predictor],
        data: Any,
        settings: Settings,
        progress: Callable[[str, float], None],
    ) -> Scores:
        """Rows and the noise ceiling (`gazekit.base.scores.Comparison`).

        Raises:
            ValueError: a row whose matrices have other pictures than the brains', an unknown row in `against`.
        """
        if unknown := [name for name in self.against if name not in rows]:
            raise ValueError(f"metrics.scores: against names {unknown[0]}, rows are {', '.join(rows)}")
        brains = brain_rdms(data)
        result = Scores({})
        candidates = {}
        for k, (name, row) in enumerate(rows.items()):
            progress(name, 0.5 * k / len(rows))
            candidates[name] = _candidates(name, row, data, brains, result)
        progress("draws of pictures", 0.5)
        judge = _Judge(candidates, brains, settings)
        for name, layers in candidates.items():
            for brain in brains:
                if why := rows[name].reasons.get(brain) or ("" if layers else "no layer has a matrix"):
                    judge.refuse(name, brain, why, result)
                else:
                    judge.write(name, brain, result)
        for brain, matrices in brains.items():
            if len(matrices) > 1:
                judge.write_ceiling(brain, result)
        result.higher_is_better = {column: True for scores in result.table.values() for column in scores}
        result.about = {name: text for name, text in _ABOUT.items() if name in result.table}
        given = data.references()
        own = [name for name in rows if name not in given]
        result.notes = [*judge.notes(), *result.notes, *judge.against(own, self.against, result)]
        return result


def brain_rdms(data: Any) -> dict[str, Tensor]:
    """Brain to the matrices [S, n, n] of its subjects, of `data.split`.

    From `data.brains()`, else from responses (`BrainData.arrays`): for each region, and for all voxels, 1 - Pearson's
    correlation of each subject's patterns (`functional.rdm`). Subjects with fewer than two voxels in a region have no
    patterns there and are left out of it, and a region without any others is left out; notes count the subjects.

    Raises:
        ValueError: an undefined dissimilarity (missing or constant responses), or no region at all.
    """
    if hasattr(data, "brains"):
        return data.brains()
    facts, response = data.facts(), data.arrays(data.split).response
    subject_of = torch.as_tensor(facts["subject_of"])
    found = {}
    for region, voxels in {"all": range(facts["voxels"]), **facts.get("regions", {})}.items():
        voxels = torch.as_tensor(list(voxels), dtype=torch.long)
        own = [voxels[subject_of[voxels] == s] for s in range(len(facts["subjects"]))]
        matrices = [rdm(response[:, chosen]) for chosen in own if len(chosen) > 1]
        if not matrices:
            continue
        found[region] = torch.stack(matrices)
        if found[region].isnan().any():
            raise ValueError(
                f"region {region}: a subject's patterns are constant or have missing responses, so that pictures have "
                "no dissimilarity; choose pictures and voxels that all subjects have"
            )
    if not found:
        raise ValueError("dissimilarities need patterns: no subject has two voxels or more")
    return found


def _candidates(
    name: str, row: Predictor, data: Any, brains: Mapping[str, Tensor], result: Scores
) -> dict[str, Tensor]:
    """Layers of a row with a defined matrix."""
    if not hasattr(row, "rdms"):
        result.notes.append(f"{name} has no dissimilarities (`rdms`)")
        return {}
    n = next(iter(brains.values())).shape[-1]
    found, undefined = {}, []
    for layer, matrix in row.rdms(data).items():
        if matrix.shape != (n, n):
            raise ValueError(
                f"{name}, {layer}: expected dissimilarities [{n}, {n}], got {list(matrix.shape)}"
            )
        if matrix.isnan().any():
            undefined.append(layer)
        else:
            found[layer] = matrix.cpu().double()
    if undefined:
        result.notes.append(
            f"{name}: constant patterns, left out of the layer search: {', '.join(undefined)}"
        )
    return found


@dataclass
class _Found:
    """A score's values [S] of subjects, and its mean over them in each draw [R]."""

    subjects: Tensor
    draws: Tensor


class _Judge:
    """Correlations of all layers with all subjects: at once, and in draws of pictures and halves of them."""

    def __init__(
        self, candidates: Mapping[str, Mapping[str, Tensor]], brains: Mapping[str, Tensor], settings: Settings
    ) -> None:
        self.pictures = next(iter(brains.values())).shape[-1]
        matrices = [matrix for layers in candidates.values() for matrix in layers.values()]
        self.layers = {name: list(layers) for name, layers in candidates.items()}
        self.rows = _slices({name: len(layers) for name, layers in candidates.items()})
        self.brains = _slices({brain: len(subjects) for brain, subjects in brains.items()})
        models = torch.stack([*matrices, *_groups(brains)])
        a, b = ranked(models), ranked(torch.cat(list(brains.values())))
        generator = torch.Generator().manual_seed(settings.seed)
        once = torch.ones(1, self.pictures, dtype=torch.float64)
        draws = drawn_blocks(self.pictures, settings.resamples, settings.seed).float()
        self.full = rank_correlations(a, b, pair_weights(once))[0]  # [M, S]
        self.drawn = rank_correlations(a, b, pair_weights(draws))  # [R, M, S]
        halves = random_halves(self.pictures, _SPLITS, generator)
        self.halves = [rank_correlations(a, b, pair_weights(once, half)) for half in (halves, ~halves)]
        halves = random_halves(self.pictures, len(draws), generator)
        self.drawn_halves = [rank_correlations(a, b, pair_weights(draws, half)) for half in (halves, ~halves)]
        self.found: dict[tuple[str, str], _Found] = {}

    def write(self, name: str, brain: str, result: Scores) -> None:
        rows, subjects = self.rows[name], self.brains[brain]
        full = self.full[rows, subjects]
        best = int(full.mean(1).nan_to_num(nan=-torch.inf).argmax())
        drawn = self.drawn[:, rows, subjects][:, best]
        self.found[name, brain] = _Found(full[best], drawn.mean(1))
        self._add(name, f"rsa.{brain}", full[best], drawn.mean(1), result)
        value, choices = nested_choice([half[:, rows, subjects] for half in self.halves])
        drawn, _ = nested_choice([half[:, rows, subjects] for half in self.drawn_halves])
        self._add(name, f"rsa_nested.{brain}", value.mean(0), drawn.mean(1), result)
        layers = self.layers[name]
        counts = torch.bincount(choices.flatten(), minlength=len(layers)).tolist()
        result.details.setdefault("layers", {}).setdefault(name, {})[brain] = {
            "best": layers[best],
            "rsa": {layer: round(float(x), 4) for layer, x in zip(layers, full.mean(1), strict=True)},
            "chosen": {layer: count for layer, count in zip(layers, counts, strict=True) if count},
        }

    def refuse(self, name: str, brain: str, why: str, result: Scores) -> None:
        for column in (f"rsa.{brain}", f"rsa_nested.{brain}"):
            nothing = Score(torch.nan, torch.nan, torch.nan, 0, self.pictures)
            result.table.setdefault(name, {})[column] = nothing
            result.reasons[name, column] = why

    def write_ceiling(self, brain: str, result: Scores) -> None:
        """Bounds as `functional.rsa_ceiling`; each subject with the mean of the others, and of all."""
        subjects = self.brains[brain]
        count = subjects.stop - subjects.start
        start = self.rows[_last(self.rows)].stop + sum(
            s.stop - s.start + 1 for s in self.brains.values() if s.start < subjects.start
        )
        own = torch.arange(count)
        lower = (slice(start, start + count), subjects)
        full, drawn = self.full[lower][own, own], self.drawn[:, lower[0], subjects][:, own, own]
        self._add(LOWER, f"rsa.{brain}", full, drawn.mean(1), result)
        full, drawn = self.full[start + count, subjects], self.drawn[:, start + count, subjects]
        self._add(UPPER, f"rsa.{brain}", full, drawn.mean(1), result)

    def notes(self) -> list[str]:
        subjects = ", ".join(f"{name} {s.stop - s.start}" for name, s in self.brains.items())
        return [
            f"rsa: Spearman's correlation over pairs of {self.pictures} pictures, intervals draw pictures; subjects: "
            f"{subjects}; n counts pictures (over subjects: subjects)",
            "rsa takes the best layer of those that it is scored on; rsa_nested chooses it on other pictures (and "
            "other subjects)",
        ]

    def against(self, rows: Sequence[str], others: Sequence[str], result: Scores) -> list[str]:
        """One sentence for each of `others` and brain; all differences in the details."""
        notes = []
        for other in others:
            for brain in self.brains:
                gaps = {name: self._gap(name, other, brain) for name in rows if (name, brain) in self.found}
                if (other, brain) not in self.found or not gaps:
                    continue
                result.details.setdefault("differences", {}).setdefault(brain, {})[other] = {
                    name: [round(x, 4) for x in gap[:3]] for name, gap in gaps.items()
                }
                above = sum(gap.low > 0 for gap in gaps.values())
                below = sum(gap.high < 0 for gap in gaps.values())
                least = min(gaps, key=lambda name: gaps[name].value)
                notes.append(
                    f"rsa.{brain} less {other}: above 0 in {above} of {len(gaps)} rows with the interval, below in "
                    f"{below}; smallest {least} {gaps[least]}"
                )
        return notes

    def _gap(self, name: str, other: str, brain: str) -> Score:
        a, b = self.found[name, brain], self.found.get((other, brain))
        if b is None:
            return Score(torch.nan, torch.nan, torch.nan, 0, self.pictures)
        return self._score(a.subjects - b.subjects, a.draws - b.draws)

    def _score(self, subjects: Tensor, draws: Tensor) -> Score:
        return Score.of(interval_of_draws(subjects.mean(), draws, 0.95), self.pictures, 0)

    def _add(self, name: str, column: str, subjects: Tensor, draws: Tensor, result: Scores) -> None:
        scores = result.table.setdefault(name, {})
        scores[column] = self._score(subjects, draws)
        if len(subjects) > 1:
            scores[f"{column} over subjects"] = over_subjects(subjects)


def _slices(sizes: Mapping[str, int]) -> dict[str, slice]:
    """Places of named groups one after the other."""
    found, start = {}, 0
    for name, size in sizes.items():
        found[name], start = slice(start, start + size), start + size
    return found


def _groups(brains: Mapping[str, Tensor]) -> list[Tensor]:
    """For each brain, for each subject the mean of the others, then the mean of all."""
    found: list[Tensor] = []
    for subjects in brains.values():
        everyone, count = subjects.sum(0), len(subjects)
        found += [(everyone - own) / max(1, count - 1) for own in subjects] + [everyone / count]
    return found


def _last(names: Mapping[str, Any]) -> str:
    return list(names)[-1]
