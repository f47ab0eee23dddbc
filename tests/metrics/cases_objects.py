"""Cases of the metrics of scanpaths over objects."""

from __future__ import annotations

from collections.abc import Callable

import torch
from cases import Batch, Case
from torch import Tensor

from gazekit.metrics import (
    BehaviourDelta,
    DurationCalibration,
    DurationGain,
    EditDistance,
    InformationGain,
    InformationGainWithStop,
    SearchBehaviour,
    SequenceScore,
)
from gazekit.metrics.functional import (
    behaviour,
    behaviour_delta,
    duration_calibration,
    duration_gain_nats,
    edit_distance,
    information_gain_bits,
    sequence_score,
)

__all__ = ["CASES"]


def trials_batch(seed: int) -> Batch:
    """Twelve trials of three model scanpaths and a human one; some scanpaths are empty."""
    draw = torch.Generator().manual_seed(seed)

    def objects(*shape: int) -> Tensor:
        return torch.randint(4, shape, generator=draw)

    model_length = 1 + objects(12, 3, 1) * 2
    model_length[0, :2] = 0
    model_length[1] = 0
    human_length = 3 + objects(12, 1)
    human_length[seed % 3] = 0
    human_objects, target = objects(12, 7), objects(12) - 1
    human_objects[5] = target[5] = 2  # somebody finds it
    return {
        "model_objects": objects(12, 3, 9),
        "model_mask": torch.arange(9) < model_length,
        "human_objects": human_objects,
        "human_mask": torch.arange(7) < human_length,
        "target": target,
    }


def log_prob_batch(seed: int) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    log_prob = torch.rand(4, 6, generator=draw).log()
    log_prob[0, 0] = torch.nan
    mask = torch.rand(4, 6, generator=draw) < 0.7
    mask[0, 0] = True
    return {"log_prob": log_prob, "log_chance": torch.full((4, 6), -2.0), "mask": mask}


def mean_over_trials(pairwise: Callable[..., Tensor], batches: list[Batch]) -> Tensor:
    trials = [
        pairwise(model, human, model_mask, human_mask)
        for batch in batches
        for model, model_mask, human, human_mask in zip(
            batch["model_objects"],
            batch["model_mask"],
            batch["human_objects"],
            batch["human_mask"],
            strict=True,
        )
    ]
    return torch.stack([trial.nanmean() for trial in trials]).nanmean()


def delta_over_trials(batches: list[Batch]) -> Tensor:
    return behaviour_delta(*mean_behaviour(batches))


def mean_behaviour(batches: list[Batch]) -> tuple[Tensor, Tensor]:
    """Of the model and of people, over the trials where both sides define a part."""
    model, human = [], []
    for batch in batches:
        for i, target in enumerate(batch["target"]):
            n = len(batch["model_objects"][i])
            model.append(
                behaviour(batch["model_objects"][i], batch["model_mask"][i], target.expand(n)).nanmean(0)
            )
            human.append(behaviour(batch["human_objects"][[i]], batch["human_mask"][[i]], target[None])[0])
    model, human = torch.stack(model), torch.stack(human)
    undefined = model.isnan() | human.isnan()
    model, human = (side.masked_fill(undefined, torch.nan).nanmean(0) for side in (model, human))
    return model, human


def outcome_batch(seed: int) -> Batch:
    return {f"outcome_{name}": values for name, values in log_prob_batch(seed).items()}


def gain_over_fixations(batches: list[Batch], prefix: str = "") -> Tensor:
    log_prob, log_baseline, mask = (
        torch.cat([batch[name] for batch in batches])
        for name in (f"{prefix}{name}" for name in ("log_prob", "log_chance", "mask"))
    )
    return information_gain_bits(log_prob, log_baseline, mask & ~log_prob.isnan())


def duration_batch(seed: int) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    batch = {f"duration_{name}": values for name, values in log_prob_batch(seed).items()}
    cdf = torch.rand(4, 6, generator=draw).square()
    cdf[0, 0] = torch.nan
    return {**batch, "duration_cdf": cdf}


def durations_known(batches: list[Batch]) -> tuple[Batch, Tensor]:
    everything = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
    return everything, everything["duration_mask"] & ~everything["duration_cdf"].isnan()


def gain_over_durations(batches: list[Batch]) -> Tensor:
    batch, known = durations_known(batches)
    return duration_gain_nats(batch["duration_log_prob"], batch["duration_log_chance"], known)


def gap_of_durations(batches: list[Batch]) -> Tensor:
    batch, known = durations_known(batches)
    return duration_calibration(batch["duration_cdf"], known)


CASES = {
    "sequence_score": Case(SequenceScore, trials_batch, lambda b: mean_over_trials(sequence_score, b)),
    "edit_distance": Case(EditDistance, trials_batch, lambda b: mean_over_trials(edit_distance, b), False),
    "behaviour_delta": Case(BehaviourDelta, trials_batch, delta_over_trials),
    "behaviour": Case(SearchBehaviour, trials_batch, lambda b: mean_behaviour(b)[0]),
    "information_gain_bits": Case(InformationGain, log_prob_batch, gain_over_fixations),
    "information_gain_with_stop_bits": Case(
        InformationGainWithStop, outcome_batch, lambda b: gain_over_fixations(b, "outcome_")
    ),
    "duration_gain_nats": Case(DurationGain, duration_batch, gain_over_durations),
    "duration_calibration": Case(DurationCalibration, duration_batch, gap_of_durations),
}
