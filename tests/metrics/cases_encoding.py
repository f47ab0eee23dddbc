"""Cases of the encoding metrics."""

from __future__ import annotations

import torch
from cases import Batch, Case
from torch import Tensor

from gazekit.metrics import (
    R2,
    RSA,
    ExplainableVariance,
    IdentificationAccuracy,
    NoiseCeiling,
    NormalisedCorrelation,
    NormalisedR2,
    Pearson,
    Retrieval,
    TwoVersusTwo,
)
from gazekit.metrics.functional import (
    explainable_variance,
    identification_accuracy,
    noise_ceiling,
    normalised_correlation,
    normalised_r2,
    pearson,
    r2_score,
    rdm,
    retrieval_top_k,
    rsa,
    two_versus_two,
)

__all__ = ["CASES"]

VOXELS = 7
CEILING = torch.linspace(0, 0.9, VOXELS, dtype=torch.float64)  # the first two are too low


def stimuli_batch(seed: int) -> Batch:
    """Nine stimuli, far from 0; the prediction of one stimulus and the response of one voxel don't vary."""
    draw = torch.Generator().manual_seed(seed)
    response = 100 + torch.randn(9, VOXELS, generator=draw, dtype=torch.float64)
    prediction = response + torch.randn(9, VOXELS, generator=draw, dtype=torch.float64)
    response[:, 3] = 0.1
    prediction[4] = 0.3
    return {"prediction": prediction, "response": response}


def repeats_batch(seed: int) -> Batch:
    """Up to three presentations of eight stimuli; what did not take place holds NaN; voxel 5 is silent."""
    draw = torch.Generator().manual_seed(seed)
    signal = 50 + torch.randn(1, 8, VOXELS, generator=draw, dtype=torch.float64)
    repeats = signal + 0.7 * torch.randn(3, 8, VOXELS, generator=draw, dtype=torch.float64)
    repeats[..., 5] = 0.1
    mask = torch.rand(3, 8, generator=draw) < 0.8
    repeats[~mask] = torch.nan
    return {"repeats": repeats, "repeats_mask": mask}


def patterns_batch(seed: int) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    brain = torch.randn(6, 10, generator=draw, dtype=torch.float64)
    return {"model_patterns": brain[:, :4].abs(), "brain_patterns": brain}


def embeddings_batch(seed: int) -> Batch:
    """Six pictures, one of them without an embedding."""
    draw = torch.Generator().manual_seed(seed)
    picture = torch.randn(6, 4, generator=draw, dtype=torch.float64)
    brain = picture + torch.randn(6, 4, generator=draw, dtype=torch.float64)
    brain[2] = 0
    return {"brain_embedding": brain, "picture_embedding": picture}


def joined(batches: list[Batch], name: str, dim: int = 0) -> Tensor:
    return torch.cat([batch[name] for batch in batches], dim)


def stimuli(batches: list[Batch]) -> tuple[Tensor, Tensor]:
    return joined(batches, "prediction"), joined(batches, "response")


def repeats(batches: list[Batch]) -> tuple[Tensor, Tensor]:
    return joined(batches, "repeats", 1), joined(batches, "repeats_mask", 1)


CASES: dict[str, Case] = {
    "pearson": Case(lambda: Pearson(VOXELS, "mean"), stimuli_batch, lambda b: pearson(*stimuli(b)).nanmean()),
    "r2_score": Case(
        lambda: R2(VOXELS, "median"), stimuli_batch, lambda b: r2_score(*stimuli(b)).nanquantile(0.5)
    ),
    "normalised_correlation": Case(
        lambda: NormalisedCorrelation(CEILING, 0.2, "mean"),
        stimuli_batch,
        lambda b: normalised_correlation(pearson(*stimuli(b)), CEILING, 0.2).nanmean(),
    ),
    "normalised_r2": Case(
        lambda: NormalisedR2(CEILING, 0.2, "median"),
        stimuli_batch,
        lambda b: normalised_r2(pearson(*stimuli(b)), CEILING, 0.2).nanquantile(0.5),
    ),
    "noise_ceiling": Case(
        lambda: NoiseCeiling(VOXELS, aggregation="mean"),
        repeats_batch,
        lambda b: noise_ceiling(*repeats(b)).nanmean(),
    ),
    "explainable_variance": Case(
        lambda: ExplainableVariance(VOXELS, "mean"),
        repeats_batch,
        lambda b: explainable_variance(*repeats(b)).nanmean(),
    ),
    "rsa": Case(
        lambda: RSA(4, 10),
        patterns_batch,
        lambda b: rsa(rdm(joined(b, "model_patterns")), rdm(joined(b, "brain_patterns"))),
        may_be_undefined=False,
    ),
    "two_versus_two": Case(
        lambda: TwoVersusTwo(VOXELS), stimuli_batch, lambda b: two_versus_two(*stimuli(b))
    ),
    "identification_accuracy": Case(
        lambda: IdentificationAccuracy(VOXELS),
        stimuli_batch,
        lambda b: identification_accuracy(*stimuli(b)),
    ),
    "retrieval_top_k": Case(
        lambda: Retrieval(4, among=3),
        embeddings_batch,
        lambda b: retrieval_top_k(joined(b, "brain_embedding"), joined(b, "picture_embedding"), among=3),
    ),
}
