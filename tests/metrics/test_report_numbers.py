"""The numbers of a report, from the metrics of scanpaths over objects: against loops, with the same draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gazekit.metrics import (
    BehaviourDelta,
    EditDistance,
    InformationGain,
    InformationGainWithStop,
    Score,
    SearchBehaviour,
    SequenceScore,
)
from gazekit.metrics.functional import PARTS, behaviour, edit_distance, sequence_score

DRAWS, SEED = 200, 3


def trials(seed: int) -> dict[str, torch.Tensor]:
    """Forty trials on seven images with three generated scanpaths each; some are empty, some without a target."""
    draw = torch.Generator().manual_seed(seed)

    def integers(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(high, shape, generator=draw)

    length, model_length = 1 + integers(6, 40, 1), integers(8, 40, 3, 1)
    length[4], model_length[4], model_length[9] = 0, 0, 0
    target = integers(5, 40) - 1
    log_prob = torch.rand(40, 7, generator=draw, dtype=torch.float64).log()
    return {
        "model_objects": integers(4, 40, 3, 8),
        "model_mask": torch.arange(8) < model_length,
        "human_objects": integers(4, 40, 7),
        "human_mask": torch.arange(7) < length,
        "target": target,
        "group": torch.arange(40) % 7,
        "log_prob": log_prob,
        "log_chance": torch.full((40, 7), -math.log(5), dtype=torch.float64),
        "mask": torch.arange(7) < length,
        "outcome_log_prob": log_prob - 0.1,
        "outcome_log_chance": torch.full((40, 7), -math.log(6), dtype=torch.float64),
        "outcome_mask": torch.arange(7) < length + (length > 0),
    }


def measured(facts: dict[str, torch.Tensor]) -> dict[str, Score]:
    """Two batches, by the names of the report's numbers."""
    metrics = {
        "information_gain_bits": InformationGain(),
        "information_gain_with_stop_bits": InformationGainWithStop(),
        "sequence_score": SequenceScore(),
        "edit_distance": EditDistance(),
        "behaviour_delta": BehaviourDelta(),
        "": SearchBehaviour(),
    }
    found = {}
    for name, metric in metrics.items():
        for part in (slice(0, 25), slice(25, 40)):
            metric.update(**metric._filter_kwargs(**{k: v[part] for k, v in facts.items()}))
        scores = metric.interval(DRAWS, seed=SEED)
        scores = scores if isinstance(scores, dict) else {"": scores}
        found |= {"_".join(word for word in (name, part) if word): score for part, score in scores.items()}
    return found


def per_trial(facts: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the report says of single trials, one trial and one scanpath at a time."""
    found: dict[str, list] = {name: [] for name in ("score", "edits", "model", "human")}
    for i, target in enumerate(facts["target"]):
        human = facts["human_objects"][i][facts["human_mask"][i]]
        runs = [o[m] for o, m in zip(facts["model_objects"][i], facts["model_mask"][i], strict=True)]
        found["score"].append(torch.stack([sequence_score(run, human) for run in runs]).nanmean())
        found["edits"].append(torch.stack([edit_distance(run, human).double() for run in runs]).mean())
        one = [
            behaviour(p[None], torch.ones(1, len(p), dtype=torch.bool), target[None])[0]
            for p in [*runs, human]
        ]
        found["model"].append(torch.stack(one[:-1]).nanmean(0))
        found["human"].append(one[-1])
    return {name: torch.stack(values) for name, values in found.items()}


def bits(facts: dict[str, torch.Tensor], prefix: str) -> tuple[torch.Tensor, torch.Tensor]:
    """[M] summed gain and number of outcomes of each trial."""
    ratio = (facts[f"{prefix}log_prob"] - facts[f"{prefix}log_chance"]) / math.log(2)
    mask = facts[f"{prefix}mask"]
    return torch.where(mask, ratio, 0).sum(1), mask.sum(1).double()


def expected(facts: dict[str, torch.Tensor]) -> dict[str, Score]:
    """All numbers with numpy: which images were drawn, the trials of these, their means."""
    image = facts["group"].numpy()
    draws = torch.randint(7, (DRAWS, 7), generator=torch.Generator().manual_seed(SEED)).numpy()
    resamples = [np.concatenate([np.flatnonzero(image == k) for k in drawn]) for drawn in draws]
    found = {name: value.numpy() for name, value in per_trial(facts).items()}
    both = np.isnan(found["model"]) | np.isnan(found["human"])
    model, human = (np.where(both, np.nan, found[side]) for side in ("model", "human"))

    def score(value, n: int, undefined: int) -> Score:
        bounds = np.nanpercentile([value(rows) for rows in resamples], (2.5, 97.5))
        return Score(float(value(np.arange(40))), *map(float, bounds), n, undefined)

    def delta(rows, k):
        people = np.nanmean(human[rows, k])
        return abs(np.nanmean(model[rows, k]) - people) / people if people else np.nan

    numbers = {}
    for name, prefix in (("information_gain_bits", ""), ("information_gain_with_stop_bits", "outcome_")):
        total, count = (side.numpy() for side in bits(facts, prefix))
        numbers[name] = score(
            lambda rows, t=total, c=count: t[rows].sum() / c[rows].sum(), int(count.sum()), 0
        )
    for name, values in (("sequence_score", found["score"]), ("edit_distance", found["edits"])):
        lost = int(np.isnan(values).sum())
        numbers[name] = score(lambda rows, v=values: np.nanmean(v[rows]), 40 - lost, lost)
    lost = both.sum(0).tolist()
    numbers["behaviour_delta"] = score(
        lambda rows: np.mean([delta(rows, k) for k in range(5)]), 40 - max(lost[1:]), max(lost[1:])
    )
    for k, part in enumerate(PARTS):
        counts = 40 - lost[k], lost[k]
        numbers[f"behaviour_delta_{part}"] = score(lambda rows, k=k: delta(rows, k), *counts)
        numbers[part] = score(lambda rows, k=k: np.nanmean(model[rows, k]), *counts)
    return numbers


def assert_same(found: dict[str, Score], wanted: dict[str, Score]) -> None:
    assert set(found) == set(wanted)
    for name, score in found.items():
        assert score == pytest.approx(wanted[name], rel=0, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("seed", [0, 1])
def test_numbers_equal_a_loop_over_trials(seed: int) -> None:
    facts = trials(seed)
    found = measured(facts)
    assert found["sequence_score"].undefined == 1
    assert found["behaviour_delta"].undefined > 1
    assert_same(found, expected(facts))


def test_without_groups_items_are_drawn() -> None:
    facts = trials(0)
    del facts["group"]
    alone, grouped = measured(facts), measured(trials(0))
    for name, score in alone.items():
        assert score.value == pytest.approx(grouped[name].value, abs=1e-12)
        assert score[3:] == grouped[name][3:]
        assert score.low < score.high and score[1:3] != grouped[name][1:3]
