"""Do raters, or a detector and a rater, give the same labels? Agreement beyond chance, from tables of counts."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gazekit.metrics.functional.arguments import ArrayLike, integers, masked, values

__all__ = ["KappaWeights", "MeasurementLevel", "cohen_kappa", "krippendorff_alpha", "sample_f1"]

KappaWeights = Literal["linear", "quadratic"] | None
MeasurementLevel = Literal["nominal", "ordinal", "interval", "ratio"]


def cohen_kappa(
    a: ArrayLike, b: ArrayLike, weights: KappaWeights = None, mask: ArrayLike | None = None
) -> Tensor:
    """Cohen's kappa: how far the agreement of two raters exceeds what their label frequencies would give.

        kappa = 1 - sum_ij w_ij observed_ij / sum_ij w_ij expected_ij,  expected_ij = a_i b_j / N

    with w = 1 for different labels, or |i - j| ("linear"), or (i - j)^2 ("quadratic") for labels on a scale.

    Source: Cohen 1960 (Educational and Psychological Measurement 20, 37), weighted 1968 (Psychological Bulletin
    70, 213). Deviation: labels are the numbers they are; some tools take the distance of labels 0, 1, 5 to be
    that of their places 0, 1, 2.

    Args:
        a: [..., N] integer labels by one rater, of samples, frames or events; `b` by the other.
        weights: None for labels without order, "linear" or "quadratic".
        mask: [..., N] bool, True = both raters gave a label; all by default.
    Returns:
        [...] float64 from -1 to 1, 0 at chance. NaN where chance agreement is perfect (both raters used one
        and the same label throughout), or nothing is labelled.
    Raises:
        TypeError: labels are not integers, the mask is not bool.
        ValueError: shapes differ, unknown weights.

    Example:
        >>> import torch
        >>> cohen_kappa(torch.tensor([1, 1, 2, 2]), torch.tensor([1, 1, 2, 1]))
        tensor(0.5000, dtype=torch.float64)
    """
    a, b, mask = label_pairs(a, b, mask)
    _check_weights(weights)
    apart = (a - b).abs().double()
    observed = torch.where(mask, _weight(apart, weights), 0.0).sum(-1)
    return 1 - mask.sum(-1) * observed / _weight_of_all_pairs(a, b, mask, weights)


def sample_f1(a: ArrayLike, b: ArrayLike, num_classes: int, mask: ArrayLike | None = None) -> Tensor:
    """F1 of each class from labels of samples: 2 x both / (a's + b's), the Dice overlap in time.

    It is symmetric in the raters: precision and recall swap with them, their harmonic mean stays.

    Source: van Rijsbergen 1979, Information Retrieval; Dice 1945 (Ecology 26, 297).

    Args:
        a: [..., N] integer labels 0 ... num_classes - 1 of N samples; `b` of the same by the other rater.
        num_classes: C.
        mask: [..., N] bool, True = both gave a label; all by default.
    Returns:
        [..., C] float64 from 0 to 1; NaN for a class that neither used.
    Raises:
        TypeError: labels are not integers, the mask is not bool.
        ValueError: shapes differ, a valid label outside the classes.

    Example:
        >>> import torch
        >>> sample_f1(torch.tensor([1, 1, 2, 2]), torch.tensor([1, 1, 2, 1]), num_classes=3)
        tensor([   nan, 0.8000, 0.6667], dtype=torch.float64)
    """
    a, b, mask = label_pairs(a, b, mask, num_classes)
    return f1_of(confusion_counts(a, b, mask, num_classes))


def krippendorff_alpha(
    ratings: ArrayLike, mask: ArrayLike | None = None, level: MeasurementLevel = "nominal"
) -> Tensor:
    """Krippendorff's alpha: agreement beyond chance of any number of raters, with ratings missing.

        alpha = 1 - (n - 1) sum_ck o_ck d_ck^2 / sum_ck n_c n_k d_ck^2

    over the n ratings of units that two or more rated; o is the coincidence matrix (pairs of ratings c, k of
    one unit, each unit's pairs weighing 1 / (its ratings - 1)), n_c its row sums. The distance d is 0 or 1
    ("nominal"), that of mean ranks ("ordinal"), c - k ("interval") or (c - k) / (c + k) ("ratio").

    Source: Krippendorff 2004, Content Analysis, 2nd edition, chapter 11; Hayes and Krippendorff 2007
    (Communication Methods and Measures 1, 77).

    Args:
        ratings: [..., R, U] labels or numbers that R raters gave to U units. Memory grows with the square of
            the number of distinct values.
        mask: [..., R, U] bool, True = rated; all by default.
        level: of measurement of the ratings.
    Returns:
        [...] float64 up to 1, 0 at chance, below where raters contradict one another. NaN where all ratings
        of comparable units are equal, or no unit has two.
    Raises:
        TypeError: ratings are not real numbers, the mask is not bool.
        ValueError: shapes don't fit, a rating that is not finite, a negative one on a ratio scale, unknown
            level.

    Example:
        >>> import torch
        >>> krippendorff_alpha(torch.tensor([[1, 1, 2, 2], [1, 1, 2, 1]]))
        tensor(0.5333, dtype=torch.float64)
    """
    ratings, mask = rated(values("ratings", ratings), mask)
    valid = ratings[mask]
    if not valid.isfinite().all():
        raise ValueError("ratings must be finite wherever mask is True")
    if level == "ratio" and (valid < 0).any():
        raise ValueError(f"ratings on a ratio scale must be at least 0, got {valid.min().item():g}")
    scale = valid.unique()
    known = torch.where(mask, ratings, scale[0] if len(scale) else 0.0).contiguous()
    places = torch.searchsorted(scale, known)
    return alpha_of(coincidences(places, mask, len(scale)), scale, level)


def label_pairs(
    a: ArrayLike, b: ArrayLike, mask: ArrayLike | None, num_classes: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Two raters' labels [..., N] and their mask, checked."""
    a, b = (integers(name, labels, "integer labels") for name, labels in (("a", a), ("b", b)))
    mask = masked("mask", mask, a)
    if not a.shape == b.shape == mask.shape or not a.dim():
        raise ValueError(
            "a, b and mask must share one shape [..., N], "
            f"got {list(a.shape)}, {list(b.shape)} and {list(mask.shape)}"
        )
    for name, labels in (("a", a), ("b", b)):
        _check_classes(name, labels[mask], num_classes)
    return a, b, mask


def rated(ratings: Tensor, mask: ArrayLike | None, num_classes: int | None = None) -> tuple[Tensor, Tensor]:
    """Ratings [..., R, U] and their mask, checked."""
    mask = masked("mask", mask, ratings)
    if ratings.shape != mask.shape or ratings.dim() < 2:
        raise ValueError(
            "ratings and mask must share one shape [..., raters, units], "
            f"got {list(ratings.shape)} and {list(mask.shape)}"
        )
    _check_classes("ratings", ratings[mask], num_classes)
    return ratings, mask


def _check_classes(name: str, valid: Tensor, num_classes: int | None) -> None:
    if num_classes is not None and ((valid < 0) | (valid >= num_classes)).any():
        raise ValueError(
            f"{name} must lie between 0 and {num_classes - 1} wherever mask is True, "
            f"got {valid.min().item():g} to {valid.max().item():g}"
        )


def confusion_counts(a: Tensor, b: Tensor, mask: Tensor, num_classes: int) -> Tensor:
    """[..., C, C] float64: how often a said row and b said column, for labels [..., N] below C."""
    cells = torch.where(mask, a * num_classes + b, 0)
    counts = torch.zeros(*a.shape[:-1], num_classes**2, dtype=torch.float64, device=a.device)
    if num_classes:
        counts.scatter_add_(-1, cells, mask.double())
    return counts.unflatten(-1, (num_classes, num_classes))


def kappa_of(confusion: Tensor, scale: Tensor, weights: KappaWeights) -> Tensor:
    """Kappa [...] from counts [..., C, C] of labels that lie at `scale` [C]."""
    _check_weights(weights)
    weight = _weight((scale[:, None] - scale).abs(), weights)
    expected = confusion.sum(-1)[..., :, None] * confusion.sum(-2)[..., None, :]
    total = confusion.sum((-2, -1))
    return 1 - total * (weight * confusion).sum((-2, -1)) / (weight * expected).sum((-2, -1))


def _check_weights(weights: KappaWeights) -> None:
    if weights not in (None, "linear", "quadratic"):
        raise ValueError(f"weights must be None, 'linear' or 'quadratic', got {weights!r}")


def _weight(apart: Tensor, weights: KappaWeights) -> Tensor:
    """w of labels that are `apart`."""
    return (apart > 0).double() if weights is None else apart ** (1 if weights == "linear" else 2)


def _weight_of_all_pairs(a: Tensor, b: Tensor, mask: Tensor, weights: KappaWeights) -> Tensor:
    """[...] sum of w over all pairs of one of a's labels and one of b's, without a table of pairs or labels."""
    count = mask.sum(-1).double()
    if weights == "quadratic":
        means = [torch.where(mask, x, 0).sum(-1) / count for x in (a, b)]
        spread = [torch.where(mask, x - mean[..., None], 0.0) for x, mean in zip((a, b), means, strict=True)]
        squares = sum(away.square().sum(-1) for away in spread)
        return count * squares + (count * (means[0] - means[1])) ** 2
    label, order = torch.cat([a, b], -1).sort(-1)
    counted, of_a = torch.cat([mask, mask], -1).gather(-1, order), order < a.shape[-1]
    of_a, of_b = (counted & of_a).double(), (counted & ~of_a).double()
    gap = label.diff().double()
    if weights == "linear":  # the pairs on both sides of each gap
        below, below_b = (x.cumsum(-1)[..., :-1] for x in (of_a, of_b))
        count = count[..., None]
        return (gap * (below * (count - below_b) + below_b * (count - below))).sum(-1)
    run = torch.nn.functional.pad((gap > 0).long(), (1, 0))[..., : label.shape[-1]].cumsum(-1)
    uses = [torch.zeros_like(x).scatter_add_(-1, run, x) for x in (of_a, of_b)]
    return count**2 - (uses[0] * uses[1]).sum(-1)


def f1_of(confusion: Tensor) -> Tensor:
    """F1 [..., C] of each class from counts [..., C, C]."""
    return 2 * confusion.diagonal(dim1=-2, dim2=-1) / (confusion.sum(-1) + confusion.sum(-2))


def coincidences(places: Tensor, mask: Tensor, num_classes: int) -> Tensor:
    """Coincidence matrix [..., C, C] of ratings [..., R, U] below C; a sum over units."""
    counts = torch.zeros(
        *places.shape[:-2], places.shape[-1], num_classes, dtype=torch.float64, device=places.device
    )
    if num_classes:
        places = torch.where(mask, places, 0)
        counts.scatter_add_(-1, places.mT.contiguous(), mask.mT.double())  # [..., U, C]
    ratings = counts.sum(-1, keepdim=True)
    shared = torch.where(ratings > 1, counts / (ratings - 1), 0.0)
    return shared.mT @ counts - torch.diag_embed(shared.sum(-2))


def alpha_of(coincidence: Tensor, scale: Tensor, level: MeasurementLevel) -> Tensor:
    """Alpha [...] from coincidences [..., C, C] of ratings that lie at `scale` [C]."""
    totals = coincidence.sum(-1)
    if level == "nominal":
        squared = (scale[:, None] != scale).double()
    elif level == "interval":
        squared = (scale[:, None] - scale) ** 2
    elif level == "ratio":
        both = scale[:, None] + scale
        squared = torch.where(both > 0, (scale[:, None] - scale) / both, 0.0) ** 2
    elif level == "ordinal":
        rank = totals.cumsum(-1) - totals / 2  # the middle of those ranks that a value takes
        squared = (rank[..., :, None] - rank[..., None, :]) ** 2
    else:
        raise ValueError(f"level must be nominal, ordinal, interval or ratio, got {level!r}")
    observed = (coincidence * squared).sum((-2, -1))
    expected = (totals[..., :, None] * totals[..., None, :] * squared).sum((-2, -1))
    return 1 - (totals.sum(-1) - 1) * observed / expected
