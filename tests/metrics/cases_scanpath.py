"""Cases of the comparisons of scanpaths."""

from __future__ import annotations

from collections.abc import Callable

import torch
from cases import Batch, Case
from torch import Tensor

from gazekit.metrics import (
    DTW,
    ClusterEditDistance,
    ClusterSequenceScore,
    CrossRecurrence,
    Euclidean,
    Eyenalysis,
    Frechet,
    GridEditDistance,
    GridSequenceScore,
    Hausdorff,
    MannanSimilarity,
    MannanSquaredDistance,
    MultiMatch,
    ScaledTimeDelayEmbedding,
    ScanMatch,
    SemanticEditDistance,
    SemanticSequenceScore,
    TimeDelayEmbedding,
)
from gazekit.metrics import functional as F
from gazekit.metrics.functional import Grouping, dtw_px, frechet_px, hausdorff_px, multimatch
from gazekit.scanpath import Scanpaths

__all__ = ["CASES"]

SIZE_PX = (800, 600)
GROUPING = Grouping(direction_deg=45, duration_ms=200, amplitude_px=250)


def random_scanpaths(draw: torch.Generator, *shape: int, longest: int = 8) -> Scanpaths:
    """Irregular lengths from 0; padding holds rubbish that must not matter."""
    xy = torch.rand(*shape, longest, 2, generator=draw, dtype=torch.float64) * torch.tensor(SIZE_PX)
    mask = torch.arange(longest) < torch.randint(longest + 1, (*shape, 1), generator=draw)
    duration = 80 + 400 * torch.rand(*shape, longest, generator=draw, dtype=torch.float64)
    return Scanpaths(xy, mask, duration)


def pairs_batch(seed: int) -> Batch:
    """Ten trials of up to three model scanpaths and two people; nobody is in trial 0."""
    draw = torch.Generator().manual_seed(seed)
    model, human = random_scanpaths(draw, 10, 3), random_scanpaths(draw, 10, 2)
    model.mask[0] = False
    human.mask[0] = False
    size = torch.tensor(SIZE_PX, dtype=torch.float64).expand(10, 2)
    return {
        "model": model,
        "human": human,
        "size_px": size,
        "radius_px": torch.linspace(50, 200, 10),
        "centres_px": torch.rand(10, 4, 2, generator=draw, dtype=torch.float64) * size[:, None],
        "label_map": torch.randint(3, (10, SIZE_PX[1], SIZE_PX[0]), generator=draw, dtype=torch.uint8),
    }


def of_somebody(
    score: Callable[..., Tensor], model: Scanpaths, human: Scanpaths, *facts, **settings
) -> Tensor:
    """The score of a pair, NaN where a place of a panel stays empty."""
    value = score(model, human, *facts, **settings)
    return value if model.mask.any() and human.mask.any() else torch.full_like(value, torch.nan)


def mean_of_pairs(score: Callable[..., Tensor], batches: list[Batch]) -> Tensor:
    """Mean over trials of the mean over all pairs, one pair at a time. `score(a, b, size_px)`."""
    trials = []
    for batch in batches:
        for model, human, size in zip(batch["model"], batch["human"], batch["size_px"], strict=True):
            values = [of_somebody(score, a, b, size) for a in model for b in human]
            trials.append(torch.stack(values).nanmean(0))
    return torch.stack(trials).nanmean(0)


def _case(metric: type, function: Callable[..., Tensor], *facts: str, **settings) -> Case:
    """`facts` name what `function` takes of each trial behind the scanpaths, `settings` what it shares with
    the class."""

    def expected(batches: list[Batch]) -> Tensor:
        trials = []
        for batch in batches:
            columns = [batch[name] for name in ("model", "human", *facts)]
            for model, human, *own in zip(*columns, strict=True):
                values = [of_somebody(function, a, b, *own, **settings) for a in model for b in human]
                trials.append(torch.stack(values).nanmean(0))
        return torch.stack(trials).nanmean(0)

    return Case(lambda: metric(**settings), pairs_batch, expected)


CASES = {
    "hausdorff_px": Case(
        Hausdorff, pairs_batch, lambda b: mean_of_pairs(lambda a, h, size: hausdorff_px(a, h), b)
    ),
    "multimatch": Case(
        lambda: MultiMatch(GROUPING),
        pairs_batch,
        lambda b: mean_of_pairs(lambda a, h, size: multimatch(a, h, size, GROUPING), b),
    ),
    "dtw_px": Case(DTW, pairs_batch, lambda b: mean_of_pairs(lambda a, h, size: dtw_px(a, h), b)),
    "frechet_px": Case(Frechet, pairs_batch, lambda b: mean_of_pairs(lambda a, h, size: frechet_px(a, h), b)),
    "eyenalysis_px": _case(Eyenalysis, F.eyenalysis_px),
    "euclidean_px": _case(Euclidean, F.euclidean_px),
    "mannan_squared_distance": _case(MannanSquaredDistance, F.mannan_squared_distance, "size_px"),
    "mannan_similarity": _case(MannanSimilarity, F.mannan_similarity, "size_px", n_random=20),
    "time_delay_embedding_px": _case(
        TimeDelayEmbedding, lambda a, h, **settings: F.time_delay_embedding_px(h, a, **settings), k=2
    ),
    "scaled_time_delay_embedding": _case(
        ScaledTimeDelayEmbedding,
        lambda a, h, size, **settings: F.scaled_time_delay_embedding(h, a, size, **settings),
        "size_px",
        window="sum",
    ),
    "cross_recurrence": _case(CrossRecurrence, F.cross_recurrence, "radius_px", min_run=3),
    "scanmatch": _case(ScanMatch, F.scanmatch, "size_px", bin_ms=50, gap=-0.3),
    "grid_sequence_score": _case(GridSequenceScore, F.grid_sequence_score, "size_px", bin_ms=100),
    "grid_edit_distance": _case(GridEditDistance, F.grid_edit_distance, "size_px", normalised=True),
    "cluster_sequence_score": _case(ClusterSequenceScore, F.cluster_sequence_score, "centres_px"),
    "cluster_edit_distance": _case(ClusterEditDistance, F.cluster_edit_distance, "centres_px"),
    "semantic_sequence_score": _case(SemanticSequenceScore, F.semantic_sequence_score, "label_map"),
    "semantic_edit_distance": _case(SemanticEditDistance, F.semantic_edit_distance, "label_map"),
}
