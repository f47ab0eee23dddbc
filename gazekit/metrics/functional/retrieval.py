"""Which of n pictures was it? Brains and pictures in one space, each looking for its partner."""

from __future__ import annotations

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, values, whole_number
from gazekit.metrics.functional.rsa import unit_patterns

__all__ = ["RETRIEVAL_PARTS", "retrieval_probabilities", "retrieval_top_k"]

RETRIEVAL_PARTS = ("picture", "brain")
"""What is looked for: the picture of a brain's response, or the response to a picture."""
_CHUNK_BYTES = 64 * 2**20
_TIE = 1e-12  # similarities that differ by no more are equal but for rounding


def retrieval_top_k(
    brain_embedding: ArrayLike, picture_embedding: ArrayLike, k: int = 1, among: int = 300
) -> Tensor:
    """Share of pictures whose partner is one of the k most similar (cosine) among n random ones, n = `among`.

        for i in a random batch of n pictures: hit if fewer than k of the n - 1 others are closer to i's brain than i

    Source: MindEye (Scotti et al. 2023, arXiv 2305.18274), which takes the mean over 30 random batches of 300; this is
    the mean over all batches that there are: if m of the N - 1 other pictures are closer, the number of them in a batch
    is hypergeometric. Equal similarities (to 1e-12) are put in random order, so that an embedding that knows nothing
    gets k / n exactly.

    Args:
        brain_embedding: [N, D] what a model makes of the brain's responses.
        picture_embedding: [N, D] of the pictures, in the same space and order.
        k: how many of the most similar ones count.
        among: pictures to choose from, the right one included.
    Returns:
        [2] float64 from 0 to 1, chance k / n: pictures found by brains ("image retrieval"), brains found by pictures
        ("brain retrieval"). Pictures with a zero embedding or a NaN are left out; NaN if fewer than `among` are left.
    Raises:
        TypeError: values are not real numbers.
        ValueError: shapes are not one [N, D]; k below 1, among below 2, or k above among.

    Example:
        >>> import torch
        >>> retrieval_top_k(torch.eye(3)[[0, 2, 1]], torch.eye(3), among=2).round(decimals=4)
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    return retrieval_probabilities(brain_embedding, picture_embedding, k, among).nanmean(0)


def retrieval_probabilities(
    brain_embedding: ArrayLike, picture_embedding: ArrayLike, k: int = 1, among: int = 300
) -> Tensor:
    """[N, 2] for each picture the chance that it is found in a random batch, see `retrieval_top_k`."""
    brain, picture = (
        values("brain_embedding", brain_embedding),
        values("picture_embedding", picture_embedding),
    )
    if brain.dim() != 2 or brain.shape != picture.shape:
        raise ValueError(
            "brain_embedding and picture_embedding must share one shape [N, D], "
            f"got {list(brain.shape)} and {list(picture.shape)}"
        )
    if not whole_number("k", k, 1) <= whole_number("among", among, 2):
        raise ValueError(f"k must be at most among, got {k} and {among}")
    brain, picture = unit_patterns(brain, False), unit_patterns(picture, False)
    known = ~(brain.isnan().any(1) | picture.isnan().any(1))
    found = brain.new_full((len(brain), 2), torch.nan)
    if int(known.sum()) < among:
        return found
    brain, picture = brain[known], picture[known]
    chance = _hits(len(brain), k, among).to(brain)
    sides = [_in_random_order(chance, *_closer(*pair)) for pair in ((brain, picture), (picture, brain))]
    found[known] = torch.stack(sides, 1)
    return found


def _closer(query: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """[N] how many candidates are closer to a query than its own, and how many others are as close."""
    own = (query * candidates).sum(1)
    closer, equal = [], []
    rows = max(1, _CHUNK_BYTES // (8 * 3 * max(1, len(query))))
    for part, right in zip(query.split(rows), own.split(rows), strict=True):
        margin = part @ candidates.T - right[:, None]
        closer.append((margin > _TIE).sum(1))
        equal.append((margin.abs() <= _TIE).sum(1) - 1)
    return torch.cat(closer), torch.cat(equal).clamp(min=0)


def _in_random_order(chance: Tensor, closer: Tensor, equal: Tensor) -> Tensor:
    """Mean of `chance` over the numbers of others that may come first, from `closer` to `closer + equal`."""
    total = torch.cat([chance.new_zeros(1), chance.cumsum(0)])
    return (total[closer + equal + 1] - total[closer]) / (equal + 1)


def _hits(pictures: int, k: int, among: int) -> Tensor:
    """[N] the chance that a batch holds fewer than k of the m others that are closer, m = 0 to N - 1."""
    from scipy.stats import hypergeom

    m = torch.arange(pictures)
    return torch.from_numpy(hypergeom.cdf(k - 1, pictures - 1, m.numpy(), among - 1))
